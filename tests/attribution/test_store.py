"""The feature store: eight bits, memory-mapped, never half-trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contrafact.attribution.store import (
    FeatureStore,
    check_manifest,
    quantise,
    read_manifest,
    read_tensors,
    write_manifest,
)
from contrafact.core.errors import IndexMismatchError, NotFittedError

N_WINDOWS, N_SETS, N_FEATURES = 19, 2, 30


@pytest.fixture
def features(rng: np.random.Generator) -> torch.Tensor:
    """Features of very different sizes."""
    sizes = 10.0 ** rng.integers(-6, 3, size=(N_WINDOWS, N_SETS, 1))
    values = rng.normal(size=(N_WINDOWS, N_SETS, N_FEATURES)) * sizes
    return torch.tensor(values, dtype=torch.float32)


def _store(directory: Path) -> FeatureStore:
    return FeatureStore(
        directory=directory, n_windows=N_WINDOWS, n_sets=N_SETS, n_features=N_FEATURES
    )


@pytest.fixture
def store(tmp_path: Path, features: torch.Tensor) -> FeatureStore:
    """A store with every shard written."""
    store = _store(tmp_path)
    store.create()
    for shard in range(store.n_shards):
        store.write(shard, features[store.rows(shard)])
    return store


def test_eight_bits_are_off_by_half_a_step_at_most(features: torch.Tensor) -> None:
    """No feature is further off than half of its row's largest over 127."""
    values, scales = quantise(features)
    error = (values.float() * scales[..., None] - features).abs()
    bound = features.abs().amax(-1, keepdim=True) / 127 / 2
    assert bool((error <= bound * 1.001).all())
    assert int(values.abs().max()) == 127


def test_rows_of_zeros_stay_zeros() -> None:
    """A gradient of nothing is no division by zero."""
    values, scales = quantise(torch.zeros(2, 3))
    assert bool(torch.isfinite(scales).all())
    assert values.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_what_is_written_is_read(store: FeatureStore, features: torch.Tensor) -> None:
    """Features come back up to eight bits, whichever span is asked for."""
    assert store.pending() == []
    bound = features.abs().amax(-1, keepdim=True) / 127
    for span in (slice(0, N_WINDOWS), slice(7, 18), slice(18, 19)):
        assert bool(((store.read(span) - features[span]).abs() <= bound[span]).all())


def test_products_are_those_of_what_is_read(
    store: FeatureStore, rng: np.random.Generator
) -> None:
    """Products do not depend on how many windows are in memory at a time."""
    queries = torch.tensor(
        rng.normal(size=(3, store.n_sets, N_FEATURES)), dtype=torch.float32
    )
    rows = store.read(slice(0, N_WINDOWS))
    wanted = torch.stack(
        [queries[:, k] @ rows[:, k].T for k in range(store.n_sets)], dim=1
    )
    for at_most in (1, 5, 256):
        found = store.products(queries, at_most=at_most)
        assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_shard_is_pending_until_it_is_written(
    tmp_path: Path, features: torch.Tensor
) -> None:
    """Laying out the files anew keeps what is done."""
    store = _store(tmp_path)
    store.create()
    assert store.pending() == [0, 1, 2]
    store.write(1, features[store.rows(1)])
    store.create()
    assert store.pending() == [0, 2]


@pytest.mark.parametrize("name", ["features.i8", "scales.f32", "done.u8"])
def test_files_cut_short_are_refused(store: FeatureStore, name: str) -> None:
    """A truncated file is named; nothing is read from it."""
    path = store.directory / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NotFittedError, match=f"{name} is missing or cut short"):
        store.pending()


@pytest.mark.parametrize("name", ["features.i8", "scales.f32"])
def test_files_cut_short_are_built_again(store: FeatureStore, name: str) -> None:
    """After a truncation no shard passes for done: its zeros are no features."""
    path = store.directory / name
    path.write_bytes(path.read_bytes()[:-1])
    store.create()
    assert store.pending() == [0, 1, 2]


def test_the_digest_covers_the_features(store: FeatureStore) -> None:
    """One other bit is another digest."""
    write_manifest(store.directory, {"estimator": "index"})
    (store.directory / "factors.safetensors").write_bytes(b"factors")
    before = store.digest()
    path = store.directory / "features.i8"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert store.digest() != before


def test_a_manifest_is_written_once(tmp_path: Path) -> None:
    """The same facts pass; others are refused and the manifest stays."""
    facts = {"estimator": "index", "model": "a" * 64, "settings": {"n": (1, 2)}}
    write_manifest(tmp_path, facts)
    write_manifest(tmp_path, facts)
    with pytest.raises(IndexMismatchError, match="another model \\(aaaaaaaaaaaa"):
        write_manifest(tmp_path, {**facts, "model": "b" * 64})
    found = read_manifest(tmp_path)
    assert found is not None
    check_manifest(tmp_path, found, facts)


def test_another_format_is_refused(tmp_path: Path) -> None:
    """An index of another version of the format is not guessed at."""
    with pytest.raises(IndexMismatchError, match="another format"):
        check_manifest(tmp_path, {"format": 0}, {})


def test_damaged_tensors_are_refused(tmp_path: Path) -> None:
    """Neither a missing nor a damaged file gets through as another error."""
    path = tmp_path / "factors.safetensors"
    with pytest.raises(NotFittedError, match=r"factors\.safetensors"):
        read_tensors(path)
    path.write_bytes(b"\x08\x00")
    with pytest.raises(NotFittedError, match=r"factors\.safetensors is damaged"):
        read_tensors(path)
