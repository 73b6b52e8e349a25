"""An even comb in a residual: which spacing, and which strides that implies.

A decoder that raises the rate by a factor repeats itself every so many samples,
which adds lines at multiples of rate over strides. Nothing needs to be known
about the generator: this describes one that was never enrolled.

References:
    Pons et al., "Upsampling artifacts in neural audio synthesis", ICASSP 2021;
    Noll, "Pitch determination by the harmonic sum spectrum", 1970 (the sum over
    multiples, here over a residual and at spacings far below any pitch's range).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.origin.residual import BIN_HZ, HIGH_HZ, Values

__all__ = ["Comb", "find_comb", "implied_strides"]

_LEAST_HZ, _MOST_HZ = 14.0, 350.0
_LOW_HZ = 2_000.0
"""Below, the partials of notes are too many and too strong."""
_FINE = 1.5e-4
"""Between spacings tried, in logarithm: a bin's width at the top of the band."""
_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_NEAR = 4e-4
_HOPS = (64, 1_024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comb:
    """The even comb that fits a residual best.

    Attributes:
        spacing_hz: Between its lines.
        score: Standard deviations above the mean of a residual that the lines
            stand, all together.
        n_lines: Lines inside the band.
    """

    spacing_hz: float
    score: float
    n_lines: int


@cache
def _teeth() -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
    """Return the spacings, the bins of all their lines, where each one's begin."""
    count = int(math.log(_MOST_HZ / _LEAST_HZ) / _FINE)
    spacings = _LEAST_HZ * np.exp(_FINE * np.arange(count))
    lines = [
        np.arange(math.ceil(_LOW_HZ / s), math.floor(HIGH_HZ / s) + 1) * s
        for s in spacings
    ]
    starts = np.concatenate([[0], np.cumsum([len(part) for part in lines])[:-1]])
    bins = np.rint(np.concatenate(lines) / BIN_HZ).astype(np.int64)
    return spacings, bins, starts.astype(np.int64)


def find_comb(values: Values) -> Comb:
    """Return the comb that stands out most.

    Args:
        values: A residual over the bins of `spectra`, dB.
    """
    spacings, bins, starts = _teeth()
    band = values[round(_LOW_HZ / BIN_HZ) : round(HIGH_HZ / BIN_HZ) + 1]
    counts = np.diff(np.append(starts, len(bins)))
    sums = np.add.reduceat(values[bins], starts) - counts * band.mean()
    scores = sums / (np.sqrt(counts) * max(float(band.std()), 1e-9))
    place = int(scores.argmax())
    return Comb(
        spacing_hz=float(spacings[place]),
        score=float(scores[place]),
        n_lines=int(counts[place]),
    )


def implied_strides(spacing_hz: float) -> list[tuple[int, int]]:
    """Return native rate in Hz and samples a step that give a spacing.

    Only products of small factors, as strides are, and the usual rates.

    Example:
        >>> implied_strides(50.0)[:2]
        [(16000, 320), (22050, 441)]
    """
    found = []
    for rate in _RATES:
        hop = round(rate / spacing_hz)
        is_near = abs(hop * spacing_hz / rate - 1) < _NEAR
        if is_near and _HOPS[0] <= hop <= _HOPS[1] and _is_smooth(hop):
            found.append((rate, hop))
    return found


def _is_smooth(number: int) -> bool:
    for factor in (2, 3, 5, 7):
        while number % factor == 0:
            number //= factor
    return number == 1
