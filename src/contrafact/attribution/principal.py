"""Principal components of a corpus's features: fewer numbers that hold what differs.

Features of a noise draw differ between windows in far fewer directions than they have
numbers. Kept are those in which the corpus varies most, for every draw its own; the
Fisher matrix between them is then as small.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from contrafact.attribution.preconditioning import eigenvectors
from contrafact.attribution.store import FeatureStore

__all__ = ["blocks", "grams", "principal_components", "project"]

_ROWS = 256  # windows held in memory at a time


def blocks(store: FeatureStore) -> Iterator[tuple[slice, Tensor]]:
    """Yield spans of windows and their features, some at a time."""
    for start in range(0, store.n_windows, _ROWS):
        span = slice(start, min(start + _ROWS, store.n_windows))
        yield span, store.read(span)


def grams(store: FeatureStore, *, is_dual: bool) -> tuple[Tensor, Tensor]:
    """Return products of features with each other, set by set.

    Args:
        store: All shards written.
        is_dual: Whether between windows, `A_k A_k^T`, or numbers, `A_k^T A_k`.

    Returns:
        `(n_sets, size, size)`, float64, and the mean squared lengths of windows,
        `(n_sets,)`.
    """
    size = store.n_windows if is_dual else store.n_features
    matrix = torch.zeros(store.n_sets, size, size, dtype=torch.float64)
    length = torch.zeros(store.n_sets, dtype=torch.float64)
    for span, rows in blocks(store):
        length += rows.double().square().sum((0, 2))
        if not is_dual:
            matrix += torch.einsum("wkf,wkg->kfg", rows, rows).double()
            continue
        for other, others in blocks(store):
            found = torch.einsum("wkf,vkf->kwv", rows, others)
            matrix[:, span, other] = found.double()
    return matrix, length / store.n_windows


def principal_components(store: FeatureStore, n_components: int) -> Tensor:
    """Return the directions in which the features of the corpus are longest.

    They are not centred: what all windows have in common is a direction, too.

    Args:
        store: All shards written.
        n_components: How many, at most as many as there are windows and numbers.

    Returns:
        `(n_sets, n_features, n_components)`, float16, orthonormal columns.

    References:
        Jolliffe, "Principal component analysis", 2002; Choe et al., "What is your
        data worth to GPT?" (LoGra), 2024, who begin their projection there.
    """
    is_dual = store.n_windows <= store.n_features
    matrices, _ = grams(store, is_dual=is_dual)
    # Eigenvalues rise, so the last are the largest.
    found = torch.stack([eigenvectors(m)[:, -n_components:] for m in matrices])
    if is_dual:
        total = torch.zeros(store.n_sets, store.n_features, n_components).double()
        for span, rows in blocks(store):
            total += torch.einsum("wkf,kwc->kfc", rows.double(), found[:, span])
        found = total / total.norm(dim=1, keepdim=True).clamp_min(1e-30)
    return found.half()


def project(features: Tensor, components: Tensor) -> Tensor:
    """Return features in components, `(n, n_sets, n_components)`, float32.

    Args:
        features: `(n, n_sets, n_features)`.
        components: As `principal_components` returns them.
    """
    return torch.einsum("nkf,kfc->nkc", features.float(), components.float())
