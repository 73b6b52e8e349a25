"""Sound as a map of time against pitch, in which notes stand out.

What a pitch shift moves up or down, and a change of tempo stretches, in one
piece: energy on a logarithmic axis of frequency. Nothing is known here of
recordings and indexes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.ndimage import uniform_filter1d

__all__ = [
    "FRAMES_PER_S",
    "HOP",
    "N_BINS",
    "PER_SEMITONE",
    "SAMPLE_RATE",
    "Block",
    "Map",
    "note_blocks",
    "note_map",
    "notes_of",
    "power_map",
]

SAMPLE_RATE = 8_000
"""Of all audio that is fingerprinted, in Hz."""

HOP = 256
FRAMES_PER_S = SAMPLE_RATE / HOP
PER_SEMITONE = 3
_WINDOW = 2_048
_LOWEST_HZ = 130.8
_N_SEMITONES = 57
N_BINS = _N_SEMITONES * PER_SEMITONE
_FLOOR, _SILENCE, _NEAR = 1e-2, 1e-5, 157  # five seconds
_PAST, _ONSET = 8, 0.5
_BLOCK = 128  # frames at a time, so that they stay in the processor's cache
_TOGETHER = 24  # bins made by one product of matrices
_PART, _AROUND = 18_500, 500  # frames; whole seconds, a multiple of four
Map = NDArray[np.float32]


def note_map(samples: NDArray[np.float32]) -> Map:
    """Return how far each place stands out, `(n_frames, N_BINS)`, about 0 to 8.

    The level is in units of a nepers-like logarithm over the local floor, less
    the mean of the four semitones around, so that broad noise and equalisation
    cancel. Frame `i` is centred on sample `i * HOP`.

    Args:
        samples: `(n,)`, mono at `SAMPLE_RATE`.
    """
    return notes_of(power_map(samples))


def power_map(samples: NDArray[np.float32]) -> Map:
    """Return the energy at each place, `(n_frames, N_BINS)`."""
    return np.concatenate([np.zeros((0, N_BINS), np.float32), *_power(samples)])


def notes_of(power: Map) -> Map:
    """Return the map of notes of a map of energy."""
    if len(power) == 0:
        return power
    # Below a hundredth of the mean around, what is heard is the codec or the room.
    near = uniform_filter1d(power.mean(1), _NEAR, mode="nearest")
    floor = _FLOOR * np.maximum(near, _SILENCE)
    return _marked(_contrast(np.log(power + floor[:, None])))


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a long map.

    Attributes:
        first: Frame of the whole map at which `notes` begins.
        notes: The map, with some frames around the part, `(n_frames, N_BINS)`.
        power: What it was made of.
        low: First frame of `notes` that belongs to the part.
        high: The frame after the last.
    """

    first: int
    notes: Map
    power: Map
    low: int
    high: int


def note_blocks(samples: NDArray[np.float32]) -> Iterator[Block]:
    """Yield the map of a long recording in parts of ten minutes.

    The parts are what `note_map` would give, but for the very quietest places.
    """
    n_frames = len(samples) // HOP
    for first in range(0, n_frames, _PART):
        begin = max(0, first - _AROUND)
        end = min(n_frames, first + _PART + _AROUND)
        cut = samples[max(0, begin * HOP - _WINDOW) : end * HOP + _WINDOW]
        skipped = min(begin, _WINDOW // HOP)
        power = power_map(cut)
        notes = notes_of(power)
        part = slice(skipped, skipped + end - begin)
        yield Block(
            first=begin,
            notes=notes[part],
            power=power[part],
            low=first - begin,
            high=min(n_frames, first + _PART) - begin,
        )


def _power(samples: NDArray[np.float32]) -> Iterator[Map]:
    half = _WINDOW // 2
    n_frames = len(samples) // HOP
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    for first in range(0, n_frames, _BLOCK):
        last = min(first + _BLOCK, n_frames)
        low, high = first * HOP - half, (last - 1) * HOP + half
        part = samples[max(low, 0) : high]
        if len(part) < high - low:  # at either end
            before = max(-low, 0)
            part = np.pad(part, (before, high - low - len(part) - before))
        cut = np.lib.stride_tricks.sliding_window_view(part, _WINDOW)[::HOP]
        power = np.abs(rfft(cut * window, axis=1))
        power *= power
        yield np.concatenate([power[:, part] @ some for part, some in _banks()], axis=1)


def _contrast(levels: Map) -> Map:
    width = 8 * PER_SEMITONE + 1
    around = uniform_filter1d(levels, width, axis=1, mode="nearest")
    return np.asarray(levels - around, np.float32)


def _marked(levels: Map) -> Map:
    """Add half of how far each place is above the quarter of a second before."""
    if len(levels) == 0:
        return levels
    sums = np.cumsum(np.pad(levels, ((_PAST + 1, 0), (0, 0)), mode="edge"), axis=0)
    past = (sums[_PAST:-1] - sums[: -_PAST - 1]) / _PAST
    return np.asarray(levels + np.float32(_ONSET) * (levels - past), np.float32)


@cache
def _banks() -> list[tuple[slice, NDArray[np.float32]]]:
    """Return for some bins after the other which lines they are of, and their share."""
    found = []
    for first in range(0, N_BINS, _TOGETHER):
        some = _bank()[first : first + _TOGETHER]
        lines = np.flatnonzero(some.any(0))
        part = slice(int(lines[0]), int(lines[-1]) + 1)
        found.append((part, np.ascontiguousarray(some[:, part].T)))
    return found


def _bank() -> NDArray[np.float32]:
    """Return what turns power spectra into bins a third of a semitone apart."""
    hz = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    place = 12 * PER_SEMITONE * np.log2(np.maximum(hz, 1.0) / _LOWEST_HZ)
    spacing = 12 * PER_SEMITONE * (SAMPLE_RATE / _WINDOW) / np.maximum(hz, 1) * 1.4427
    width = np.maximum(1.0, spacing)
    distance = np.abs(np.arange(N_BINS)[:, None] - place) / width
    weight = np.maximum(0.0, 1.0 - distance)
    weight[:, hz < 50] = 0
    weight /= np.maximum(weight.sum(1, keepdims=True), 1e-9)
    return np.asarray(weight, np.float32)
