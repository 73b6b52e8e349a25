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
    """Invert the whole matrix of each set in float64."""
    found = []
    for k, rows in enumerate(store.read(slice(None)).double().unbind(1)):
        floor = RIDGE * rows.square().sum(1).mean() / len(rows)
        fisher = rows.T @ rows / len(rows) + floor * torch.eye(store.n_features)
        found.append(features[:, k].double() @ torch.linalg.inv(fisher))
    return torch.stack(found, dim=1)


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
def test_products_are_those_of_natural_features(
    n_windows: int, n_features: int, tmp_path: Path
) -> None:
    """A set of the song meets the same set of the windows, and no other."""
    store = _store(tmp_path, n_windows, n_features)
    asked = torch.randn(3, 2, n_features, generator=torch.Generator().manual_seed(1))
    found = FisherSolve.of(store, ridge=RIDGE).products(asked).double()
    natural, rows = _slowly(store, asked), store.read(slice(None)).double()
    for k in range(store.n_sets):
        wanted = natural[:, k] @ rows[:, k].T
        assert (found[:, k] - wanted).abs().max() < EXACT * wanted.abs().max()


@pytest.mark.parametrize(("n_windows", "n_features"), [(300, 40), (40, 300)])
def test_the_hat_matrix_is_the_mean_over_sets(
    n_windows: int, n_features: int, tmp_path: Path
) -> None:
    """Of recordings of one window and of two, against the matrices written out."""
    store = _store(tmp_path, n_windows, n_features)
    owner = torch.arange(n_windows).clamp_max(n_windows - 2)
    counts = owner.bincount()
    rows = store.read(slice(None)).double()
    sums = torch.zeros(len(counts), *rows.shape[1:], dtype=torch.float64)
    sums.index_add_(0, owner, rows)
    sums /= counts.double().sqrt()[:, None, None]
    natural = _slowly(store, sums)
    wanted = torch.einsum("nkf,mkf->nm", natural, sums) / n_windows / store.n_sets
    found = FisherSolve.of(store, ridge=RIDGE).hat(owner, counts)
    assert (found - wanted).abs().max() < EXACT
    assert float(torch.linalg.eigvalsh(found.double()).max()) < 1


def test_noise_that_no_window_has_is_not_blown_up(tmp_path: Path) -> None:
    """A song with much of its own at one draw scores as it would without."""
    store = _store(tmp_path, 16, 400)
    rows = store.read(slice(None))
    asked = rows[:1].clone()
    own = torch.randn(400, generator=torch.Generator().manual_seed(3))
    basis = torch.linalg.qr(rows[:, 0].T)[0]
    own -= basis @ (basis.T @ own)
    louder = asked.clone()
    louder[0, 0] += 10 * own
    solve = FisherSolve.of(store, ridge=RIDGE)
    one, other = solve.products(asked), solve.products(louder)
    assert (one - other).abs().max() < 0.01 * one.abs().max()


def test_saved_and_read_it_is_the_same(tmp_path: Path) -> None:
    """What is kept on disk is all there is to it."""
    store = _store(tmp_path, 20, 50)
    solve = FisherSolve.of(store, ridge=RIDGE)
    again = FisherSolve.from_tensors(store, solve.tensors())
    asked = torch.ones(1, 2, 50)
    assert torch.equal(again.natural(asked), solve.natural(asked))


def test_what_all_windows_share_counts_less(tmp_path: Path) -> None:
    """The common direction shrinks against a direction of one window alone."""
    store = _store(tmp_path, 40, 300)
    rows = store.read(slice(None))
    common = rows.mean(0)
    own = rows[0] - common
    solve = FisherSolve.of(store, ridge=RIDGE)

    def gain(direction: torch.Tensor) -> float:
        unit = (direction / direction.norm(dim=-1, keepdim=True))[None]
        return float((solve.natural(unit) * unit).sum())

    assert gain(own) > 5 * gain(common)


def test_a_silent_corpus_does_not_divide_by_nothing(tmp_path: Path) -> None:
    """Features that are all zero give finite numbers."""
    store = FeatureStore(directory=tmp_path, n_windows=8, n_sets=1, n_features=4)
    store.create()
    store.write(0, torch.zeros(8, 1, 4))
    found = FisherSolve.of(store, ridge=RIDGE).natural(torch.ones(1, 1, 4))
    assert np.isfinite(found.numpy()).all()
