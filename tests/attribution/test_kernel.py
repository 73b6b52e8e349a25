"""The inverse kernel agrees with the inverse, written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from contrafact.attribution.kernel import RidgeKernel
from contrafact.core.errors import AttributionError, ConfigError

# Float64 throughout; the form on the examples' side divides by the damping.
SAME = {"rtol": 1e-8, "atol": 1e-10}
SHAPES = [(6, 20), (20, 6), (7, 7)]


def _features(shape: tuple[int, int]) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def _inverse(features: Tensor, damping: float) -> Tensor:
    gram = features.T @ features
    eigenvalues = torch.linalg.eigvalsh(gram)
    floor = damping * eigenvalues[-min(features.shape) :].mean()
    return torch.linalg.inv(gram + floor * torch.eye(len(gram), dtype=torch.float64))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("damping", [0.01, 1.0])
def test_solving_is_multiplying_by_the_inverse(
    shape: tuple[int, int], damping: float
) -> None:
    """With fewer examples than features, more, and as many."""
    features, rows = _features(shape), _features((2, 3 * shape[1])).reshape(2, 3, -1)
    found = RidgeKernel(features, damping=damping).solve(rows)
    torch.testing.assert_close(found, rows @ _inverse(features, damping), **SAME)


@pytest.mark.parametrize("shape", SHAPES)
def test_leverages_are_the_diagonal_of_the_hat_matrix(shape: tuple[int, int]) -> None:
    """They lie below one, since the kernel is damped."""
    features = _features(shape)
    found = RidgeKernel(features, damping=0.1).leverages()
    hat = features @ _inverse(features, 0.1) @ features.T
    torch.testing.assert_close(found, hat.diagonal(), **SAME)
    assert found.min() > 0
    assert found.max() < 1


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_gradients_that_say_nothing_are_refused(value: float) -> None:
    """All zero, or not finite: an error of one line, no answer."""
    with pytest.raises(AttributionError, match="finite and not all zero"):
        RidgeKernel(torch.full((3, 4), value), damping=0.1)


def test_a_kernel_needs_damping() -> None:
    """Without it there may be no inverse."""
    with pytest.raises(ConfigError, match=r"found 0\.0"):
        RidgeKernel(torch.ones(3, 4), damping=0.0)
