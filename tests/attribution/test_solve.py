"""The Fisher matrix between kept coordinates, against the matrix written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contrafact.attribution.solve import FisherSolve
from contrafact.attribution.store import FeatureStore

EXACT = 1e-3  # of the largest entry; float32 through an inverse
RIDGE = 0.1


def _store(directory: Path, n_windows: int, n_features: int) -> FeatureStore:
    """Return a finished store of random features that have a direction in common."""
    store = FeatureStore(
        directory=directory, n_windows=n_windows, n_sets=2, n_features=n_features
    )
    store.create()
    rng = torch.Generator().manual_seed(n_windows)
    common = torch.randn(n_features, generator=rng)
    for shard in range(store.n_shards):
        shape = (len(store.rows(shard)), 2, n_features)
        store.write(shard, torch.randn(shape, generator=rng) + common)
    return store


def _slowly(store: FeatureStore, features: torch.Tensor) -> torch.Tensor:
    """Invert the whole matrix in float64."""
    rows = store.read(slice(None)).mean(1).double()
    floor = RIDGE * rows.square().sum(1).mean() / len(rows)
    fisher = rows.T @ rows / len(rows) + floor * torch.eye(store.n_features)
    return features.double() @ torch.linalg.inv(fisher)


@pytest.mark.parametrize(
    ("n_windows", "n_features"), [(300, 40), (40, 300), (64, 64), (300, 700)]
)
def test_both_forms_are_the_inverse(
    n_windows: int, n_features: int, tmp_path: Path
) -> None:
    """With more windows than features, and with fewer, over several blocks."""
    store = _store(tmp_path, n_windows, n_features)
    asked = torch.randn(3, 2, n_features, generator=torch.Generator().manual_seed(1))
    found = FisherSolve.of(store, ridge=RIDGE).natural(asked)
    wanted = _slowly(store, asked)
    assert found.shape == asked.shape
    assert (found - wanted).abs().max() < EXACT * wanted.abs().max()


@pytest.mark.parametrize(("n_windows", "n_features"), [(300, 40), (40, 300)])
def test_the_mean_over_sets_is_that_of_natural_features(
    n_windows: int, n_features: int, tmp_path: Path
) -> None:
    """However many sets of draws, what they mean is the product with their mean."""
    store = _store(tmp_path, n_windows, n_features)
    solve = FisherSolve.of(store, ridge=RIDGE)
    asked = torch.randn(3, 2, n_features, generator=torch.Generator().manual_seed(1))
    found = solve.products(asked).mean((1, 2))
    rows = store.read(slice(None)).mean(1)
    wanted = solve.natural(asked).mean(1) @ rows.T
    assert (found - wanted).abs().max() < EXACT * wanted.abs().max()


def test_the_noise_of_one_set_is_not_blown_up(tmp_path: Path) -> None:
    """Scores of a recording as a query differ little between sets of draws."""
    store = FeatureStore(directory=tmp_path, n_windows=16, n_sets=2, n_features=400)
    store.create()
    rng = torch.Generator().manual_seed(0)
    signal = torch.randn(16, 1, 400, generator=rng)
    noise = 0.5 * torch.randn(16, 1, 400, generator=rng)
    rows = torch.cat([signal + noise, signal - noise], dim=1)
    for shard in range(store.n_shards):
        store.write(shard, rows[store.rows(shard)])
    asked = signal[:1] + 0.5 * torch.randn(1, 1, 400, generator=rng)
    found = FisherSolve.of(store, ridge=RIDGE).products(asked)[0, 0]
    assert (found[0] - found[1]).abs().max() < 0.5 * found.mean(0).max()


def test_saved_and_read_it_is_the_same(tmp_path: Path) -> None:
    """What is kept on disk is all there is to it."""
    store = _store(tmp_path, 20, 50)
    solve = FisherSolve.of(store, ridge=RIDGE)
    again = FisherSolve.from_tensors(store, solve.tensors())
    asked = torch.ones(1, 50)
    assert torch.equal(again.natural(asked), solve.natural(asked))


def test_what_all_windows_share_counts_less(tmp_path: Path) -> None:
    """The common direction shrinks against a direction of one window alone."""
    store = _store(tmp_path, 40, 300)
    rows = store.read(slice(None)).mean(1)
    common = rows.mean(0)
    own = rows[0] - common
    solve = FisherSolve.of(store, ridge=RIDGE)

    def gain(direction: torch.Tensor) -> float:
        unit = (direction / direction.norm())[None]
        return float((solve.natural(unit) * unit).sum())

    assert gain(own) > 5 * gain(common)


def test_a_silent_corpus_does_not_divide_by_nothing(tmp_path: Path) -> None:
    """Features that are all zero give finite numbers."""
    store = FeatureStore(directory=tmp_path, n_windows=8, n_sets=1, n_features=4)
    store.create()
    store.write(0, torch.zeros(8, 1, 4))
    found = FisherSolve.of(store, ridge=RIDGE).natural(torch.ones(1, 4))
    assert np.isfinite(found.numpy()).all()
