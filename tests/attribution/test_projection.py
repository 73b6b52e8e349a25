"""Projection keeps dot products, and every coordinate has a part in it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrafact.attribution.projection import SparseProjection
from contrafact.core.errors import ConfigError


@given(
    n_in=st.integers(1, 40), n_features=st.integers(1, 50), seed=st.integers(0, 2**31)
)
def test_every_coordinate_goes_to_one_place_with_one_sign(
    n_in: int, n_features: int, seed: int
) -> None:
    """The matrix has one entry a column, plus or minus one, whatever the sizes."""
    projection = SparseProjection(n_in, n_features, seed=seed)
    matrix = projection.apply(torch.eye(n_in))
    assert matrix.shape == (n_in, min(n_in, n_features))
    assert torch.equal(matrix.abs().sum(1), torch.ones(n_in))
    assert torch.equal((matrix != 0).sum(1), torch.ones(n_in, dtype=torch.long))


def test_dot_products_are_kept() -> None:
    """Over many rows the error is as large as the theory says, and has no bias."""
    rng = torch.Generator().manual_seed(0)
    rows = torch.randn(40, 20_000, generator=rng)
    # All on one side of zero: without random signs, groups would add up.
    rows = rows + 1.0
    kept = SparseProjection(20_000, 1000, seed=0).apply(rows)
    lengths = rows.norm(dim=1)[:, None] * rows.norm(dim=1)
    error = ((kept @ kept.T - rows @ rows.T) / lengths)[
        ~torch.eye(40, dtype=torch.bool)
    ]
    assert error.std() < 1.2 / 1000**0.5
    assert error.mean().abs() < 3 / 1000**0.5
    assert error.std() > 0.2 / 1000**0.5


def test_seeds_decide() -> None:
    """The same seed gives the same projection, another another one."""
    row = torch.arange(100.0)
    one, same, other = (SparseProjection(100, 10, seed=s).apply(row) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("n_features", [0, 100, 101])
def test_nothing_is_projected_without_need(n_features: int) -> None:
    """Where all is kept, rows are returned as they are."""
    row = torch.arange(100.0)
    projection = SparseProjection(100, n_features, seed=0)
    assert projection.n_features == 100
    assert torch.equal(projection.apply(row), row)


def test_negative_sizes_are_refused() -> None:
    """A number below zero is named."""
    with pytest.raises(ConfigError, match="found -1"):
        SparseProjection(10, -1, seed=0)
