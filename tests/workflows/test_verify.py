"""Verification: what is trained again, and when there is nothing to check."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from contrafact.attribution.shares import Source, influence_of_sources
from contrafact.catalog import Workspace
from contrafact.core.errors import (
    ConfigError,
    IndexMismatchError,
    QueryError,
    WorkspaceLockedError,
)
from contrafact.core.results import Attribution
from contrafact.workflows.asked import ask
from contrafact.workflows.attribute import attribute, ready_estimator, scores_of
from contrafact.workflows.generate import generate
from contrafact.workflows.index import build_index
from contrafact.workflows.progress import silent
from contrafact.workflows.recipes import find_recipe
from contrafact.workflows.report import query_copy
from contrafact.workflows.retraining import Retraining, retrain
from contrafact.workflows.train import exclusive, studio_latents, train
from contrafact.workflows.verify import verify


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Workspace:
    """A workspace with a model."""
    return Workspace.open(shutil.copytree(trained, tmp_path / "ws"))


@pytest.fixture
def answer(workspace: Workspace) -> Attribution:
    """An attribution by chance, which needs no index."""
    song = workspace.root / "song.flac"
    generate(workspace, "march", model="tiny", out=song, seconds=2)
    return attribute(workspace, song, model="tiny", estimator="random")


def test_equal_removals_are_one_training(workspace: Workspace) -> None:
    """Two workers never train one model side by side; none is told to wait."""
    recipe = find_recipe("tiny")
    data = studio_latents(workspace, recipe, silent)
    one = Retraining.of(
        workspace, data, recipe, seed=0, left_out=data.recording_ids[:1]
    )
    told: list[tuple[str, int, int]] = []
    retrain([one, one, one], n_workers=2, progress=lambda *now: told.append(now))
    assert (one.folder / "manifest.json").exists()
    n_steps = recipe.training.n_steps
    assert told[-1] == ("retraining", n_steps, n_steps)


def test_predictions_are_of_influence_as_shares_have_it(workspace: Workspace) -> None:
    """The scale's prediction is the influence of a source of those recordings."""
    song = workspace.root / "song.flac"
    generate(workspace, "march", model="tiny", out=song, seconds=2)
    build_index(workspace, model="tiny")
    answer = attribute(workspace, song, model="tiny")
    checked = verify(workspace, answer.attribution_id, k=5, controls=["random"])
    asked = ask(workspace, song, model="tiny", prompt=None, progress=silent)
    scores = scores_of(ready_estimator(workspace, asked, "index", silent), asked)
    [kept] = (workspace.root / "calibrations").glob("*.json")
    [pairs] = json.loads(kept.read_text()).values()
    for removal in checked.removals:
        parts = dict.fromkeys(removal.recording_ids, 1.0)
        source = Source(id="s", name="s", parts=parts)
        predicted, measured = pairs[f"{answer.attribution_id}/{removal.kind}"]
        assert predicted == pytest.approx(influence_of_sources(scores, [source])[0, 0])
        assert measured == pytest.approx(removal.rise)


def test_a_song_is_checked_at_the_pitch_it_was_explained_at(
    workspace: Workspace, answer: Attribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same change is undone, and no other is looked for."""
    path = query_copy(workspace, answer).parent / "attribution.json"
    document = json.loads(path.read_text())
    document["query"]["pitch_semitones"] = 3.0
    path.write_text(json.dumps(document))
    seen = []

    def asked(*_: object, pitches: object, **__: object) -> None:
        seen.append(pitches)
        raise KeyboardInterrupt

    monkeypatch.setattr("contrafact.workflows.verify.ask", asked)
    with pytest.raises(KeyboardInterrupt):
        verify(workspace, answer.attribution_id, k=1)
    assert seen == [(3.0,)]


@pytest.mark.parametrize("k", [-1, 0, 24, 10**9])
def test_a_number_out_of_range_trains_nothing(
    workspace: Workspace, answer: Attribution, k: int
) -> None:
    """At least one recording is left out, and at least one is kept."""
    with pytest.raises(ConfigError, match="1 to 23"):
        verify(workspace, answer.attribution_id, k=k)
    assert not (workspace.cache_dir / "retrained").exists()


def test_another_model_of_the_same_name_is_refused(
    workspace: Workspace, answer: Attribution
) -> None:
    """An answer about one model is never checked by another."""
    shutil.rmtree(workspace.models_dir / "tiny")
    train(workspace, recipe="tiny", seed=1)
    with pytest.raises(IndexMismatchError, match="Attribute the song again"):
        verify(workspace, answer.attribution_id)


def test_a_song_that_is_gone_is_said(workspace: Workspace, answer: Attribution) -> None:
    """Without its copy of the song the workspace has nothing to check."""
    query_copy(workspace, answer).unlink()
    with pytest.raises(QueryError, match="is gone; attribute the song again"):
        verify(workspace, answer.attribution_id)


def test_two_checks_of_one_answer_do_not_meet(
    workspace: Workspace, answer: Attribution
) -> None:
    """The second is refused before it trains what the first will ask for."""
    folder = query_copy(workspace, answer).parent
    refused = pytest.raises(WorkspaceLockedError, match="Another process")
    with exclusive(folder), refused:
        verify(workspace, answer.attribution_id)
    assert not (workspace.cache_dir / "retrained").exists()
