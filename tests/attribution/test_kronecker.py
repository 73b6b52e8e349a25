"""EK-FAC's factors, against a loop over draws and autograd."""

from __future__ import annotations

import pytest
import torch

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.gradients import gradients_of
from contrafact.attribution.kronecker import kronecker_fisher
from contrafact.attribution.preconditioning import KroneckerFisher
from contrafact.core.errors import AttributionError

# Float64, summed in another order.
SAME = {"rtol": 1e-6, "atol": 1e-12}
LAYER = "transformer_blocks.0.ff.net.2"


def _fisher(task: AttributionTask) -> KroneckerFisher:
    examples = [task.train_batch([row]) for row in range(4)]
    return kronecker_fisher(task.generator, examples, task.draws(4), damping=0.1)


def test_bases_are_of_what_goes_in_and_of_what_comes_back(
    double_task: AttributionTask,
) -> None:
    """They diagonalise the second moments of inputs and of outputs' gradients."""
    fisher = _fisher(double_task)
    task, generator = double_task, double_task.generator
    layer = generator.module().get_submodule(LAYER)
    kept: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _, given, out: kept.extend((given[0], out)))
    ]
    given_moment: torch.Tensor | float = 0.0
    grad_moment: torch.Tensor | float = 0.0
    draws = task.draws(4)
    for row in range(4):
        batch, said = task.train_batch([row])
        for k in range(4):
            kept.clear()
            times, noise = draws.part(slice(k, k + 1)).at(batch)
            loss = generator.loss(batch, said, times=times, noise=noise)
            (grad,) = torch.autograd.grad(loss.sum(), [kept[1]])
            given_moment = given_moment + kept[0][0].T @ kept[0][0]
            grad_moment = grad_moment + grad[0].T @ grad[0]
    hooks[0].remove()
    left, right = fisher.bases[f"{LAYER}.weight"]
    for basis, moment in ((left, grad_moment), (right, given_moment)):
        turned = basis.T @ moment.detach() @ basis
        off = turned - torch.diag(turned.diagonal())
        assert off.abs().max() < 1e-10 * turned.abs().max()


def test_variances_are_those_of_single_draws_in_the_bases(
    double_task: AttributionTask,
) -> None:
    """Mean squares of turned gradients, one gradient for each example and draw."""
    fisher = _fisher(double_task)
    left, right = fisher.bases[f"{LAYER}.weight"]
    squares, biases = [], []
    for row in range(4):
        found = gradients_of(
            double_task.generator,
            *double_task.train_batch([row]),
            double_task.draws(4).singles(),
        )
        squares.append(
            (left.T @ found[f"{LAYER}.weight"] @ right).square().mean((0, 1))
        )
        biases.append(found[f"{LAYER}.bias"].square().mean((0, 1)))
    wanted = torch.stack(squares).mean(0)
    torch.testing.assert_close(fisher.variances[f"{LAYER}.weight"], wanted, **SAME)
    wanted = torch.stack(biases).mean(0)
    torch.testing.assert_close(fisher.variances[f"{LAYER}.bias"], wanted, **SAME)


def test_every_parameter_is_covered_and_every_matrix_turned(
    double_task: AttributionTask,
) -> None:
    """No side is too long, and no parameter is left out."""
    fisher, parameters = _fisher(double_task), double_task.generator.parameters()
    assert fisher.variances.keys() == parameters.keys()
    matrices = {n for n, p in parameters.items() if p.ndim > 1}
    assert fisher.bases.keys() == matrices
    for name in matrices:
        left, right = fisher.bases[name]
        assert (len(left), len(right)) == tuple(parameters[name].shape[:2])


def test_no_example_is_refused(task: AttributionTask) -> None:
    """There is nothing to measure a Fisher matrix on."""
    with pytest.raises(AttributionError, match="at least one example"):
        kronecker_fisher(task.generator, [], task.draws(4), damping=0.1)
