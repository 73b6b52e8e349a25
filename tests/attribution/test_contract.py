"""What every registered estimator promises."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contrafact.attribution import ESTIMATORS, make_estimator
from contrafact.attribution.base import (
    AttributionTask,
    Estimator,
    Queries,
    Scores,
    no_progress,
)
from contrafact.attribution.panel import panel_rows
from contrafact.core.errors import ConfigError, IndexMismatchError, NotFittedError
from contrafact.generators.base import LatentBatch
from contrafact.generators.latents import LatentSet

# float32 gradients and losses, summed in another order, then in eight bits.
ROUNDED = 2e-3
# The panel may have gone through eight bits or a few digits, a query did not.
COMPRESSED = 5e-2
# Whose panel leaves the recording out at every draw by itself, by a factor of its own:
# at one draw it is one factor. `test_index` has more draws written out.
DRAW_BY_DRAW = {"index"}
# What these say does not hang on noise draws.
SEEDLESS = {"captions", "similarity"}

Make = Callable[..., Estimator]


@pytest.fixture(params=sorted(ESTIMATORS))
def name(request: pytest.FixtureRequest) -> str:
    """The name of every registered estimator in turn."""
    return str(request.param)


@pytest.fixture
def make(name: str, settings_of: Callable[[str], dict[str, Any]]) -> Make:
    """Make the estimator, small, with some settings if asked."""
    return lambda **chosen: make_estimator(name, **{**settings_of(name), **chosen})


@pytest.fixture
def fitted(make: Make, task: AttributionTask, tmp_path: Path) -> Estimator:
    """The estimator, fitted to the tiny corpus."""
    return make().fit(task, tmp_path / "fitted", progress=no_progress)


def _same(one: Scores, other: Scores) -> bool:
    return torch.equal(one.values, other.values)


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= ROUNDED * other.abs().max())


def test_scores_have_a_row_for_each_query(
    fitted: Estimator, task: AttributionTask, queries: Queries
) -> None:
    """Scores are finite float32, one for each query and recording."""
    scores = fitted.score(queries)
    assert scores.values.shape == (3, 11)
    assert scores.values.dtype == torch.float32
    assert bool(torch.isfinite(scores.values).all())
    assert scores.recording_ids == task.train.recording_ids


def test_scores_are_the_mean_of_their_replicates(
    fitted: Estimator, queries: Queries
) -> None:
    """Where the noise draws are kept apart, their mean is what is reported."""
    scores = fitted.score(queries)
    if scores.replicates is not None:
        assert scores.replicates.ndim == 4
        assert _close(scores.replicates.mean((1, 2)), scores.values)


def test_a_panel_is_recordings_of_the_corpus_as_queries(
    name: str, make: Make, task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Its rows are the scores of recordings' first windows, NaN on themselves.

    They are spread evenly by name, whatever the corpus's order. Scores are equal up to
    a factor of the row, which shares do not see: an estimator may undo that a recording
    of the corpus had a part in its own fit.
    """
    chosen = {}
    if name in DRAW_BY_DRAW:
        task, chosen = replace(task, n_strata=1), {"n_draws": 1}
    fitted = make(**chosen).fit(task, tmp_path, progress=no_progress)
    panel = fitted.score(queries).panel
    if panel is None:
        return
    ids = task.train.recording_ids
    rows = panel_rows(task.train, fitted.settings["n_panel"])
    own = [ids[int(row.isnan().nonzero())] for row in panel]
    assert own == [task.train.windows[row].recording_id for row in rows]
    assert panel.shape[1] == len(ids)
    assert panel.isnan().sum(1).tolist() == [1] * len(panel)
    for row, first in zip(panel, rows, strict=True):
        caption = task.train.windows[first].caption
        asked = Queries(task.train.batch([first]), (caption,))
        found = fitted.score(asked).values[0][~row.isnan()]
        wanted = row[~row.isnan()]
        factor = (found * wanted).sum() / wanted.square().sum()
        assert factor > 0
        assert (found / factor - wanted).abs().max() <= COMPRESSED * wanted.abs().max()


def test_the_same_seed_gives_the_same_bytes(
    make: Make, task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Two fits write the same files and give the same scores."""
    found = []
    for place in ("one", "other"):
        fitted = make().fit(task, tmp_path / place, progress=no_progress)
        files = {p.name: p.read_bytes() for p in (tmp_path / place).iterdir()}
        found.append((files, fitted.score(queries)))
    assert found[0][0] == found[1][0]
    assert _same(found[0][1], found[1][1])


def test_another_seed_gives_other_scores_where_noise_is_drawn(
    name: str, make: Make, task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """The seed decides the noise and nothing else."""
    one, other = (
        make()
        .fit(replace(task, seed=seed), tmp_path / str(seed), progress=no_progress)
        .score(queries)
        for seed in (0, 1)
    )
    assert _same(one, other) == (name in SEEDLESS)


def test_scores_do_not_depend_on_the_other_queries(
    fitted: Estimator, queries: Queries
) -> None:
    """A query scores the same alone, without the padding of longer ones."""
    together = fitted.score(queries).values
    for row, n_tokens in enumerate(queries.batch.n_tokens):
        latents = queries.batch.latents[row, :, :n_tokens]
        alone = Queries(LatentBatch.stack([latents]), (queries.prompts[row],))
        assert _close(fitted.score(alone).values[0], together[row])


def test_scores_follow_the_order_of_the_corpus(
    make: Make,
    fitted: Estimator,
    task: AttributionTask,
    queries: Queries,
    rng: Any,
    permuted: Callable[[LatentSet, Sequence[int]], LatentSet],
    tmp_path: Path,
) -> None:
    """Training windows in another order give the same scores in that order."""
    keeps_all = {"n_features": 0} if "n_features" in fitted.settings else {}
    shuffled = permuted(task.train, rng.permutation(len(task.train)).tolist())
    found = []
    for place, train in (("as it was", task.train), ("shuffled", shuffled)):
        estimator = make(**keeps_all)
        estimator.fit(
            replace(task, train=train), tmp_path / place, progress=no_progress
        )
        scores = estimator.score(queries)
        order = [scores.recording_ids.index(r) for r in task.train.recording_ids]
        found.append(scores.values[:, order])
    assert shuffled.recording_ids != task.train.recording_ids
    assert _close(found[1], found[0])


def test_windows_add_up_to_their_recording(
    make: Make,
    fitted: Estimator,
    task: AttributionTask,
    queries: Queries,
    tmp_path: Path,
) -> None:
    """A recording in two windows scores what its windows score as recordings."""
    windows = task.train.windows
    assert windows[0].recording_id == windows[1].recording_id
    # A name that comes first, as the recording did: samples are taken by name.
    apart = (replace(windows[0], recording_id="A-first"), *windows[1:])
    other = replace(task, train=replace(task.train, windows=apart))
    estimator = make().fit(other, tmp_path / "apart", progress=no_progress)
    parts, whole = estimator.score(queries).values, fitted.score(queries).values
    joined = torch.cat([parts[:, :1] + parts[:, 1:2], parts[:, 2:]], dim=1)
    # Some scores are parts of the corpus, which now counts one recording more.
    scale = (joined * whole).sum() / whole.square().sum()
    assert torch.isclose(scale, torch.tensor(1.0), rtol=0.1)
    assert _close(joined / scale, whole)


def test_what_was_fitted_can_be_opened(
    make: Make,
    fitted: Estimator,
    task: AttributionTask,
    queries: Queries,
    tmp_path: Path,
) -> None:
    """Opened later, a fitted estimator gives the same scores."""
    again = make().open(task, tmp_path / "fitted")
    assert _same(again.score(queries), fitted.score(queries))


def test_fitting_again_changes_nothing(
    make: Make, fitted: Estimator, task: AttributionTask, tmp_path: Path
) -> None:
    """A second fit finds all done, and leaves every file as it is."""
    files = {p.name: p.read_bytes() for p in (tmp_path / "fitted").iterdir()}
    told: list[tuple[int, int]] = []
    make().fit(task, tmp_path / "fitted", progress=lambda *now: told.append(now))
    assert {p.name: p.read_bytes() for p in (tmp_path / "fitted").iterdir()} == files
    assert told[0] == told[-1]
    assert told[-1][0] == told[-1][1]


def test_scoring_before_fitting_is_refused(make: Make, queries: Queries) -> None:
    """Without a fit there is nothing to score with."""
    with pytest.raises(NotFittedError):
        make().score(queries)


def test_opening_nothing_is_refused(
    make: Make, task: AttributionTask, tmp_path: Path
) -> None:
    """An empty folder holds no fitted estimator."""
    with pytest.raises(NotFittedError, match="There is no"):
        make().open(task, tmp_path)


def test_another_corpus_is_refused(
    make: Make,
    fitted: Estimator,
    task: AttributionTask,
    corpus_of: Callable[[int], LatentSet],
    tmp_path: Path,
) -> None:
    """What was fitted to one corpus does not serve another."""
    other = replace(task, train=corpus_of(5))
    for use in (
        lambda: make().open(other, tmp_path / "fitted"),
        lambda: make().fit(other, tmp_path / "fitted", progress=no_progress),
    ):
        with pytest.raises(IndexMismatchError, match="another corpus"):
            use()


def test_another_model_is_refused(
    make: Make, fitted: Estimator, task: AttributionTask, tmp_path: Path
) -> None:
    """A model changed since the fit is told by its digest."""
    first = next(iter(task.generator.parameters().values()))
    with torch.no_grad():
        first.add_(1.0)
    with pytest.raises(IndexMismatchError, match="another model"):
        make().open(task, tmp_path / "fitted")


def test_a_damaged_manifest_is_refused(
    make: Make, fitted: Estimator, task: AttributionTask, tmp_path: Path
) -> None:
    """A manifest cut short is named, in one line."""
    path = tmp_path / "fitted" / "manifest.json"
    path.write_text(path.read_text()[:20])
    with pytest.raises(NotFittedError, match=r"manifest\.json is damaged"):
        make().open(task, tmp_path / "fitted")


def test_settings_make_the_same_estimator(name: str, make: Make) -> None:
    """Settings survive JSON, and make an estimator of the same settings."""
    settings = json.loads(json.dumps(dict(make().settings)))
    assert make_estimator(name, **settings).settings == make().settings
    assert make().name == name


def test_unknown_settings_are_refused(name: str) -> None:
    """A setting that an estimator does not have is named."""
    with pytest.raises(ConfigError, match="loudness"):
        make_estimator(name, loudness=11)


def test_unknown_estimators_are_refused() -> None:
    """A name that is not registered is refused, and the known ones are listed."""
    with pytest.raises(ConfigError, match=r"no estimator 'oracle'.*index"):
        make_estimator("oracle")
