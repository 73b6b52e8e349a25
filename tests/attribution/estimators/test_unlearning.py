"""Unlearning, and the law that ties it to the index.

To first order, the rise of a training example's loss after one step away from
the query is the product of their gradients through the inverse Fisher matrix.
So as the step goes to zero, the ranking by unlearning becomes that by an index
that compresses nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from contrafact.attribution.base import (
    AttributionTask,
    Queries,
    no_progress,
    sum_windows,
)
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.estimators.unlearning import (
    UnlearningEstimator,
    UnlearningSettings,
)
from contrafact.attribution.gradients import gradients_of
from contrafact.attribution.preconditioning import DiagonalFisher
from contrafact.core.errors import (
    ConfigError,
    IndexMismatchError,
    NotFittedError,
)
from contrafact.generators.base import LatentBatch
from contrafact.generators.latents import LatentSet

LAW = 0.99  # Spearman correlation that the law promises
SMALL_STEP, LARGE_STEP = 1e-6, 3e2
SLACK = 1e-3  # of the largest product; what the small step still bends
N_DRAWS = 8


def _settings(**chosen: Any) -> UnlearningSettings:
    few = {"n_fisher_draws": N_DRAWS, "n_unlearn_draws": N_DRAWS}
    return UnlearningSettings(**{**few, "n_score_draws": N_DRAWS, **chosen})


def _agreement(one: Tensor, other: Tensor) -> float:
    """Return the lowest Spearman correlation over the queries."""
    return min(
        float(spearmanr(a, b).statistic) for a, b in zip(one, other, strict=True)
    )


def _products(
    task: AttributionTask, queries: Queries, *, mask: str, damping: float
) -> Tensor:
    """Return g F^-1 q of every query and recording; the index, written plainly."""
    draws = task.draws(N_DRAWS)
    longest = max(x.shape[-1] for x in task.train.latents)

    def mean_of(batch: LatentBatch, prompt: str, is_masked: bool) -> dict[str, Tensor]:
        n_tokens = batch.n_tokens
        if not is_masked:
            latents, seen = torch.zeros(1, 8, longest), torch.zeros(1, longest) > 0
            latents[:, :, : n_tokens[0]] = batch.latents
            seen[:, : n_tokens[0]] = True
            batch = LatentBatch(latents, seen)
        said = task.generator.condition([prompt], n_tokens=n_tokens)
        return gradients_of(
            task.generator, batch, said, draws.singles(), mask_padding=is_masked
        )

    rows = range(len(task.train))
    captions = [w.caption for w in task.train.windows]
    unlearnt = [
        mean_of(task.train.batch([r]), captions[r], mask != "none") for r in rows
    ]
    measured = [
        mean_of(task.train.batch([r]), captions[r], mask == "both") for r in rows
    ]
    fisher = DiagonalFisher.of(unlearnt, damping=damping)
    asked = []
    for row in range(len(queries)):
        query = queries.select(row)
        one = query.batch.latents[:, :, : query.batch.n_tokens[0]]
        batch = LatentBatch.stack([one[0]])
        asked.append(mean_of(batch, query.prompts[0], mask != "none"))
    table = torch.tensor(
        [
            [
                sum(
                    float((q[n].mean(1) * fisher.inverse(n) * g[n].mean(1)).sum())
                    for n in g
                )
                for g in measured
            ]
            for q in asked
        ]
    )
    return sum_windows(table, task.train)


@pytest.mark.parametrize("mask", ["both", "unlearn", "none"])
def test_small_steps_rank_as_the_uncompressed_index(
    double_task: AttributionTask, queries: Queries, tmp_path: Path, mask: Any
) -> None:
    """As the step goes to zero, rise over step becomes the product of gradients."""
    settings = _settings(mask=mask, learning_rate=SMALL_STEP, damping=1.0)
    estimator = UnlearningEstimator(settings).fit(
        double_task, tmp_path, progress=no_progress
    )
    rises = estimator.score(queries).values * len(double_task.train)
    products = _products(double_task, queries, mask=mask, damping=1.0)
    assert _agreement(rises, products) >= LAW
    assert (rises - products).abs().max() < SLACK * products.abs().max()


def test_large_steps_rank_otherwise(
    double_task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """The agreement is the small step's doing: far from zero it is lost."""
    products = _products(double_task, queries, mask="both", damping=1.0)
    found = []
    for step in (SMALL_STEP, LARGE_STEP):
        settings = _settings(mask="both", learning_rate=step, damping=1.0)
        estimator = UnlearningEstimator(settings)
        estimator.fit(double_task, tmp_path / str(step), progress=no_progress)
        found.append(_agreement(estimator.score(queries).values, products))
    assert found[0] >= LAW
    assert found[1] < LAW - 0.05


def test_small_steps_rank_as_the_index_itself(
    double_task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """The registered index, told to keep all it can, agrees too, eight bits or not.

    At one noise draw: of several, the index compares each with itself alone.
    """
    train = LatentSet(
        tuple(replace(w, start_s=0.0) for w in double_task.train.windows),
        double_task.train.latents,
    )
    task = replace(double_task, train=train, n_strata=1)
    index = IndexEstimator(
        IndexSettings(
            checkpoint="final",
            preconditioner="diagonal",
            damping=1.0,
            is_balanced=False,
            n_draws=1,
            n_coordinates=0,
            n_features=0,
            ridge=0.0,
            n_sample=len(train),
            n_workers=1,
        )
    ).fit(task, tmp_path / "index", progress=no_progress)
    one = {"n_fisher_draws": 1, "n_unlearn_draws": 1, "n_score_draws": 1}
    settings = _settings(mask="both", learning_rate=SMALL_STEP, damping=1.0, **one)
    unlearning = UnlearningEstimator(settings)
    unlearning.fit(task, tmp_path / "unlearning", progress=no_progress)
    rises, products = unlearning.score(queries).values, index.score(queries).values
    assert _agreement(rises, products) >= LAW


def test_a_step_of_nothing_changes_nothing(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Before and after are measured in the same way, down to the last bit."""
    settings = _settings(learning_rate=1e-30)
    estimator = UnlearningEstimator(settings).fit(task, tmp_path, progress=no_progress)
    assert estimator.score(queries).values.abs().max() == 0


@pytest.mark.parametrize("checkpoint", ["final", "middle"])
def test_the_model_is_left_as_it_was(
    task: AttributionTask, queries: Queries, tmp_path: Path, checkpoint: str
) -> None:
    """Neither fitting nor scoring leaves a trace in the model."""
    before = task.generator.digest
    settings = _settings(learning_rate=1.0, checkpoint=checkpoint)
    estimator = UnlearningEstimator(settings).fit(task, tmp_path, progress=no_progress)
    estimator.score(queries)
    assert task.generator.digest == before


def test_checkpoints_give_other_scores(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Asked for another checkpoint, it is that one which unlearns."""
    one, other = (
        UnlearningEstimator(_settings(checkpoint=name))
        .fit(task, tmp_path / name, progress=no_progress)
        .score(queries)
        .values
        for name in ("final", "middle")
    )
    assert not torch.allclose(one, other, rtol=0.1)


def test_progress_counts_windows_of_all_queries(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """A long query tells how far it is, and ends at the end."""
    told: list[tuple[int, int]] = []
    estimator = UnlearningEstimator(_settings())
    estimator.fit(task, tmp_path, progress=lambda *now: told.append(now))
    assert told[-1] == (12, 12)
    told.clear()
    estimator.score(queries, progress=lambda *now: told.append(now))
    assert told[-1] == (36, 36)
    assert told == sorted(told)


def test_a_panel_can_be_asked_for(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Recordings of the corpus are then unlearned too, each in its turn."""
    told: list[tuple[int, int]] = []
    estimator = UnlearningEstimator(_settings(n_panel=2, learning_rate=0.1))
    estimator.fit(task, tmp_path, progress=lambda *now: told.append(now))
    assert told[-1] == (36, 36)
    panel = estimator.score(queries).panel
    assert panel is not None
    assert panel.shape == (2, 11)
    own = int(panel[1].isnan().nonzero())
    row = [w.recording_id for w in task.train.windows].index(f"R-{own:02d}")
    asked = Queries(task.train.batch([row]), (task.train.windows[row].caption,))
    found = estimator.score(asked).values[0]
    kept = torch.arange(11) != own
    assert torch.allclose(panel[1][kept], found[kept], rtol=1e-3, atol=1e-5)


def test_fitting_goes_on_where_it_stopped(
    task: AttributionTask,
    corpus_of: Callable[[int], LatentSet],
    tmp_path: Path,
) -> None:
    """A state saved midway and finished is the same file as one made at once."""
    task = replace(task, train=corpus_of(69))
    settings = _settings(n_fisher=20, n_fisher_draws=4, n_score_draws=4)
    for midway in (False, True):
        directory = tmp_path / str(midway)

        def stop(done: int, _: int, midway: bool = midway) -> None:
            if midway and done == 64:
                raise KeyboardInterrupt

        try:
            UnlearningEstimator(settings).fit(task, directory, progress=stop)
        except KeyboardInterrupt:
            with pytest.raises(NotFittedError, match="not finished"):
                UnlearningEstimator(settings).open(task, directory)
            UnlearningEstimator(settings).fit(task, directory, progress=no_progress)
    one, other = (tmp_path / n / "state.safetensors" for n in ("False", "True"))
    assert one.read_bytes() == other.read_bytes()


def test_other_settings_are_refused(task: AttributionTask, tmp_path: Path) -> None:
    """What was fitted with one damping does not serve another."""
    UnlearningEstimator(_settings()).fit(task, tmp_path, progress=no_progress)
    other = UnlearningEstimator(_settings(damping=7.0))
    for use in (
        lambda: other.open(task, tmp_path),
        lambda: other.fit(task, tmp_path, progress=no_progress),
    ):
        with pytest.raises(IndexMismatchError, match="another settings"):
            use()


def test_a_damaged_state_is_refused(task: AttributionTask, tmp_path: Path) -> None:
    """A file cut short is named, in one line."""
    UnlearningEstimator(_settings()).fit(task, tmp_path, progress=no_progress)
    path = tmp_path / "state.safetensors"
    shutil.copy(path, tmp_path / "whole")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(NotFittedError, match=r"state\.safetensors is damaged"):
        UnlearningEstimator(_settings()).open(task, tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"mask": "all"}, {"learning_rate": 0.0}, {"damping": -1.0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    """A step that cannot be taken is refused before anything is measured."""
    with pytest.raises(ConfigError):
        UnlearningSettings(**wrong)
