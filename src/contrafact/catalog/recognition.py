"""Recognising a recording in a file: the seam, and a plain spectral matcher.

The gate asks an `AudioMatcher` whether a file holds a recording that may not be
used, so that such a recording does not come back as other bytes. What is known
of a recording is its signature, an array; signatures of one matcher can be kept
and compared with each other. A better matcher takes the place of this one by
offering the same three things.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.audio import read_audio
from contrafact.core.units import Seconds

__all__ = ["AudioMatcher", "Signature", "SpectralMatcher"]

Signature = NDArray[np.float32]

_RATE = 8_000
_WINDOW = 4_096
_HOP = 1_000  # eight frames a second
_LOWEST_HZ = 110.0
_N_OCTAVES = 5
_PER_SEMITONE = 3
_N_BINS = _N_OCTAVES * 12 * _PER_SEMITONE + 1
_LONGEST_S: Seconds = 60.0


class AudioMatcher(Protocol):
    """Tells whether two recordings are one, whatever was done to the file.

    Attributes:
        name: Names the method and its version; signatures of another name
            cannot be compared.
        threshold: Similarity from which two are taken for one.
    """

    name: str
    threshold: float

    def signature(self, path: Path) -> Signature:
        """Return what is kept of a file.

        Raises:
            AudioError: If the file cannot be read.
        """
        ...

    def similarity(self, one: Signature, other: Signature) -> float:
        """Return how much of the shorter is in the longer, at most 1."""
        ...


class SpectralMatcher:
    """Compares spectra on a logarithmic axis of frequency, shifted and stretched.

    A change of pitch moves such a spectrum up or down, a change of speed moves
    and stretches it, so that the best place over shifts, stretches and offsets
    tells how alike two recordings are at most. Found again: other codecs and
    gains, trimmed ends, pitch up to 2 semitones and speed up to 6 % either way.
    Only the first minute of a file is looked at.

    Not found: other performances of the same work, excerpts under
    `shortest_s`, and what is mixed with other sound of the same loudness.
    """

    name = "spectral-1"
    threshold = 0.7
    """Set by `bench/recognition.py`; see there for what it finds and mistakes."""
    shortest_s: Seconds = 3.0
    max_semitones = 3
    stretches = tuple(float(x) for x in 1.015 ** np.arange(-4, 5))

    def signature(self, path: Path) -> Signature:
        """Return frames of relative log-frequency energy, `(n_frames, n_bins)`.

        Raises:
            AudioError: If the file cannot be read.
        """
        audio = read_audio(path, sample_rate=_RATE, duration_s=_LONGEST_S)
        return _frames(audio.samples.mean(0))

    def similarity(self, one: Signature, other: Signature) -> float:
        """Return the best mean cosine of frames over shift, stretch and offset.

        Returns:
            At most 1; about 0 for what has nothing in common, and 0 if either
            is shorter than `shortest_s`.
        """
        shorter, longer = sorted((one, other), key=len)
        n_least = round(self.shortest_s * _RATE / _HOP)
        if len(shorter) < n_least:
            return 0.0
        return max(
            _best(_stretched(shorter, by), longer, self._n_shifts, n_least=n_least)
            for by in self.stretches
        )

    @property
    def _n_shifts(self) -> int:
        return self.max_semitones * _PER_SEMITONE


def _frames(samples: NDArray[np.float32]) -> Signature:
    padded = np.pad(samples, (0, max(0, _WINDOW - len(samples))))
    cut = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    window = np.hanning(_WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(cut * window, axis=1)).astype(np.float32) ** 2
    bands = power @ _bank()
    floor = 1e-4 * max(float(np.percentile(bands.max(1), 90)), 1e-12)
    level = np.log10(bands / floor + 1.0)
    # What stands out from its surroundings in pitch, and changes in time.
    peaks = np.maximum(level - _smoothed(level, 4 * _PER_SEMITONE), 0.0)
    peaks -= peaks.mean(0)
    return _unit(peaks).astype(np.float32)


@cache
def _bank() -> NDArray[np.float32]:
    """Return what turns power spectra into bands a third of a semitone apart."""
    hz = np.fft.rfftfreq(_WINDOW, 1 / _RATE)
    place = 12 * _PER_SEMITONE * np.log2(np.maximum(hz, 1.0) / _LOWEST_HZ)
    # At the low end a band would fall between two lines of the spectrum.
    width = np.maximum(
        1.0, 12 * _PER_SEMITONE * (_RATE / _WINDOW) / np.maximum(hz, 1) * 1.5
    )
    distance = np.abs(place[:, None] - np.arange(_N_BINS)) / width[:, None]
    return np.asarray(np.maximum(0.0, 1.0 - distance), np.float32)


def _smoothed(level: Signature, n: int) -> Signature:
    padded = np.pad(level, ((0, 0), (n, n)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    means = (sums[:, 2 * n + 1 :] - sums[:, : -2 * n - 1]) / (2 * n + 1)
    return np.asarray(means, np.float32)


def _unit(frames: Signature) -> Signature:
    """Scale frames to length 1, silent ones less."""
    lengths = np.linalg.norm(frames, axis=1, keepdims=True)
    typical = float(np.median(lengths)) if len(lengths) else 0.0
    scaled = frames / np.maximum(lengths, max(0.25 * typical, 1e-6))
    return np.asarray(scaled, np.float32)


def _stretched(frames: Signature, by: float) -> Signature:
    if by == 1.0:
        return frames
    n = max(2, round(len(frames) * by))
    place = np.linspace(0, len(frames) - 1, n)
    low = np.minimum(place.astype(int), len(frames) - 2)
    part = (place - low)[:, None].astype(np.float32)
    return np.asarray(frames[low] * (1 - part) + frames[low + 1] * part, np.float32)


def _best(one: Signature, other: Signature, n_shifts: int, *, n_least: int) -> float:
    """Return the best mean product of frames over all shifts and offsets."""
    size = 1 << (len(one) + len(other) - 2).bit_length()
    a = np.fft.rfft(one, size, axis=0).astype(np.complex64)
    b = np.fft.rfft(other, size, axis=0).astype(np.complex64)
    shifts = range(-n_shifts, n_shifts + 1)
    n = one.shape[1]
    spectra = np.stack(
        [
            np.einsum(
                "kf,kf->k",
                a[:, max(0, -s) : n - max(0, s)].conj(),
                b[:, max(0, s) : n - max(0, -s)],
            )
            for s in shifts
        ]
    )
    sums = np.fft.irfft(spectra, size, axis=1)
    offsets = np.arange(-(len(one) - 1), len(other))
    start, end = np.maximum(offsets, 0), np.minimum(offsets + len(one), len(other))
    overlap = end - start
    is_enough = overlap >= min(n_least, len(one))
    found = sums[:, offsets[is_enough] % size] / overlap[is_enough]
    return float(found.max())
