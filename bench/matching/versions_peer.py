"""Chroma and Qmax, to compare with: re-implemented from the papers.

References:
    Gómez, "Tonal description of polyphonic audio for music content processing",
    INFORMS Journal on Computing 18, 2006: pitch class profiles of peaks.
    Serrà, Serra and Andrzejak, "Cross recurrence quantification for cover song
    identification", New Journal of Physics 11, 2009: embedding of 9, 10 % nearest
    neighbours, gap penalties 5 and 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import stft

from contrafact.matching.versions import SAMPLE_RATE

__all__ = ["chroma", "qmax"]

_WINDOW, _HOP, _N_AVERAGED = 4096, 1024, 7  # frames of 0.45 s
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 4000.0
_N_HARMONICS, _DECAY = 4, 0.6
_EMBEDDING = 9
_NEAREST = 0.1
_OPEN, _EXTEND = 5.0, 0.5

Floats = NDArray[np.float32]


def chroma(samples: Floats) -> Floats:
    """Return pitch class profiles of spectral peaks, `(frame, 12)`, at most 1."""
    frequency, _, spectrum = stft(
        samples, SAMPLE_RATE, nperseg=_WINDOW, noverlap=_WINDOW - _HOP
    )
    heard = (frequency >= _LOWEST_HZ) & (frequency <= _HIGHEST_HZ)
    size = np.abs(spectrum)
    is_peak = np.zeros(size.shape, bool)
    is_peak[1:-1] = (size[1:-1] > size[:-2]) & (size[1:-1] >= size[2:])
    energy = np.where(is_peak, size**2, 0)[heard].T
    profile = energy @ _weights(frequency[heard])
    n_frames = len(profile) // _N_AVERAGED
    profile = profile[: n_frames * _N_AVERAGED].reshape(n_frames, _N_AVERAGED, 12)
    mean = profile.mean(axis=1)
    result: Floats = mean / np.maximum(mean.max(axis=1, keepdims=True), 1e-9)
    return result.astype(np.float32)


def _weights(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a peak at each frequency adds to each pitch class.

    A peak may be a harmonic of a lower tone, and counts for that one too.
    """
    total = np.zeros((len(frequency), 12))
    for harmonic in range(1, _N_HARMONICS + 1):
        pitch = 12 * np.log2(frequency / harmonic / 440.0) + 9
        away = (pitch[:, None] - np.arange(12) + 6) % 12 - 6
        near = np.where(np.abs(away) < 2 / 3, np.cos(np.pi / 2 * away * 1.5) ** 2, 0)
        total += _DECAY ** (harmonic - 1) * near
    return total


def qmax(query: Floats, references: Sequence[Floats]) -> NDArray[np.float64]:
    """Return how alike each reference is, higher for more, `(reference,)`.

    References should be of about one length. Each is transposed to where the two
    mean profiles agree best.
    """
    n_frames = min(len(reference) for reference in references)
    values = np.stack([reference[:n_frames] for reference in references])
    means = values.mean(axis=1)
    turned = np.stack([np.roll(query.mean(axis=0), -shift) for shift in range(12)])
    shifts = np.argmax(means @ turned.T, axis=1)
    moved = np.stack([np.roll(query, -shift, axis=1) for shift in shifts])
    recurs = _recurrence(_embedded(moved), _embedded(values))
    return _longest(recurs) / np.sqrt(n_frames)


def _embedded(values: Floats) -> Floats:
    n = values.shape[1] - _EMBEDDING + 1
    return np.concatenate([values[:, k : k + n] for k in range(_EMBEDDING)], axis=2)


def _recurrence(query: Floats, reference: Floats) -> NDArray[np.bool_]:
    """Tell which frames are among the nearest of each other."""
    distance = (query**2).sum(axis=2)[:, :, None] + (reference**2).sum(axis=2)[:, None]
    distance = distance - 2 * query @ reference.transpose(0, 2, 1)
    rows = np.quantile(distance, _NEAREST, axis=2, keepdims=True)
    columns = np.quantile(distance, _NEAREST, axis=1, keepdims=True)
    return (distance <= rows) & (distance <= columns)


def _longest(recurs: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return Qmax of cross recurrence plots, `(pair,)`."""
    n_pairs, n_query, n_reference = recurs.shape
    padded = np.zeros((n_pairs, n_query + 2, n_reference + 2), bool)
    padded[:, 2:, 2:] = recurs
    total = np.zeros(padded.shape, np.float32)
    penalty = np.where(padded, np.float32(_OPEN), np.float32(_EXTEND))
    for i in range(2, n_query + 2):
        before = [
            (i - 1, slice(1, -1)), (i - 2, slice(1, -1)), (i - 1, slice(0, -2))
        ]  # fmt: skip
        matched = np.max([total[:, r, c] for r, c in before], axis=0) + 1
        missed = np.max([total[:, r, c] - penalty[:, r, c] for r, c in before], axis=0)
        total[:, i, 2:] = np.where(padded[:, i, 2:], matched, np.maximum(missed, 0))
    result: NDArray[np.float64] = total.max(axis=(1, 2)).astype(np.float64)
    return result
