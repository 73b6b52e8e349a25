"""Postings that are made up for a large index, beside those they are made after."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from contrafact.matching.fingerprint._hashes import N_KEYS
from contrafact.matching.fingerprint._segments import Segment

SOURCE = Path(__file__).parents[2] / "bench" / "matching" / "synthetic.py"
N_TIMES = 289
"""Pairs of proportions of time; a key is intervals times this and one of them."""


@pytest.fixture(scope="module")
def synthetic() -> Iterator[ModuleType]:
    """The module of the benchmark."""
    spec = importlib.util.spec_from_file_location("synthetic_postings", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def _keys(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return keys of 300 common intervals and 40 common times, drawn apart."""
    intervals = rng.choice(np.arange(100, 60_000, 200), n)
    times = rng.choice(np.arange(5, 285, 7), n)
    return np.sort(intervals * N_TIMES + times)


@pytest.mark.slow
def test_keys_that_no_recording_had_yet_get_their_share(
    synthetic: ModuleType, rng: np.random.Generator
) -> None:
    """As many of further recordings are among them as the shares say."""
    seen, further = _keys(rng, 4_000), _keys(rng, 4_000)
    shares = synthetic.key_shares(seen, rng.integers(0, 40, len(seen)))
    assert shares.sum() == pytest.approx(1, abs=1e-3)
    is_new = np.ones(N_KEYS, bool)
    is_new[seen] = False
    expected = is_new[further].mean()
    assert expected > 0.5
    assert shares[is_new].sum() == pytest.approx(expected, abs=0.1)


@pytest.mark.slow
def test_a_segment_made_up_can_be_opened_and_is_like_the_pattern(
    synthetic: ModuleType, tmp_path: Path, rng: np.random.Generator
) -> None:
    """As many postings an hour, in order, near the pitches and of the spans there."""
    key = _keys(rng, 4_000)
    pattern = synthetic.Pattern(
        key=key,
        pitch=key // N_TIMES % 60 + 50,
        span=key // N_TIMES % 30 + 55,
        recording=rng.integers(0, 40, len(key)),
        code=rng.integers(0, 1 << 32, 900, dtype=np.uint32),
        rows=np.zeros((1_800, 38), np.uint8),
        n_frames=3_600,
    )
    n = synthetic.write_synthetic(tmp_path / "made.segment", pattern, 0.5)
    segment = Segment.open(tmp_path / "made.segment")
    assert n == len(segment.key) == len(segment.place) == len(segment.pitch)
    assert n / segment.n_frames == pytest.approx(4_000 / 3_600, rel=0.02)
    made = segment.key.astype(np.int64)
    assert (np.diff(made) >= 0).all()
    known = np.isin(made // N_TIMES, key // N_TIMES)
    away = segment.pitch[known] - (made[known] // N_TIMES % 60 + 50.0)
    assert abs(float(away.mean())) < 0.2
    assert float(away.std()) == pytest.approx(6, rel=0.1)
    assert (segment.span[known] == made[known] // N_TIMES % 30 + 55).all()
