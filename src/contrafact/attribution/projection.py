"""Random projection of gradients to fewer numbers that keep their dot products.

Estimators that compress as published do it before any preconditioning; the index does
it afterwards, see `preconditioning.py` for why.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contrafact.attribution.gradients import LayerGradients, flatten
from contrafact.core.errors import ConfigError

__all__ = ["SparseProjection"]


class SparseProjection:
    """Adds up groups of coordinates with random signs, all groups of one size.

    A sparse Johnson-Lindenstrauss transform with one entry a column: dot
    products are right in expectation, and off by about `1 / sqrt(n_features)`
    of the product of the two lengths. It costs one pass over the gradient.

    Args:
        n_in: Coordinates of a gradient.
        n_features: Coordinates to keep; 0 keeps the gradient as it is.
        seed: Of groups and signs.

    Raises:
        ConfigError: If `n_features` is negative.

    References:
        Dasgupta et al., "A sparse Johnson-Lindenstrauss transform", STOC 2010;
        Weinberger et al., "Feature hashing for large scale multitask
        learning", ICML 2009.
    """

    def __init__(self, n_in: int, n_features: int, *, seed: int) -> None:
        if n_features < 0:
            raise ConfigError(f"n_features must be at least 0; found {n_features}.")
        # Without need nothing is projected.
        self.n_features = n_features if 0 < n_features < n_in else n_in
        self.is_identity = self.n_features == n_in
        self._each = -(-n_in // self.n_features)
        n_padded = self._each * self.n_features
        rng = torch.Generator().manual_seed(seed)
        self._order = torch.randperm(n_padded, generator=rng)
        signs = torch.randint(0, 2, (n_padded,), generator=rng) * 2.0 - 1.0
        # Places beyond the gradient hold nothing.
        self._signs = signs * (self._order < n_in)
        self._order = self._order.clamp_max(n_in - 1)

    def apply(self, rows: Tensor) -> Tensor:
        """Return the projection of rows, `(..., n_in)` to `(..., n_features)`."""
        if self.is_identity:
            return rows
        mixed = rows[..., self._order] * self._signs.to(rows.dtype)
        summed: Tensor = mixed.unflatten(-1, (self.n_features, self._each)).sum(-1)
        return summed

    def apply_to(self, gradients: LayerGradients) -> Tensor:
        """Return per-example gradients projected, `(batch, n_sets, n_features)`."""
        return self.apply(flatten(gradients, sorted(gradients)))
