from __future__ import annotations

import numpy as np
import pytest

from contrafact.matching.watermarks import Samples

RATE = 16_000


def melody(seed: int, *, seconds: float = 8.0, n_channels: int = 1) -> Samples:
    """Return chords over a little noise, `(n_channels, time)`."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 4) / RATE
    parts = []
    for _ in range(round(seconds * 4)):
        pitches = 110 * 2 ** (rng.integers(0, 40, 5) / 12)
        tones = sum(
            np.sin(2 * np.pi * k * hz * t) / k for hz in pitches for k in range(1, 9)
        )
        parts.append(tones * np.exp(-rng.uniform(1, 6) * t))
    mono = np.concatenate(parts)
    mono = 0.4 * mono / np.abs(mono).max() + rng.normal(0, 0.004, mono.size)
    return np.repeat(mono[None], n_channels, axis=0).astype(np.float32)


@pytest.fixture(scope="session")
def song() -> Samples:
    """Eight seconds of chords, mono, 16 kHz."""
    return melody(0)
