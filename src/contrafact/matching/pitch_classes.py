"""A matched passage as pitch classes over time, for people to look at.

Nothing is matched with these; see `fingerprint` and `versions` for that.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

__all__ = ["SAMPLE_RATE", "pitch_classes", "rotated"]

SAMPLE_RATE = 16_000
_WINDOW = 4_096
_LOW_HZ, _HIGH_HZ = 80.0, 2_000.0

Classes = NDArray[np.float32]


def pitch_classes(samples: NDArray[np.float32], n_frames: int) -> Classes:
    """Return how strong C, C♯, ... B are, at `n_frames` moments evenly spaced.

    Args:
        samples: `(n,)`, mono at `SAMPLE_RATE`.
        n_frames: How many moments, at least 1.

    Returns:
        `(12, n_frames)`, in [0, 1], the strongest of each moment at 1 unless it
        is silent.
    """
    padded = np.pad(samples, _WINDOW // 2).astype(np.float32)
    places = np.linspace(0, len(padded) - _WINDOW, n_frames).astype(int)
    window = np.hanning(_WINDOW).astype(np.float32)
    frames = np.stack([padded[p : p + _WINDOW] for p in places]) * window
    magnitude = np.sqrt(np.abs(rfft(frames, axis=1)).astype(np.float32))
    classes = magnitude @ _bank()
    classes -= classes.min(1, keepdims=True)
    loudest = classes.max(1, keepdims=True)
    floor = 0.05 * float(loudest.max(initial=0.0)) + 1e-6
    return np.asarray((classes / np.maximum(loudest, floor)).T, np.float32)


def rotated(classes: Classes, semitones: float) -> Classes:
    """Return pitch classes higher by so many semitones, rounded to whole ones."""
    return np.roll(classes, round(semitones), axis=0)


@cache
def _bank() -> Classes:
    """Return which line of the spectrum belongs to which class, `(2049, 12)`."""
    hz = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    is_used = (hz >= _LOW_HZ) & (hz <= _HIGH_HZ)
    pitch = 69 + 12 * np.log2(np.maximum(hz, 1.0) / 440.0)
    distance = np.abs((pitch[:, None] - np.arange(12) + 6) % 12 - 6)
    weights = np.maximum(0.0, 1.0 - distance) * is_used[:, None]
    # Low tones have fewer lines; each octave counts alike.
    return np.asarray(weights / np.maximum(hz, 1.0)[:, None], np.float32)
