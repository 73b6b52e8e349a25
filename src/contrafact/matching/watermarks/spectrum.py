"""What the detector sees: how loud each band is, and how that changes.

Only magnitudes are looked at, so that polarity, phase and small shifts in time
do not matter; time and frequency can be read as if on a tape that runs at
another speed, or in a sound that was stretched or transposed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from contrafact.matching.watermarks.base import Samples
from contrafact.matching.watermarks.layout import Settings

__all__ = [
    "Bands",
    "Summed",
    "blocks_of",
    "differences",
    "hann",
    "pair_differences",
    "usual_change",
]

Array = NDArray[np.float64]
_FLOOR = 1e-7  # of the mean power of all bands: 70 dB below it nothing counts
_LEAST_SPREAD_DB = 0.35
_AROUND_S = 1.6
"""Over which it is measured how much a band usually changes."""
_HELD_BACK = 1.5
_N_FRAMES = 2000


def hann(n: int) -> NDArray[np.float32]:
    """Return a periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


def blocks_of(
    channel: NDArray[np.float32], n_fft: int, hop: int
) -> Iterator[tuple[int, Array]]:
    """Yield the windowed spectra of a channel, some hundred frames at a time.

    Frame `i` is centred on sample `i * hop`.

    Yields:
        The number of the first frame, and `(n_frames, n_fft // 2 + 1)`.
    """
    padded = np.pad(channel, n_fft // 2)
    views = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    window = hann(n_fft)
    for first in range(0, len(views), _N_FRAMES):
        yield first, rfft(views[first : first + _N_FRAMES] * window, axis=1)


@dataclass(frozen=True, eq=False)
class Bands:
    """Power over time and frequency, summed so that any band can be read.

    Attributes:
        summed: Power of all channels, summed from 0 Hz up, `(n_bins + 1, n_frames)`.
        hz_per_bin: Hz from one bin to the next.
    """

    summed: Array
    hz_per_bin: float
    settings: Settings

    @classmethod
    def of(cls, samples: Samples, sample_rate: int, settings: Settings) -> Bands:
        """Analyse a sound, `(channel, time)`."""
        hop = round(settings.hop_s * sample_rate)
        summed = np.zeros((samples.shape[1] // hop + 1, 2 * hop + 2))
        for channel in samples:
            for first, spectra in blocks_of(channel, 4 * hop, hop):
                power = np.abs(spectra) ** 2
                summed[first : first + len(power), 1:] += np.cumsum(power, axis=1)
        by_bin = np.ascontiguousarray(summed.T)
        return cls(by_bin, sample_rate / (4 * hop), settings)

    def middle(self, n_frames: int) -> Bands:
        """Return the middle of it, at most so many frames."""
        start = max(0, (self.summed.shape[1] - n_frames) // 2)
        part = np.ascontiguousarray(self.summed[:, start : start + n_frames])
        return replace(self, summed=part)

    def levels(self, pitch: float = 1.0, *, beside: int = 0) -> Array:
        """Return the level of each band, dB, `(n_bands + 2 * beside, n_frames)`.

        Args:
            pitch: Read as if all frequencies were this much higher.
            beside: So many bands below the lowest and above the highest, too.
        """
        edges_hz = self.settings.edges_beside(beside)
        places = edges_hz * pitch / self.hz_per_bin + 0.5
        places = np.minimum(places, self.summed.shape[0] - 1.001)
        whole = places.astype(int)
        part = (places - whole)[:, None]
        at = self.summed[whole] * (1 - part) + self.summed[whole + 1] * part
        power = np.diff(at, axis=0)
        own = power[beside : beside + self.settings.n_bands]
        floor = _FLOOR * float(own.mean()) + 1e-12
        # 32 bits hold a level to .00001 dB, and logarithms of them cost a fifth.
        natural = np.log((power + floor).astype(np.float32))
        levels: Array = natural.astype(np.float64) * (10.0 / np.log(10.0))
        return levels


@dataclass(frozen=True, eq=False)
class Summed:
    """Levels of bands, ready to be read at any tempo.

    Attributes:
        levels: Summed over time, dB above the mean of the band,
            `(n_frames + 1, n_bands)`.
        usual: How much they usually change around a frame, `(n_frames, n_bands)`.
    """

    levels: NDArray[np.float32]
    usual: NDArray[np.float32]

    @classmethod
    def of(cls, levels: Array, settings: Settings) -> Summed:
        """Sum levels, `(n_bands, n_frames)`."""
        # Less the mean, sums stay so small that 32 bits hold them to .01 dB.
        summed = _summed(levels - levels.mean(axis=1, keepdims=True))
        usual = usual_change(_second_differences(summed, settings), settings)
        cell, n_frames = settings.frames_per_cell, levels.shape[1]
        rows = np.clip(np.arange(n_frames) - cell, 0, max(0, usual.shape[1] - 1))
        centred = usual.astype(np.float32).T[rows]
        return cls(np.ascontiguousarray(summed.T, np.float32), centred)

    def middle(self, n_frames: int) -> Summed:
        """Return the middle of it, at most so many frames."""
        start = max(0, (len(self.usual) - n_frames) // 2)
        end = start + n_frames
        return Summed(self.levels[start : end + 1], self.usual[start:end])

    def bands(self, first: int, count: int) -> Summed:
        """Return some bands of it."""
        chosen = slice(first, first + count)
        return Summed(self.levels[:, chosen], self.usual[:, chosen])


def differences(
    summed: Summed, settings: Settings, *, tempo: float = 1.0, step: int = 1
) -> Array:
    """Return by how much a cell that begins at a frame is louder than the next.

    Each is divided by what is usual around it in its band, and what is far
    outside that is held back, so that one drum does not drown the mark.

    Args:
        summed: What to read.
        settings: The shape of the mark.
        tempo: Read as if the sound were this much faster.
        step: Frames, at the tempo, from one start to the next; a divisor of those
            of a cell.

    Returns:
        `(n_starts, n_bands)`.
    """
    cell = settings.frames_per_cell / tempo
    n_starts = max(0, int((len(summed.usual) - 2 * cell) * tempo / step))
    ahead = settings.frames_per_cell // step
    starts = np.arange(n_starts + 2 * ahead) * (step / tempo)
    at = _at(summed.levels, starts)
    low, middle, high = (at[i * ahead : i * ahead + n_starts] for i in range(3))
    usual = summed.usual[(starts[:n_starts] + cell).astype(int)]
    raw = (2 * middle - low - high) / (np.float32(cell) * usual)
    return np.asarray(raw / np.sqrt(1.0 + np.square(raw / np.float32(_HELD_BACK))))


def _at(
    summed: NDArray[np.float32], places: NDArray[np.floating]
) -> NDArray[np.float32]:
    whole = np.minimum(places.astype(int), len(summed) - 2)
    part = (places - whole).astype(np.float32)[:, None]
    first = summed[whole]
    return np.asarray(first + (summed[whole + 1] - first) * part)


def pair_differences(levels: Array, settings: Settings) -> Array:
    """Return the differences in dB, `(n_bands, n_starts)`."""
    return _second_differences(_summed(levels), settings)


def _summed(levels: Array) -> Array:
    """Return the sums of rows up to each place, and 0 before the first."""
    summed = np.zeros((len(levels), levels.shape[1] + 1))
    np.cumsum(levels, axis=1, out=summed[:, 1:])
    return summed


def _second_differences(summed: Array, settings: Settings) -> Array:
    cell = settings.frames_per_cell
    n = max(0, summed.shape[1] - 2 * cell)
    low, middle, high = (summed[:, i * cell : i * cell + n] for i in range(3))
    found: Array = (2 * middle - low - high) / cell
    return found


def usual_change(raw: Array, settings: Settings) -> Array:
    """Return how large differences are around each, dB, as `raw`."""
    width = max(1, round(_AROUND_S / settings.hop_s))
    summed, n = _summed(np.abs(raw)), raw.shape[1]
    if n <= width:
        n_summed = np.full(n, n) - np.maximum(np.arange(n) - width // 2, 0)
        mean = _ending(summed, n_summed)
    else:
        whole = (summed[:, width:] - summed[:, :-width]) / width
        first = np.repeat(whole[:, :1], width // 2, axis=1)
        n_summed = np.arange(width - 1, width // 2, -1)
        mean = np.hstack([first, whole, _ending(summed, n_summed)])[:, :n]
    usual: Array = 1.25 * mean + _LEAST_SPREAD_DB
    return usual


def _ending(summed: Array, n_summed: NDArray[np.int64]) -> Array:
    """Return the means of the last so many places of each row."""
    found: Array = (summed[:, -1:] - summed[:, -1 - n_summed]) / n_summed
    return found
