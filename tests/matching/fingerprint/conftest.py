"""Tunes to be found again: chords with partials and attacks, played by nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex

Samples = NDArray[np.float32]
Tune = Callable[[int], Samples]


def play(seed: int, duration_s: float = 20.0) -> Samples:
    """Return a tune of two voices; another seed, other notes and times."""
    rng = np.random.default_rng([40, seed])
    sound = np.zeros(int(duration_s * SAMPLE_RATE) + SAMPLE_RATE)
    for lowest in (48, 64):
        at = 0.0
        while at < duration_s:
            length = float(rng.choice([0.2, 0.3, 0.4, 0.6, 0.9]))
            note = lowest + int(rng.integers(0, 17))
            first = int(at * SAMPLE_RATE)
            t = np.arange(int(length * SAMPLE_RATE)) / SAMPLE_RATE
            hz = 440 * 2 ** ((note - 69) / 12)
            tone = sum(np.sin(2 * np.pi * k * hz * t) / k for k in (1, 2, 3, 4))
            fade = (
                np.minimum(1, 60 * t)
                * np.exp(-2 * t)
                * np.minimum(1, 40 * (length - t))
            )
            sound[first : first + len(t)] += rng.uniform(0.5, 1) * fade * tone
            at += length
    return (0.2 * sound[: int(duration_s * SAMPLE_RATE)]).astype(np.float32)


@pytest.fixture(scope="session")
def tunes() -> list[Samples]:
    """Return twelve tunes of 20 s."""
    return [play(seed) for seed in range(12)]


@pytest.fixture(scope="session")
def filled(tunes: list[Samples], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an index with ten of the tunes, `R-0` to `R-9`; not to be written to."""
    folder = tmp_path_factory.mktemp("filled")
    index = FingerprintIndex.create(folder)
    index.add_many((f"R-{i}", tune) for i, tune in enumerate(tunes[:10]))
    return folder
