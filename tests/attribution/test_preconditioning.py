"""Preconditioners, against Fisher matrices built densely."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from contrafact.attribution.gradients import LayerGradients
from contrafact.attribution.preconditioning import DiagonalFisher, KroneckerFisher

# Eigenvectors of 3 x 3 matrices and a dense solve, in float64.
EXACT = 1e-9
SHAPES = {"weight": (3, 4), "conv": (2, 3, 1), "bias": (3,)}
DAMPING = 0.3

Maker = Callable[..., DiagonalFisher | KroneckerFisher]


@pytest.fixture
def sampled(rng: np.random.Generator) -> list[LayerGradients]:
    """Correlated gradients of three batches of four examples and two sets."""
    mix = {n: torch.tensor(rng.normal(size=(s[0], s[0]))) for n, s in SHAPES.items()}

    def batch() -> LayerGradients:
        return {
            name: torch.einsum(
                "po,nsoi->nspi",
                mix[name],
                torch.tensor(
                    rng.normal(size=(4, 2, shape[0], int(np.prod(shape[1:]))))
                ),
            ).reshape(4, 2, *shape)
            for name, shape in SHAPES.items()
        }

    return [batch() for _ in range(3)]


def _rows(batches: list[LayerGradients], name: str) -> Tensor:
    return torch.cat([b[name].flatten(0, 1).flatten(1) for b in batches])


def _dense_diagonal(batches: list[LayerGradients]) -> dict[str, Tensor]:
    """Damped diagonal Fisher matrices; the damping is one for all parameters."""
    moments = {n: _rows(batches, n).square().mean(0) for n in SHAPES}
    floor = DAMPING * torch.cat(list(moments.values())).mean()
    return {n: torch.diag(m + floor) for n, m in moments.items()}


def _dense_kronecker(batches: list[LayerGradients]) -> dict[str, Tensor]:
    """Damped Fisher matrices, diagonal in the basis of rows times columns."""
    found = {}
    for name, shape in SHAPES.items():
        rows, basis = _rows(batches, name), torch.eye(shape[0], dtype=torch.float64)
        if len(shape) > 1:
            matrices = rows.unflatten(1, (shape[0], -1))
            left = sum(m @ m.T for m in matrices)
            right = sum(m.T @ m for m in matrices)
            basis = torch.kron(
                *(torch.linalg.eigh(side)[1].contiguous() for side in (left, right))
            )
        variance = (rows @ basis).square().mean(0)
        damped = variance + DAMPING * variance.mean()
        found[name] = basis @ torch.diag(damped) @ basis.T
    return found


@pytest.mark.parametrize(
    ("kind", "dense"),
    [(DiagonalFisher, _dense_diagonal), (KroneckerFisher, _dense_kronecker)],
)
def test_products_of_whitened_gradients_are_preconditioned_products(
    sampled: list[LayerGradients],
    kind: type[DiagonalFisher] | type[KroneckerFisher],
    dense: Callable[[list[LayerGradients]], dict[str, Tensor]],
) -> None:
    """The plain product of two whitened gradients is g F^-1 q, F built densely."""
    white = kind.of(sampled, damping=DAMPING).whiten(sampled[0])
    for name, fisher in dense(sampled).items():
        flat = white[name].flatten(0, 1).flatten(1)
        plain = _rows(sampled[:1], name)
        wanted = plain @ torch.linalg.solve(fisher, plain.T)
        assert (flat @ flat.T - wanted).abs().max() < EXACT * wanted.abs().max()


def test_natural_gradients_are_whitened_twice(sampled: list[LayerGradients]) -> None:
    """The product of a gradient and a natural one is that of both whitened."""
    kronecker = KroneckerFisher.of(sampled, damping=DAMPING)
    white, natural = kronecker.whiten(sampled[0]), kronecker.natural(sampled[0])
    for name, gradient in sampled[0].items():
        assert natural[name].shape == gradient.shape
        twice = (white[name] * white[name]).sum()
        assert torch.isclose((gradient * natural[name]).sum(), twice, rtol=EXACT)


@pytest.mark.parametrize("kind", [DiagonalFisher, KroneckerFisher])
def test_second_moments_are_those_of_whitened_gradients(
    sampled: list[LayerGradients], kind: type[DiagonalFisher] | type[KroneckerFisher]
) -> None:
    """What is predicted for each coordinate is what whitening the sample gives."""
    fisher = kind.of(sampled, damping=DAMPING)
    whitened = [fisher.whiten(batch) for batch in sampled]
    for name, moments in fisher.second_moments().items():
        measured = _rows(whitened, name).square().mean(0)
        assert torch.allclose(moments.flatten(), measured, rtol=EXACT)


@pytest.mark.parametrize("kind", [DiagonalFisher, KroneckerFisher])
def test_preconditioners_come_back_from_their_tensors(
    sampled: list[LayerGradients], kind: type[DiagonalFisher] | type[KroneckerFisher]
) -> None:
    """Saved and read again, a preconditioner does the same."""
    fisher = kind.of(sampled, damping=DAMPING)
    again = kind.from_tensors(fisher.tensors(), damping=DAMPING)
    for name, white in fisher.whiten(sampled[1]).items():
        assert torch.equal(again.whiten(sampled[1])[name], white)


@pytest.mark.parametrize("kind", [DiagonalFisher, KroneckerFisher])
def test_preconditioners_do_not_depend_on_batching(
    sampled: list[LayerGradients], kind: type[DiagonalFisher] | type[KroneckerFisher]
) -> None:
    """One batch of twelve gives what three batches of four do."""
    joined = {n: torch.cat([b[n] for b in sampled]) for n in SHAPES}
    whole = kind.of([joined], damping=DAMPING).whiten(sampled[0])
    parted = kind.of(iter(sampled), damping=DAMPING).whiten(sampled[0])
    for name in SHAPES:
        assert torch.allclose(whole[name].abs(), parted[name].abs(), rtol=1e-7)
