"""A fingerprint of sound, by which a song is known again without its marks.

Every 35 ms one word of 32 bits: bit m says whether the difference in energy
between bands m and m + 1 rose or fell since the frame before. Lossy coding,
gain, trimming and resampling leave most bits as they are. Pitch and speed are
part of the sound here: a song played faster is not found.

What is compared is exact: every offset of every song, by correlation.

References:
    Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR
    2002; here with a hop of 35 ms instead of 12 ms, and silence left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.fft import rfft

from contrafact.core.errors import EntryError

__all__ = ["ALGORITHM", "HOP_S", "Fingerprint", "Sighting", "fingerprint_of", "search"]

ALGORITHM = "haitsma-kalker-1"
_RATE, _FRAME, _HOP = 5512, 2048, 192
HOP_S = _HOP / _RATE
"""Seconds between words."""
_N_BITS = 32
_LOW_HZ, _HIGH_HZ = 300.0, 2000.0
_SILENCE = 1e-6
"""Of the loudest frame's energy: -60 dB. What is below is left out."""
_WINDOW = 344
"""Words, 12 s: songs are looked for in parts of this length."""
_LEAST_OVERLAP = 86
"""Words with sound, 3 s: less is too little to tell."""
_MOST_ERRORS = 0.35
"""Of the bits; the threshold of the paper."""
_LEAST_EVIDENCE = 2.4
"""(1/2 - errors) * sqrt(words): the paper's threshold at its 256 words."""
_CHUNK = 1 << 16
_BLOCK = 32
"""Frames transformed at a time: few enough to stay in the processor's cache."""
_BITS = np.arange(_N_BITS, dtype=np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The words of a sound.

    Attributes:
        words: `(n_word,)`, uint32.
        is_sound: `(n_word,)`; false where there was silence.
    """

    words: NDArray[np.uint32]
    is_sound: NDArray[np.bool_]

    def to_bytes(self) -> bytes:
        """Return it in 4 bytes and 1 bit a word."""
        packed = np.packbits(self.is_sound)
        return self.words.astype("<u4").tobytes() + packed.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Fingerprint:
        """Return the fingerprint that `to_bytes` wrote.

        Raises:
            EntryError: If the length is none that it can have.
        """
        n_words = len(data) * 8 // 33
        if len(data) != 4 * n_words + -(-n_words // 8):
            raise EntryError(f"{len(data)} bytes are no fingerprint. Mark it again.")
        words = np.frombuffer(data, "<u4", n_words).astype(np.uint32)
        packed = np.frombuffer(data, np.uint8, offset=4 * n_words)
        return cls(words, np.unpackbits(packed, count=n_words).astype(bool))

    def signs(self) -> NDArray[np.float32]:
        """Return `(33, n_word)`: bits as 1 and -1, 0 in silence; then the sound."""
        bits = (self.words[None] >> _BITS[:, None]) & 1
        signs = (2.0 * bits - 1.0) * self.is_sound
        return np.vstack([signs, self.is_sound]).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A registered song heard in a query.

    Attributes:
        number: Which of the registered ones.
        errors: Part of the bits that differ, 0 to 0.35.
        overlap_s: Seconds of sound that were compared.
        offset_s: Where in the registered song the query begins; below 0 if it
            begins before.
    """

    number: int
    errors: float
    overlap_s: float
    offset_s: float

    @property
    def evidence(self) -> float:
        """How far from chance, comparable between overlaps of any length."""
        return _evidence(self.errors, self.overlap_s / HOP_S)


def _evidence(errors: float, n_words: float) -> float:
    return float((0.5 - errors) * np.sqrt(n_words))


def fingerprint_of(samples: NDArray[np.float32], sample_rate: int) -> Fingerprint:
    """Return the fingerprint of a sound.

    Args:
        samples: `(channel, time)`, any scale.
        sample_rate: In Hz; at least 4,000 to cover the bands.

    Returns:
        One word for every 35 ms, but for the first and last 0.2 s.
    """
    mono = _mono(samples)
    if sample_rate != _RATE:
        mono = soxr.resample(mono, sample_rate, _RATE, quality="LQ")
    if len(mono) < _FRAME + _HOP:
        return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, bool))
    energy = _band_energy(mono)
    rises = np.diff(energy[:, :-1] - energy[:, 1:], axis=0) > 0
    words = (rises.astype(np.uint32) << _BITS).sum(axis=1, dtype=np.uint32)
    loudness = energy.sum(axis=1)
    is_sound = loudness > _SILENCE * loudness.max(initial=np.finfo(np.float32).tiny)
    return Fingerprint(words, is_sound[1:] & is_sound[:-1])


def _mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the channels; whole rows are added, which is faster."""
    total: NDArray[np.float32] = samples[0].astype(np.float32)
    for channel in samples[1:]:
        total += channel
    total /= len(samples)
    return total


def _band_energy(mono: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `(n_frame, 33)`: energy in bands of equal width in pitch."""
    frames = np.lib.stride_tricks.sliding_window_view(mono, _FRAME)[::_HOP]
    window = np.hanning(_FRAME).astype(np.float32)
    edges_hz = np.geomspace(_LOW_HZ, _HIGH_HZ, _N_BITS + 2)
    edges = np.round(edges_hz * _FRAME / _RATE).astype(int)
    energy = np.empty((len(frames), _N_BITS + 1), np.float32)
    for start in range(0, len(frames), _BLOCK):
        block = slice(start, start + _BLOCK)
        spectrum = rfft(frames[block] * window, axis=1)[:, edges[0] : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        np.add.reduceat(power, edges[:-1] - edges[0], axis=1, out=energy[block])
    return energy


def search(query: Fingerprint, known: Sequence[Fingerprint]) -> list[Sighting]:
    """Return which known songs are heard in a query, the surest first.

    Each song is named once, at its best offset.

    Args:
        query: Of the sound that is asked about.
        known: Of the registered songs.

    References:
        The threshold is that of the paper: at 256 words and 35 % errors it
        puts chance below 1e-19 for random bits. Music is not random; see
        `bench/marking.py` for how often other recordings pass it.
    """
    best: dict[int, Sighting] = {}
    for start in _starts(len(query.words)):
        part = Fingerprint(
            query.words[start : start + _WINDOW],
            query.is_sound[start : start + _WINDOW],
        )
        for seen in _sightings(part, known, start):
            before = best.get(seen.number)
            if before is None or seen.evidence > before.evidence:
                best[seen.number] = seen
    return sorted(best.values(), key=lambda s: (-round(s.evidence, 3), s.number))


def _starts(n_words: int) -> range:
    last = max(0, n_words - _WINDOW)
    step = _WINDOW // 2
    return range(0, last + step if last else 1, step)


def _sightings(
    part: Fingerprint, known: Sequence[Fingerprint], start: int
) -> list[Sighting]:
    """Compare a part of the query with every song at every offset."""
    n_part = len(part.words)
    if part.is_sound.sum() < _LEAST_OVERLAP:
        return []
    found = []
    for group in _groups(known, gap=n_part):
        line, places = _laid_out(known, group, gap=n_part)
        agreement, overlap = _correlated(part.signs(), line)
        for number, place in zip(group, places, strict=True):
            # From the query's last word on the song's first, to the reverse.
            first, length = place - n_part + 1, n_part + len(known[number].words) - 1
            span = slice(max(0, first), first + length)
            seen = _best(agreement[span], overlap[span])
            if seen is not None:
                at, errors, n_words = seen
                offset = span.start + at - place - start
                found.append(
                    Sighting(
                        number=number,
                        errors=errors,
                        overlap_s=n_words * HOP_S,
                        offset_s=offset * HOP_S,
                    )
                )
    return found


def _groups(known: Sequence[Fingerprint], *, gap: int) -> list[list[int]]:
    """Return songs in groups that are compared at once, to bound the memory."""
    groups: list[list[int]] = [[]]
    used = gap
    for number, song in enumerate(known):
        if used > _CHUNK and groups[-1]:
            groups.append([])
            used = gap
        groups[-1].append(number)
        used += len(song.words) + gap
    return groups if groups[-1] else []


def _laid_out(
    known: Sequence[Fingerprint], group: Sequence[int], *, gap: int
) -> tuple[NDArray[np.float32], list[int]]:
    """Return songs one after the other with gaps between, and where each begins."""
    places, parts, at = [], [np.zeros((_N_BITS + 1, gap), np.float32)], gap
    for number in group:
        signs = known[number].signs()
        places.append(at)
        parts += [signs, np.zeros((_N_BITS + 1, gap), np.float32)]
        at += signs.shape[1] + gap
    return np.concatenate(parts, axis=1), places


def _correlated(
    part: NDArray[np.float32], line: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return, by offset: equal bits minus unequal ones, and words with sound."""
    n_all = line.shape[1]
    size = 1 << (n_all + part.shape[1] - 1).bit_length()
    product = np.fft.rfft(line, size, axis=1)
    product *= np.conj(np.fft.rfft(part, size, axis=1))
    agreement = np.fft.irfft(product[:-1].sum(axis=0), size)[:n_all]
    overlap = np.round(np.fft.irfft(product[-1], size)[:n_all])
    return agreement.astype(np.float32), overlap.astype(np.float32)


def _best(
    agreement: NDArray[np.float32], overlap: NDArray[np.float32]
) -> tuple[int, float, int] | None:
    """Return offset, part of wrong bits and words of the surest place, if sure."""
    counted = np.maximum(overlap, 1)
    errors = 0.5 - agreement / (2 * _N_BITS * counted)
    evidence = np.where(
        overlap >= _LEAST_OVERLAP, (0.5 - errors) * np.sqrt(counted), 0.0
    )
    at = int(evidence.argmax())
    if evidence[at] < _LEAST_EVIDENCE or errors[at] > _MOST_ERRORS:
        return None
    return at, max(0.0, float(errors[at])), int(overlap[at])
