"""A resident index: the same best windows as the slow products, in any order."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contrafact.attribution.resident import ResidentIndex
from contrafact.attribution.store import FeatureStore
from contrafact.core.errors import AttributionError

N_WINDOWS, N_SETS, N_FEATURES = 700, 3, 40


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """A finished store of random features of very different lengths."""
    store = FeatureStore(
        directory=tmp_path,
        n_windows=N_WINDOWS,
        n_sets=N_SETS,
        n_features=N_FEATURES,
        shard=64,
    )
    store.create()
    rng = torch.Generator().manual_seed(0)
    for shard in range(store.n_shards):
        shape = len(store.rows(shard)), N_SETS, N_FEATURES
        length = torch.rand(shape[:2], generator=rng)[..., None] + 0.1
        store.write(shard, torch.randn(shape, generator=rng) * length)
    return store


@pytest.fixture
def song() -> torch.Tensor:
    """The features of a song."""
    rng = torch.Generator().manual_seed(1)
    return torch.randn(N_SETS, N_FEATURES, generator=rng)


def test_what_is_found_is_what_slow_products_find(
    store: FeatureStore, song: torch.Tensor
) -> None:
    """The ten best of seven hundred, with their exact products."""
    slow = store.products(song[None])[0].mean(0)
    rows, products = ResidentIndex.of(store, at_most=100).top(song, 10)
    best = slow.topk(10)
    assert rows.tolist() == best.indices.tolist()
    torch.testing.assert_close(products, best.values)


def test_rough_products_are_off_by_less_than_a_hundredth(
    store: FeatureStore, song: torch.Tensor
) -> None:
    """Of the largest; what the song's own rounding costs."""
    slow = store.products(song[None])[0].mean(0)
    rough = ResidentIndex.of(store).approximate(song)
    assert (rough - slow).abs().max() < 0.01 * slow.abs().max()


def test_more_than_there_are_gives_all_of_them(
    store: FeatureStore, song: torch.Tensor
) -> None:
    """In order of their products."""
    rows, products = ResidentIndex.of(store).top(song, 10 * N_WINDOWS)
    assert sorted(rows.tolist()) == list(range(N_WINDOWS))
    assert (products.diff() <= 0).all()


def test_features_of_another_index_are_refused(store: FeatureStore) -> None:
    """With the shape that they should have."""
    with pytest.raises(AttributionError, match=r"\(3, 40\).*found \(3, 41\)"):
        ResidentIndex.of(store).top(torch.zeros(N_SETS, N_FEATURES + 1), 3)
