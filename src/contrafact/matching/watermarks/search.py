"""Finding where a message begins, and at which tempo and pitch it is read.

A sound is read as it is, then transposed, then stretched, then sped up, until
a message passes its checksum. Of each of the four, only the few likeliest
readings are tried, which bounds how often a sound without a mark is called
marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from contrafact.matching.watermarks import bits
from contrafact.matching.watermarks.layout import Layout
from contrafact.matching.watermarks.spectrum import Bands, Summed, differences

__all__ = ["N_READINGS", "Reading", "readings"]

Array = NDArray[np.float64]
N_TRIED = 8
_COARSE = 2
_COARSE_S, _FINE_S = 12.0, 30.0
"""No tempo on a grid is exact enough for all of a long sound."""
_SEMITONE = 2 ** (1 / 12)
_PITCHES = [_SEMITONE ** (i / 2) for i in range(-10, 11) if i]
_TEMPI = [1 + i / 125 for i in range(-32, 46) if i]
_NEAR = (0.996, 0.998, 1.0, 1.002, 1.004)
_PARTS = 9
"""Pitches to a band: finer ones look the same."""
_BESIDE = 4
"""Bands by which the pitches that are tried move the mark."""
_LONGEST_S = 120.0
"""Of a long sound, pitches between bands are looked for in its middle."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """A message as it is read from one beginning, at one tempo and pitch.

    Attributes:
        sync: How clearly the pattern is seen: about normal where there is none.
        soft: The coded bits, `(N_CODED,)`, in the same unit.
    """

    sync: float
    tempo: float
    pitch: float
    soft: Array


def _ways() -> tuple[Sequence[tuple[float, float]], ...]:
    """Return what is tried beside the sound as it is: tempo and pitch."""
    return (
        [(1.0, pitch) for pitch in _PITCHES],
        [(tempo, 1.0) for tempo in _TEMPI],
        [(tempo, tempo) for tempo in _TEMPI],
    )


N_READINGS = N_TRIED * (1 + len(_ways()))
"""The most messages that are tried on one sound."""


def readings(bands: Bands, layout: Layout) -> Iterator[list[Reading]]:
    """Yield the likeliest readings of each kind of change, likeliest first."""
    plain = _Summed(bands, layout)
    yield plain.fine(1.0, 1.0, N_TRIED)
    for ways in _ways():
        seen = [(plain.coarse(tempo, pitch), tempo, pitch) for tempo, pitch in ways]
        seen.sort(key=lambda one: -one[0])
        found = [
            reading
            for _, tempo, pitch in seen[:N_TRIED]
            for reading in plain.fine(tempo, pitch, 1)
        ]
        yield sorted(found, key=lambda reading: -reading.sync)


class _Summed:
    """A sound that is read at any tempo and pitch."""

    def __init__(self, bands: Bands, layout: Layout) -> None:
        self._bands, self._layout = bands, layout
        self._patterns = {step: _pattern(layout, step) for step in (1, _COARSE)}
        self._of_part: dict[int, Summed] = {}

    def coarse(self, tempo: float, pitch: float) -> float:
        """Return how clearly the pattern is seen."""
        longest_s = _FINE_S if tempo == 1.0 else _COARSE_S
        folded = self._folded(tempo, pitch, _COARSE, longest_s)
        return float(self._seen(folded, _COARSE).max())

    def fine(self, tempo: float, pitch: float, n_best: int) -> list[Reading]:
        """Return the best readings, each from another beginning."""
        tempo = self._nearest(tempo, pitch)
        folded = self._folded(tempo, pitch, 1, _FINE_S)
        seen = self._seen(folded, 1)
        unit = np.sqrt(float((folded**2).mean()) or 1.0)
        found: list[Reading] = []
        for _ in range(n_best):
            place = int(seen.argmax())
            soft = _soft(folded, self._layout, place) / unit
            found.append(
                Reading(sync=float(seen[place]), tempo=tempo, pitch=pitch, soft=soft)
            )
            seen[np.arange(place - 1, place + 2) % len(seen)] = -np.inf
        return found

    def _nearest(self, tempo: float, pitch: float) -> float:
        """Return the tempo near one of the grid at which the pattern is clearest."""
        if tempo == 1.0:
            return tempo

        def seen(near: float) -> float:
            folded = self._folded(near, pitch, _COARSE, _FINE_S)
            return float(self._seen(folded, _COARSE).max())

        return max((tempo * by for by in _NEAR), key=seen)

    def _summed(self, pitch: float) -> Summed:
        """Return levels at the nearest pitch of a grid.

        Bands are even in pitch: whole bands higher is the same, some bands on.
        """
        settings = self._layout.settings
        steps = round(_PARTS * settings.bands_per_octave * math.log2(pitch))
        whole, part = divmod(steps, _PARTS)
        if part not in self._of_part:
            n_frames = round(_LONGEST_S / settings.hop_s)
            bands = self._bands.middle(n_frames) if part else self._bands
            by = 2.0 ** (part / _PARTS / settings.bands_per_octave)
            levels = bands.levels(by, beside=_BESIDE)
            self._of_part[part] = Summed.of(levels, settings)
        return self._of_part[part].bands(_BESIDE + whole, settings.n_bands)

    def _folded(self, tempo: float, pitch: float, step: int, longest_s: float) -> Array:
        """Return the sum over all messages, `(period / step, n_bands)`."""
        settings = self._layout.settings
        summed = self._summed(pitch)
        if tempo != 1.0 or step > 1:
            summed = summed.middle(round(longest_s / settings.hop_s))
        found = differences(summed, settings, tempo=tempo, step=step)
        period = settings.period // step
        n_whole = len(found) // period
        whole = found[: n_whole * period].reshape(n_whole, period, found.shape[1])
        folded: Array = whole.sum(axis=0)
        rest = found[n_whole * period :]
        folded[: len(rest)] += rest
        return folded

    def _seen(self, folded: Array, step: int) -> Array:
        energy = float((folded**2).mean())
        if energy == 0.0:
            return np.zeros(len(folded))
        spectrum = (rfft(folded, axis=0) * self._patterns[step]).sum(axis=1)
        n_sync = float((self._layout.roles < 0).sum())
        seen: Array = irfft(spectrum, len(folded)) / np.sqrt(energy * n_sync)
        return seen


def _pattern(layout: Layout, step: int) -> NDArray[np.complex128]:
    s = layout.settings
    pattern = np.zeros((s.period // step, s.n_bands))
    signs = np.where(layout.roles < 0, layout.signs, 0.0)
    pattern[:: 2 * s.frames_per_cell // step] = signs.T
    spectrum: NDArray[np.complex128] = np.conj(rfft(pattern, axis=0))
    return spectrum


def _soft(folded: Array, layout: Layout, offset: int) -> Array:
    s = layout.settings
    rows = (offset + 2 * s.frames_per_cell * np.arange(s.n_pairs)) % s.period
    values = folded[rows].T * layout.signs
    is_data = layout.roles >= 0
    roles, weights = layout.roles[is_data], values[is_data]
    sums = np.bincount(roles, weights=weights, minlength=bits.N_CODED)
    return np.asarray(sums, dtype=np.float64)
