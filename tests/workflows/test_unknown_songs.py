"""Nobody is named for a song that the model knows less than its own recordings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import soundfile

from contrafact.attribution.familiarity import (
    learned_parts,
    least_learned,
    panel_queries,
)
from contrafact.attribution.null_signals import null_signals
from contrafact.catalog import Workspace
from contrafact.core.results import Attribution
from contrafact.workflows.asked import ask
from contrafact.workflows.attribute import attribute
from contrafact.workflows.index import build_index, least_learned_of

RATE = 16_000


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of noise."""
    path = tmp_path_factory.mktemp("noise") / "noise.wav"
    sound = null_signals(1, n_samples=4 * RATE, sample_rate=RATE, seed=5)[0]
    soundfile.write(path, sound.numpy(), RATE)
    return path


@pytest.fixture(scope="module")
def indexed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a model and its index."""
    root = tmp_path_factory.mktemp("indexed") / "ws"
    workspace = Workspace.open(Path(shutil.copytree(trained, root)))
    build_index(workspace, model="tiny")
    return workspace


def _asked_of(workspace: Workspace, path: Path) -> Attribution:
    return attribute(workspace, path, model="tiny", prompt="", listen=False)


def test_a_song_is_known_or_not_by_what_the_index_wrote_down(
    indexed: Workspace, noise: Path
) -> None:
    """Noise teaches nothing to a model of music, and the answer says why it is none.

    What is written down is what the model's own recordings give by themselves.
    """
    workspace = indexed
    record = build_index(workspace, model="tiny")
    asked = ask(workspace, noise, model="tiny", prompt="")
    seed = asked.record.seed
    own = learned_parts(asked.task, panel_queries(asked.task, 128), seed=seed)
    assert least_learned_of(record.directory) == pytest.approx(least_learned(own))
    [of_noise] = learned_parts(asked.task, asked.queries, seed=seed)
    answer = _asked_of(workspace, noise)
    assert answer.query.learned == pytest.approx(of_noise, abs=1e-6)
    assert answer.query.least_learned == least_learned_of(record.directory)
    # Of a little-trained model a lower line is asked for, then a higher one.
    for least, is_known in ((of_noise - 0.1, True), (of_noise + 0.1, False)):
        _write(record.directory, least)
        answer = attribute(workspace, noise, model="tiny", prompt="")
        assert bool(answer.passages) is is_known
        said = [n for n in answer.notices if "hardly knows this song" in n]
        assert answer.query.is_known is is_known
        assert bool(said) is not is_known
    assert answer.abstained
    assert f"{100 * (of_noise + 0.1):.0f} % or more" in said[0]
    assert not any(s.significant for rows in answer.tables.values() for s in rows)
    assert all(rest.share == 1 for rest in answer.unattributed.values())
    assert any(s.influence > 0 for s in answer.shares)


def test_an_index_from_before_learns_what_is_known_when_built_again(
    indexed: Workspace, noise: Path
) -> None:
    """Until then the rule does not apply; what else it holds stays as it is."""
    workspace = indexed
    directory = build_index(workspace, model="tiny").directory
    before = json.loads((directory / "record.json").read_text())
    del before["least_learned"]
    (directory / "record.json").write_text(json.dumps(before))
    answer = _asked_of(workspace, noise)
    assert answer.query.least_learned is None
    assert answer.query.is_known
    build_index(workspace, model="tiny")
    after = json.loads((directory / "record.json").read_text())
    assert after.pop("least_learned") is not None
    assert after == before


def _write(directory: Path, least: float) -> None:
    path = directory / "record.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "least_learned": least}))
