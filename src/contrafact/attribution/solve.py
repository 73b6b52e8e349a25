"""The Fisher matrix between the numbers that an index keeps, solved.

Whitening takes each coordinate by itself; recordings that pull the model the
same way still count one by one. Here the whole matrix is inverted, for every
noise draw its own, in the smaller of two equal forms: over the features, or over
the windows of the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from contrafact.attribution.principal import blocks, grams
from contrafact.attribution.store import FeatureStore

__all__ = ["FisherSolve"]


@dataclass(frozen=True, slots=True, eq=False)
class FisherSolve:
    """The inverses of `A_k^T A_k / n_windows + floor_k`, one a set of draws.

    `A_k` are the features of the corpus at set `k`. Song and recording meet at the
    same noise, and only there: what the noise did to both gradients is then the
    same, and does not pass for what one learned from the other.

    Attributes:
        store: The features.
        inverse: `(n_sets, size, size)`, float32; of the matrices themselves if
            there are more windows than features, else of
            `A_k A_k^T + n_windows * floor_k`.
        floor: What is added to every variance, `(n_sets,)`, float64.

    References:
        Park et al., "TRAK", ICML 2023, for the kernel over train examples;
        Woodbury's identity for the two forms.
    """

    store: FeatureStore
    inverse: Tensor
    floor: Tensor

    @classmethod
    def of(cls, store: FeatureStore, *, ridge: float) -> Self:
        """Return the solve for a finished store.

        Args:
            store: All shards written.
            ridge: The floor, in units of the mean squared length of a window's
                features over the number of windows; above 0.
        """
        n, is_dual = store.n_windows, store.n_windows <= store.n_features
        matrix, length = grams(store, is_dual=is_dual)
        floor = (ridge * length / n).clamp_min(1e-30)
        matrix = matrix if is_dual else matrix / n
        matrix.diagonal(dim1=1, dim2=2).add_((floor * n if is_dual else floor)[:, None])
        inverse = torch.stack([torch.linalg.inv(one).float() for one in matrix])
        return cls(store, inverse, floor)

    @property
    def _is_dual(self) -> bool:
        return self.store.n_windows <= self.store.n_features

    def natural(self, features: Tensor) -> Tensor:
        """Return features times the inverses, `(n, n_sets, n_features)`."""
        if not self._is_dual:
            return torch.einsum("nkf,kfg->nkg", features, self.inverse)
        weights = self.store.products(features)
        weights = torch.einsum("nkw,kwv->nkv", weights, self.inverse)
        rest = features.clone()
        for span, part in blocks(self.store):
            rest -= torch.einsum("nkw,wkf->nkf", weights[..., span], part)
        return rest / self.floor.float()[:, None]

    def products(self, features: Tensor) -> Tensor:
        """Return products with every window, through the inverse.

        They are weighed among the windows where there are fewer of them than
        features: the noise of a song lies where the inverse knows of no window,
        and would be blown up by `1 / floor`.

        Args:
            features: `(n_query, n_sets, n_features)`.

        Returns:
            `(n_query, n_sets, n_window)`, float32.
        """
        if not self._is_dual:
            return self.store.products(self.natural(features))
        found = self.store.products(features)
        weighed = torch.einsum("nkw,kwv->nkv", found, self.inverse)
        return weighed * self.store.n_windows

    def hat(self, owner: Tensor, n_windows: Tensor) -> Tensor:
        """Return the hat matrix of recordings, the mean over sets; see `Overlap`.

        Args:
            owner: The recording of each window, `(n_window,)`.
            n_windows: Windows of each recording, `(n_train,)`.

        Returns:
            `(n_train, n_train)`, float32.
        """
        shape = (len(n_windows), self.store.n_sets, self.store.n_features)
        sums = torch.zeros(shape)
        for span, rows in blocks(self.store):
            sums.index_add_(0, owner[span], rows)
        sums /= n_windows.sqrt()[:, None, None]
        hat = torch.zeros(len(n_windows), len(n_windows))
        natural = self.natural(sums)
        for k in range(self.store.n_sets):
            hat += sums[:, k] @ natural[:, k].T
        hat /= self.store.n_windows * self.store.n_sets
        return (hat + hat.T) / 2

    def tensors(self) -> dict[str, Tensor]:
        """Return the state, to be saved."""
        return {"inverse": self.inverse, "floor": self.floor}

    @classmethod
    def from_tensors(cls, store: FeatureStore, tensors: Mapping[str, Tensor]) -> Self:
        """Return the solve that `tensors` came from."""
        return cls(store, tensors["inverse"], tensors["floor"])
