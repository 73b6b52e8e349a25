"""A whole index in memory, searched as fast as memory can be read.

Stored features are int8, window after window, so that windows can be added. Here they
lie noise draw after noise draw: one product of int8 numbers then runs over each draw
from end to end, with one scale a window put on after it. The song is rounded to int8
too, which changes no score by more than a part in a hundred of the largest; what is
found is then scored again from the features themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from contrafact.attribution.store import FeatureStore, quantise
from contrafact.core.errors import AttributionError

__all__ = ["ResidentIndex"]

_ROWS = 1 << 16  # windows of one product: enough that starting it costs nothing
_MORE = 4  # times as many are scored again as are asked for


@dataclass(frozen=True, slots=True, eq=False)
class ResidentIndex:
    """Features of a catalog, for many songs to be searched with.

    Attributes:
        values: `(n_sets, n_window, n_features)`, int8, contiguous.
        scales: `(n_sets, n_window)`, float32; a feature is its value times this.
    """

    values: Tensor
    scales: Tensor

    @classmethod
    def of(cls, store: FeatureStore, *, at_most: int = 4096) -> Self:
        """Return a finished store, read once and turned.

        Args:
            store: All shards written.
            at_most: Windows turned at a time.
        """
        n, sets, width = store.n_windows, store.n_sets, store.n_features
        values = torch.empty(sets, n, width, dtype=torch.int8)
        scales = torch.empty(sets, n)
        for start in range(0, n, at_most):
            span = slice(start, min(start + at_most, n))
            some, scale = store.quantised(span)
            values[:, span], scales[:, span] = some.transpose(0, 1), scale.T
        return cls(values, scales)

    def __len__(self) -> int:
        """Return how many windows there are."""
        return int(self.scales.shape[1])

    def approximate(self, features: Tensor) -> Tensor:
        """Return roughly the products of a song with every window.

        Args:
            features: `(n_sets, n_features)`, through the inverse Fisher matrix.

        Returns:
            Means over the sets, `(n_window,)`, float32.

        Raises:
            AttributionError: If the features are not of this index's shape.
        """
        self._require(features)
        asked, asked_scale = quantise(features)
        total = torch.zeros(len(self))
        for k in range(len(self.values)):
            column = asked[k, :, None]
            for start in range(0, len(self), _ROWS):
                span = slice(start, start + _ROWS)
                found = torch._int_mm(self.values[k, span], column)[:, 0]
                scale = self.scales[k, span] * asked_scale[k]
                total[span].addcmul_(found.float(), scale)
        return total / len(self.values)

    def top(self, features: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return the windows with the largest products, largest first.

        Args:
            features: `(n_sets, n_features)`, through the inverse Fisher matrix.
            count: How many; at most all.

        Returns:
            Their rows, and their products, from features that were not rounded:
            what `FeatureStore.products` says, mean over sets.

        Raises:
            AttributionError: If the features are not of this index's shape.
        """
        rough = self.approximate(features)
        some = rough.topk(min(_MORE * count, len(self))).indices
        rows = self.values[:, some].float() * self.scales[:, some, None]
        exact = torch.einsum("kf,kwf->w", features, rows) / len(self.values)
        best = exact.topk(min(count, len(self)))
        return some[best.indices], best.values

    def _require(self, features: Tensor) -> None:
        wanted = (self.values.shape[0], self.values.shape[2])
        if tuple(features.shape) != wanted:
            raise AttributionError(
                f"The features of a song must be {wanted} for this index; found "
                f"{tuple(features.shape)}. Take them with the index's own draws."
            )
