"""Products with the Gauss-Newton matrix, and the search that solves it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import AttributionTask, Queries, asked_of, no_progress
from contrafact.attribution.curvature import GaussNewton, solve_by_conjugate_gradients
from contrafact.attribution.gradients import gradients_of
from contrafact.attribution.kronecker import kronecker_fisher
from contrafact.attribution.panel import spread_windows
from contrafact.core.errors import ConfigError

STEP = 1e-3  # of differences that stand for derivatives; softmax is in float32
CLOSE = 1e-3  # what they are good for
SAME = 1e-5  # the same number, by another way
N_DRAWS = 4


@pytest.fixture
def matrix(double_task: AttributionTask) -> GaussNewton:
    """The matrix of three windows at four draws."""
    examples = [double_task.train_batch([row]) for row in (0, 2, 5)]
    return GaussNewton(double_task.generator, examples, double_task.draws(N_DRAWS))


def random_like(generator, seed):
    """A direction in the space of parameters."""
    rng = torch.Generator().manual_seed(seed)
    return {
        n: torch.randn(p.shape, generator=rng, dtype=torch.float64)
        for n, p in generator.parameters().items()
    }


def dot(one, other):
    """The product of two directions."""
    return float(sum((one[n] * other[n]).sum() for n in one))


def moved_outputs(matrix, direction):
    """Outputs' change along a direction, by differences: the slow twin."""
    generator = matrix.generator
    kept = {n: p.detach().clone() for n, p in generator.parameters().items()}
    sides = []
    for sign in (1, -1):
        generator.load_parameters(
            {n: p + sign * STEP * direction[n] for n, p in kept.items()}
        )
        rows = []
        for batch, said in matrix.examples:
            times, noise = matrix.draws.at(batch)
            many, told = batch.repeat(N_DRAWS), said.repeat(N_DRAWS)
            noisy = generator.noised(many.latents, noise, times)
            with torch.no_grad():
                output = generator.predict(noisy, times, told, many.mask)
            mask = many.mask[:, None].double()
            scale = (2 / (mask.sum((1, 2), keepdim=True) * output.shape[1])).sqrt()
            rows.append((output * mask * scale).flatten())
        sides.append(torch.cat(rows))
    generator.load_parameters(kept)
    return (sides[0] - sides[1]) / (2 * STEP)


def test_products_are_those_of_the_jacobian(matrix: GaussNewton) -> None:
    """`u^T G v` is how outputs move along `u`, times how they move along `v`."""
    u, v = (random_like(matrix.generator, seed) for seed in (1, 2))
    found = dot(u, matrix.product(v))
    wanted = float(moved_outputs(matrix, u) @ moved_outputs(matrix, v)) / (3 * N_DRAWS)
    assert found == pytest.approx(wanted, rel=CLOSE)
    assert found == pytest.approx(dot(v, matrix.product(u)), rel=SAME)
    assert dot(u, matrix.product(u)) > 0


def test_search_ends_at_the_solution() -> None:
    """It agrees with a direct solve, with a poor start too."""
    rng = torch.Generator().manual_seed(0)
    root = torch.randn(12, 12, generator=rng, dtype=torch.float64)
    dense = root @ root.T + torch.eye(12)
    wanted = torch.randn(12, generator=rng, dtype=torch.float64)
    found = solve_by_conjugate_gradients(
        lambda v: dense @ v, wanted,
        precondition=lambda v: v / dense.diagonal(), n_steps=50, tolerance=1e-10,
    )  # fmt: skip
    assert torch.allclose(found, torch.linalg.solve(dense, wanted), atol=1e-8)


def test_scores_solve_the_damped_matrix(
    double_task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Multiplied with the matrix again, what was solved for gives the gradient."""
    settings = {
        "damping": 30.0, "n_sample": 1, "n_sample_draws": 4, "n_draws": 4,
        "n_query_draws": 4, "n_steps": 80, "tolerance": 1e-5,
    }  # fmt: skip
    method = make_estimator("cg", **settings)
    method = method.fit(double_task, tmp_path, progress=no_progress)
    found = method.score(queries.select(0)).values[0]
    task, draws = double_task, double_task.draws(4)
    rows = [task.train_batch([r]) for r in spread_windows(task.train, 1)]
    fisher = kronecker_fisher(
        task.generator, rows, draws, damping=30.0, measurement="directed_output"
    )
    matrix = GaussNewton(task.generator, rows, draws)
    gradient = gradients_of(task.generator, *asked_of(task, queries.select(0)), draws)
    solved = method._solved(task, fisher, gradient)
    flat = {n: x[0, 0] for n, x in solved.items()}
    again = matrix.product(flat)
    wanted = {n: part[0].mean(0) for n, part in gradient.items()}
    rest = {n: again[n] + fisher.floor(n) * flat[n] - wanted[n] for n in flat}
    assert dot(rest, rest) <= 1e-9 * dot(wanted, wanted)
    window = gradients_of(task.generator, *task.train_batch([4]), draws)
    score = dot({n: x[0].mean(0) for n, x in window.items()}, flat) / len(task.train)
    assert float(found[3]) == pytest.approx(score, rel=1e-4)


def test_a_search_that_cannot_be_is_refused() -> None:
    """A negative count of steps is named."""
    with pytest.raises(ConfigError, match="n_steps must be at least 0"):
        make_estimator("cg", n_steps=-1)
