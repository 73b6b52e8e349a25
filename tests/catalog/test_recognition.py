from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import istft, stft

from contrafact.catalog.recognition import SpectralMatcher

RATE = 16_000
Samples = NDArray[np.float32]


def _tune(seed: int, *, n_notes: int = 24) -> Samples:
    """Return ten seconds of plucked notes, other ones for another seed."""
    rng = np.random.default_rng(seed)
    parts = []
    for note in rng.integers(48, 84, n_notes):
        t = np.arange(int(RATE * rng.uniform(0.25, 0.6))) / RATE
        hz = 440 * 2 ** ((note - 69) / 12)
        tone = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
        parts.append(tone * np.exp(-3 * t))
    joined = np.concatenate(parts)
    return (0.5 * joined / np.abs(joined).max()).astype(np.float32)


def _speed(samples: Samples, by: float) -> Samples:
    return np.asarray(soxr.resample(samples, RATE * by, RATE), np.float32)


def _pitch(samples: Samples, semitones: float) -> Samples:
    """Change the pitch and leave the speed: a phase vocoder, then resampling."""
    by, n, hop = 2 ** (-semitones / 12), 2048, 512
    _, _, z = stft(samples, nperseg=n, noverlap=n - hop)
    turn = 2 * np.pi * hop * np.arange(n // 2 + 1) / n
    phase, frames = np.angle(z[:, 0]), []
    for place in np.arange(0, z.shape[1] - 1, by):
        i = int(place)
        frames.append(np.abs(z[:, i]) * np.exp(1j * phase))
        step = np.angle(z[:, i + 1]) - np.angle(z[:, i]) - turn
        phase = phase + turn + step - 2 * np.pi * np.round(step / 2 / np.pi)
    longer = istft(np.array(frames).T, nperseg=n, noverlap=n - hop)[1]
    return _speed(longer.astype(np.float32), 1 / by)


def _signature(
    matcher: SpectralMatcher, samples: Samples, folder: Path, suffix: str = ".wav"
) -> NDArray[np.float32]:
    path = folder / f"copy{suffix}"
    soundfile.write(path, np.clip(samples, -1, 1), RATE)
    return matcher.signature(path)


@pytest.mark.parametrize(
    "altered",
    [
        "mp3",
        "quieter",
        "trimmed",
        "pitch +2",
        "pitch -2",
        "speed +6",
        "speed -6",
        "speed +3",
    ],
)
def test_an_altered_copy_is_found(altered: str, tmp_path: Path) -> None:
    """Another codec, gain, length, pitch or speed does not hide a recording."""
    matcher, tune = SpectralMatcher(), _tune(1)
    quarter = len(tune) // 4
    copy = {
        "quieter": 0.1 * tune,
        "trimmed": tune[quarter:-quarter],
        "pitch +2": _pitch(tune, 2),
        "pitch -2": _pitch(tune, -2),
        "speed +6": _speed(tune, 1.06),
        "speed -6": _speed(tune, 0.94),
        "speed +3": _speed(tune, 1.03),
    }.get(altered, tune)
    suffix = ".mp3" if altered == "mp3" else ".wav"
    found = _signature(matcher, copy, tmp_path, suffix)
    original = _signature(matcher, tune, tmp_path)
    assert matcher.similarity(original, found) >= matcher.threshold
    assert matcher.similarity(found, original) >= matcher.threshold


def test_other_tunes_are_not_found(tmp_path: Path) -> None:
    """Tunes of the same sound and other notes stay well below the threshold."""
    matcher = SpectralMatcher()
    kept = [_signature(matcher, _tune(seed), tmp_path) for seed in range(2, 8)]
    pairs = [(a, b) for i, a in enumerate(kept) for b in kept[:i]]
    assert max(matcher.similarity(a, b) for a, b in pairs) < matcher.threshold - 0.1


def test_what_is_too_short_is_like_nothing(tmp_path: Path) -> None:
    """Two seconds say too little; so does silence, which is no error either."""
    matcher, tune = SpectralMatcher(), _tune(1)
    whole = _signature(matcher, tune, tmp_path)
    short = _signature(matcher, tune[: 2 * RATE], tmp_path)
    assert matcher.similarity(whole, short) == 0.0
