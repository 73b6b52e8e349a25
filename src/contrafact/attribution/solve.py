"""The Fisher matrix between the coordinates that an index keeps, solved.

Whitening takes each coordinate by itself; recordings that pull the model the
same way still count one by one. Here the whole matrix over the kept coordinates
is inverted, in the smaller of two equal forms: over the coordinates, or over
the windows of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from contrafact.attribution.store import FeatureStore

__all__ = ["FisherSolve"]

_ROWS = 256  # windows held in memory at a time


@dataclass(frozen=True, slots=True, eq=False)
class FisherSolve:
    """The inverse of `A^T A / n_windows + floor`, `A` the features of the corpus.

    Attributes:
        store: The features; those of a window are the mean over its sets.
        inverse: Float32; of the matrix itself if there are more windows than
            features, else of `A A^T + n_windows * floor`.
        floor: What is added to every variance.

    References:
        Park et al., "TRAK", ICML 2023, for the kernel over train examples;
        Woodbury's identity for the two forms.
    """

    store: FeatureStore
    inverse: Tensor
    floor: float

    @classmethod
    def of(cls, store: FeatureStore, *, ridge: float) -> Self:
        """Return the solve for a finished store.

        Args:
            store: All shards written.
            ridge: The floor, in units of the mean squared length of a window's
                features over the number of windows; above 0.
        """
        n, is_dual = store.n_windows, store.n_windows <= store.n_features
        matrix, length = _products(store, is_dual=is_dual)
        floor = max(ridge * length / n, 1e-30)
        matrix = matrix if is_dual else matrix / n
        matrix.diagonal().add_(floor * n if is_dual else floor)
        return cls(store, torch.linalg.inv(matrix).float().contiguous(), floor)

    def natural(self, features: Tensor) -> Tensor:
        """Return features times the inverse, `(..., n_features)`."""
        if self.store.n_windows > self.store.n_features:
            return features @ self.inverse
        flat = features.flatten(0, -2)
        rest = flat.clone()
        weights = torch.cat([flat @ rows.T for rows in _rows(self.store)], -1)
        weights = weights @ self.inverse
        for start, rows in enumerate(_rows(self.store)):
            rest -= weights[:, start * _ROWS : (start + 1) * _ROWS] @ rows
        return (rest / self.floor).reshape(features.shape)

    def products(self, features: Tensor) -> Tensor:
        """Return products with every window, through the inverse.

        The mean over train sets is that of `natural` features. Each set of its
        own is weighed among the windows, not among the coordinates: where there
        are fewer windows than features, the noise of one set lies where the
        inverse knows of no window, and would be blown up by `1 / floor`.

        Args:
            features: `(n_query, n_query_sets, n_features)`.

        Returns:
            `(n_query, n_query_sets, n_sets, n_window)`, float32.
        """
        if self.store.n_windows > self.store.n_features:
            return self.store.products(features @ self.inverse)
        found = self.store.products(features)
        return found @ self.inverse * self.store.n_windows

    def hat(self, owner: Tensor, n_windows: Tensor) -> Tensor:
        """Return the hat matrix of recordings; see `Overlap`.

        Args:
            owner: The recording of each window, `(n_window,)`.
            n_windows: Windows of each recording, `(n_train,)`.

        Returns:
            `(n_train, n_train)`, float32.
        """
        sums = torch.zeros(len(n_windows), self.store.n_features)
        for start, rows in enumerate(_rows(self.store)):
            span = slice(start * _ROWS, start * _ROWS + len(rows))
            sums.index_add_(0, owner[span], rows)
        sums /= n_windows.sqrt()[:, None]
        hat = sums @ self.natural(sums).T / self.store.n_windows
        return (hat + hat.T) / 2

    def tensors(self) -> dict[str, Tensor]:
        """Return the state, to be saved."""
        floor = torch.tensor(self.floor, dtype=torch.float64)
        return {"inverse": self.inverse, "floor": floor}

    @classmethod
    def from_tensors(cls, store: FeatureStore, tensors: Mapping[str, Tensor]) -> Self:
        """Return the solve that `tensors` came from."""
        return cls(store, tensors["inverse"], float(tensors["floor"]))


def _rows(store: FeatureStore) -> Iterator[Tensor]:
    """Yield the features of the windows, mean over sets, some at a time."""
    for start in range(0, store.n_windows, _ROWS):
        yield store.read(slice(start, min(start + _ROWS, store.n_windows))).mean(1)


def _products(store: FeatureStore, *, is_dual: bool) -> tuple[Tensor, float]:
    """Return `A A^T` or `A^T A`, float64, and the mean squared length of a row."""
    size = store.n_windows if is_dual else store.n_features
    matrix = torch.zeros(size, size, dtype=torch.float64)
    length = 0.0
    for first, rows in enumerate(_rows(store)):
        length += float(rows.double().square().sum())
        if not is_dual:
            matrix += (rows.T @ rows).double()
            continue
        for second, others in enumerate(_rows(store)):
            span = slice(first * _ROWS, first * _ROWS + len(rows))
            other = slice(second * _ROWS, second * _ROWS + len(others))
            matrix[span, other] = (rows @ others.T).double()
    return matrix, length / store.n_windows
