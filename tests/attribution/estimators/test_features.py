"""Gradient cosine, TRAK, D-TRAK and DAS, against their formulas written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from contrafact.attribution import make_estimator
from contrafact.attribution.base import (
    AttributionTask,
    Queries,
    Scores,
    asked_of,
    no_progress,
    sum_windows,
)
from contrafact.attribution.gradients import Measurement, flatten, gradients_of
from contrafact.core.errors import (
    AttributionError,
    ConfigError,
    GeneratorError,
    NotFittedError,
)

N_DRAWS = 8
DAMPING = 0.3
# Vectors are kept in float32, one batch of two windows at a time.
SAME = {"rtol": 1e-3, "atol": 1e-6}
# bfloat16 keeps eight bits of each number; over a gradient errors average out.
ROUNDED = 5e-3
KEPT_WHOLE = 10**9  # more than there are parameters: float32, nothing projected
KERNEL = ["trak", "d-trak", "das"]


def _scores(
    name: str, task: AttributionTask, queries: Queries, directory: Path, **chosen: Any
) -> Scores:
    settings = {"n_draws": N_DRAWS, "n_query_draws": N_DRAWS, "n_panel": 3, **chosen}
    estimator = make_estimator(name, **settings)
    estimator.fit(task, directory, progress=no_progress)
    return estimator.score(queries)


def _gradients(
    task: AttributionTask, queries: Queries, measurement: Measurement
) -> tuple[Tensor, Tensor]:
    """Return gradients of queries and windows, `(rows, n_sets, n_parameters)`."""
    draws, parts = task.draws(N_DRAWS), []
    examples = [asked_of(task, queries.select(row)) for row in range(len(queries))]
    examples += [task.train_batch([row]) for row in range(len(task.train))]
    for example in examples:
        found = gradients_of(task.generator, *example, draws, measurement=measurement)
        parts.append(flatten(found, sorted(found)))
    rows = torch.cat(parts).double()
    return rows[: len(queries)], rows[len(queries) :]


def _kernel(rows: Tensor) -> Tensor:
    """Return `(Phi^T Phi + lambda I)^-1`, by its definition."""
    gram = rows.T @ rows
    floor = DAMPING * gram.trace() / min(rows.shape)
    return torch.linalg.inv(gram + floor * torch.eye(len(gram), dtype=gram.dtype))


@pytest.fixture
def small_task(double_task: AttributionTask) -> AttributionTask:
    """The task with gradients of few parameters, so that kernels can be inverted."""
    kept = "transformer_blocks.0.attn1.to_out"
    for name, parameter in double_task.generator.module().named_parameters():
        parameter.requires_grad_(kept in name)
    return double_task


def test_gradient_cosine_is_the_cosine(
    double_task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Of whole gradients, mean over the draws, whatever their length."""
    found = _scores("gradient-cosine", double_task, queries, tmp_path)
    asked, known = _gradients(double_task, queries, "loss")
    wanted = torch.nn.functional.cosine_similarity(
        asked.mean(1)[:, None], known.mean(1)[None], dim=-1
    )
    wanted = sum_windows(wanted, double_task.train)
    assert (found.values - wanted).abs().max() < ROUNDED


@pytest.mark.parametrize(
    ("name", "measurement"), [("trak", "loss"), ("d-trak", "squared_output")]
)
def test_kernels_are_those_of_the_papers(
    small_task: AttributionTask,
    queries: Queries,
    tmp_path: Path,
    name: str,
    measurement: Measurement,
) -> None:
    """`phi_q^T (Phi^T Phi + lambda I)^-1 phi_i`, the inverse taken outright."""
    settings = {"damping": DAMPING, "n_features": KEPT_WHOLE}
    found = _scores(name, small_task, queries, tmp_path, **settings)
    asked, known = _gradients(small_task, queries, measurement)
    products = asked.mean(1) @ _kernel(known.mean(1)) @ known.mean(1).T
    wanted = sum_windows(products, small_task.train).float()
    torch.testing.assert_close(found.values, wanted, **SAME)


def test_das_is_the_squared_change_of_a_newton_step(
    small_task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Steps without each window, by Sherman and Morrison, along random directions."""
    settings = {"damping": DAMPING, "n_features": KEPT_WHOLE}
    found = _scores("das", small_task, queries, tmp_path, **settings)
    _, loss = _gradients(small_task, queries, "loss")
    asked, directed = _gradients(small_task, queries, "directed_output")
    one = directed.mean(1) * directed.shape[1] ** 0.5
    inverse = _kernel(one)
    windows = torch.zeros(len(queries), len(loss), dtype=torch.float64)
    for i in range(len(loss)):
        leverage = one[i] @ inverse @ one[i]
        step = inverse @ loss[i].mean(0) / (1 - leverage)
        windows[:, i] = (asked @ step).square().mean(1) / 2
    wanted = sum_windows(windows, small_task.train).float()
    torch.testing.assert_close(found.values, wanted, **SAME)


@pytest.mark.parametrize("name", ["gradient-cosine", *KERNEL])
def test_several_checkpoints_are_averaged(
    task: AttributionTask, queries: Queries, tmp_path: Path, name: str
) -> None:
    """Scores of two checkpoints together are the mean of the scores of each."""
    one, other, both = (
        _scores(name, task, queries, tmp_path / checkpoints, checkpoints=checkpoints)
        for checkpoints in ("final", "middle", "final, middle")
    )
    torch.testing.assert_close(both.values, (one.values + other.values) / 2, **SAME)
    assert not torch.allclose(one.values, other.values, rtol=0.1)


@pytest.mark.parametrize("name", KERNEL)
def test_projecting_hardly_changes_the_scores(
    task: AttributionTask, queries: Queries, tmp_path: Path, name: str
) -> None:
    """A third of the numbers gives nearly the same scores, a few of them do not."""
    found = [
        _scores(name, task, queries, tmp_path / str(n), n_features=n).values.flatten()
        for n in (KEPT_WHOLE, 4000, 5)
    ]
    agreement = [float(torch.corrcoef(torch.stack([found[0], f]))[0, 1]) for f in found]
    assert agreement[1] > 0.95
    assert agreement[2] < 0.8


def test_an_unknown_checkpoint_is_refused(
    task: AttributionTask, tmp_path: Path
) -> None:
    """A checkpoint that the model does not keep is named."""
    estimator = make_estimator("trak", checkpoints="final,first")
    with pytest.raises(GeneratorError, match="first"):
        estimator.fit(task, tmp_path, progress=no_progress)


def test_a_fit_that_stopped_is_not_opened(
    task: AttributionTask, tmp_path: Path
) -> None:
    """With a file of vectors missing, it says so; fitting again finishes it."""
    settings = {"n_draws": 4, "n_query_draws": 4, "n_features": 100}
    make_estimator("trak", **settings).fit(task, tmp_path, progress=no_progress)
    for name in ("vectors-0-00000.safetensors", "panel.safetensors"):
        path = tmp_path / name
        whole = path.read_bytes()
        path.unlink()
        with pytest.raises(NotFittedError, match="not finished"):
            make_estimator("trak", **settings).open(task, tmp_path)
        make_estimator("trak", **settings).fit(task, tmp_path, progress=no_progress)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["gradient-cosine", *KERNEL])
def test_gradients_that_are_no_numbers_are_refused(
    task: AttributionTask, tmp_path: Path, name: str
) -> None:
    """A corpus with a value that overflows gives an error of one line, no answer."""
    task.train.latents[3][0, 0] = 1e30
    estimator = make_estimator(name, n_draws=4, n_query_draws=4, n_features=100)
    with pytest.raises(AttributionError, match="finite"):
        estimator.fit(task, tmp_path, progress=no_progress).score(
            Queries(task.train.batch([4]), ("",))
        )


@pytest.mark.parametrize(
    "wrong", [{"damping": 0.0}, {"n_features": -1}, {"checkpoints": "final,"}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    """What cannot be computed is refused before anything is measured."""
    with pytest.raises(ConfigError):
        make_estimator("trak", **wrong)
