"""Music that people might have made, and the same music with a decoder's lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from contrafact.matching.origin import OriginRegistry
from contrafact.matching.origin.chain import RATE

Samples = NDArray[np.float32]
N_PEOPLE = 24
SPACINGS = {"even": 62.5, "odd": 53.33, "third": 71.77}
"""Hz between the lines of three decoders."""


def _music(seed: int, seconds: float = 11.0) -> Samples:
    """Return noise and notes, `(time,)`, at 16 kHz."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    time = np.arange(n) / RATE
    noise = rng.standard_normal(n).cumsum()
    sound = 0.05 * (noise - np.convolve(noise, np.ones(400) / 400, "same"))
    sound += 0.02 * rng.standard_normal(n)
    for start in range(0, n, RATE // 2):
        pitch = 110 * 2 ** (rng.integers(0, 36) / 12)
        end = min(n, start + RATE // 2)
        for k in range(1, 8):
            wave = np.sin(2 * np.pi * pitch * k * time[start:end]) / k
            sound[start:end] += 0.4 * wave
    return (0.2 * sound / np.abs(sound).max()).astype(np.float32)


def _with_lines(
    samples: Samples, spacing_hz: float, *, level: float = 2.5e-4
) -> Samples:
    """Return sound with lines at the multiples of a spacing, each of its own height."""
    n = len(samples)
    spectrum = np.zeros(n // 2 + 1, complex)
    k = np.arange(1, int(7_800 / spacing_hz))
    heights = np.random.default_rng(round(spacing_hz)).lognormal(0.0, 1.0, len(k))
    places = np.rint(k * spacing_hz * n / RATE).astype(int)
    spectrum[places] = heights * np.exp(0.7j * k * k)
    lines = np.fft.irfft(spectrum, n) * n / 2
    return (samples + level * lines).astype(np.float32)


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes samples to a WAV file of its own."""
    folder = tmp_path_factory.mktemp("sounds")

    def write_(samples: Samples, rate: int = RATE) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.wav"
        soundfile.write(path, samples.T, rate, subtype="PCM_24")
        return path

    return write_


@pytest.fixture(scope="session")
def people(write: Callable[..., Path]) -> list[Path]:
    """Return recordings by people."""
    return [write(_music(seed)) for seed in range(N_PEOPLE)]


@pytest.fixture(scope="session")
def generated(write: Callable[..., Path]) -> dict[str, list[Path]]:
    """Return recordings of three generators, of music that people did not play."""
    return {
        name: [write(_with_lines(_music(100 * i + j), hz)) for j in range(6)]
        for i, (name, hz) in enumerate(SPACINGS.items(), start=1)
    }


@pytest.fixture(scope="session")
def registry(
    people: list[Path],
    generated: dict[str, list[Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> OriginRegistry:
    """Return a registry of people and the three generators; do not change it."""
    folder = tmp_path_factory.mktemp("registry")
    enrolled = OriginRegistry.open(folder)
    enrolled.enroll("people", people, is_human=True)
    for name, paths in generated.items():
        enrolled.enroll(name, paths)
    return OriginRegistry.open(folder)


@pytest.fixture(scope="session")
def music() -> Callable[..., Samples]:
    """Return the function that makes music of a seed."""
    return _music


@pytest.fixture(scope="session")
def with_lines() -> Callable[..., Samples]:
    """Return the function that adds a decoder's lines."""
    return _with_lines
