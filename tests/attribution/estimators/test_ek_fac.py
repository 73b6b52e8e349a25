"""EK-FAC influence, and the law that ties unlearning with the same matrix to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr

from contrafact.attribution import make_estimator
from contrafact.attribution.base import (
    AttributionTask,
    Queries,
    Scores,
    asked_of,
    no_progress,
    sum_windows,
)
from contrafact.attribution.gradients import gradients_of
from contrafact.attribution.kronecker import kronecker_fisher
from contrafact.attribution.panel import spread_windows
from contrafact.core.errors import ConfigError, NotFittedError

LAW = 0.99  # Spearman correlation that the law promises
# Smaller, and the float32 of the softmax shows; larger, and losses bend.
SMALL_STEP, LARGE_STEP = 1e-5, 10.0
SLACK = 1e-3  # of the largest product
N_DRAWS = 8
SHARED = {"damping": 1.0, "n_sample": 6, "n_sample_draws": 4}
EK_FAC = {**SHARED, "n_draws": N_DRAWS, "n_query_draws": N_DRAWS, "n_panel": 3}
STEP = {**SHARED, "n_unlearn_draws": N_DRAWS, "n_score_draws": N_DRAWS, "mask": "both"}


def _fit(name: str, task: AttributionTask, directory: Path, **settings: Any) -> Any:
    return make_estimator(name, **settings).fit(task, directory, progress=no_progress)


def _agreement(one: Scores, other: Scores) -> float:
    pairs = zip(one.values, other.values, strict=True)
    return min(float(spearmanr(a, b).statistic) for a, b in pairs)


def test_scores_are_products_through_the_inverse_matrix(
    double_task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """`g_q^T F^-1 g_i / n_window`, layer by layer, one pair at a time."""
    found = _fit("ek-fac", double_task, tmp_path, **EK_FAC).score(queries)
    task, draws = double_task, double_task.draws(N_DRAWS)
    fisher = kronecker_fisher(
        task.generator,
        [task.train_batch([row]) for row in spread_windows(task.train, 6)],
        task.draws(4),
        damping=1.0,
    )
    table = torch.zeros(3, len(task.train))
    for q in range(3):
        asked = asked_of(task, queries.select(q))
        direction = fisher.natural(gradients_of(task.generator, *asked, draws))
        for i in range(len(task.train)):
            own = gradients_of(task.generator, *task.train_batch([i]), draws)
            table[q, i] = sum(
                float((direction[n].mean(1) * own[n].mean(1)).sum()) for n in own
            )
    wanted = sum_windows(table / len(task.train), task.train)
    torch.testing.assert_close(found.values, wanted, rtol=1e-4, atol=1e-8)


def test_small_steps_of_unlearning_give_the_same_scores(
    double_task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """In rank and in size: both are in the unit of `Scores`. Large steps are not."""
    products = _fit("ek-fac", double_task, tmp_path / "ek", **EK_FAC).score(queries)
    found = []
    for step in (SMALL_STEP, LARGE_STEP):
        settings = {**STEP, "learning_rate": step}
        name = "unlearning-ekfac"
        estimator = _fit(name, double_task, tmp_path / str(step), **settings)
        found.append(estimator.score(queries))
    assert _agreement(found[0], products) >= LAW
    largest = products.values.abs().max()
    assert (found[0].values - products.values).abs().max() < SLACK * largest
    assert _agreement(found[1], products) < LAW - 0.05


@pytest.mark.parametrize("n_panel", [0, 3])
def test_a_fit_that_was_stopped_goes_on_to_the_same_bytes(
    task: AttributionTask, tmp_path: Path, n_panel: int
) -> None:
    """Stopped once the factors are there, it is not opened but finished."""
    settings = {**EK_FAC, "n_panel": n_panel}
    _fit("ek-fac", task, tmp_path / "whole", **settings)

    def stop(done: int, _: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_estimator("ek-fac", **settings).fit(
            task, tmp_path / "stopped", progress=stop
        )
    with pytest.raises(NotFittedError):
        make_estimator("ek-fac", **settings).open(task, tmp_path / "stopped")
    _fit("ek-fac", task, tmp_path / "stopped", **settings)
    one, other = (
        {p.name: p.read_bytes() for p in (tmp_path / place).iterdir()}
        for place in ("whole", "stopped")
    )
    assert one == other


def test_without_a_panel_there_is_none(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """The pass over the corpus that a panel costs can be saved."""
    settings = {**EK_FAC, "n_panel": 0}
    assert _fit("ek-fac", task, tmp_path, **settings).score(queries).panel is None


@pytest.mark.parametrize("name", ["ek-fac", "unlearning-ekfac"])
@pytest.mark.parametrize("wrong", [{"damping": 0.0}, {"n_panel": -1}])
def test_settings_out_of_range_are_refused(name: str, wrong: dict[str, Any]) -> None:
    """What cannot be computed is refused before anything is measured."""
    with pytest.raises(ConfigError):
        make_estimator(name, **wrong)
