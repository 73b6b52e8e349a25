"""Our own mark: a keyed patchwork of small changes in loudness.

Pairs of cells in time and frequency are pushed apart by a decibel or two, in
directions that a key and the message choose. The push is larger where the
sound changes much by itself, which hides it, and is worked out against what
the sound does on its own, so that each message can be read in every part of
it. The detector sees magnitudes only, finds the beginning, tempo and pitch by
the key's pattern, adds up all messages, and believes what passes a checksum.

References:
    Bender et al., "Techniques for data hiding", IBM Systems J. 1996 (patchwork);
    Kirovski and Malvar, "Spread-spectrum watermarking of audio signals", IEEE
    Trans. Signal Processing 2003; Malvar and Florêncio, "Improved spread
    spectrum", ibid. 2003; Tachibana et al., "An audio watermarking method
    using a two-dimensional pseudo-random array", Signal Processing 2002.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft

from contrafact.core.errors import AudioError, WatermarkError
from contrafact.matching.watermarks import bits as coding
from contrafact.matching.watermarks.base import (
    Bits,
    Detection,
    Samples,
    at_rate,
    check_bits,
    check_markable,
    check_sound,
    fitted,
)
from contrafact.matching.watermarks.layout import Layout, Settings
from contrafact.matching.watermarks.search import N_READINGS, Reading, readings
from contrafact.matching.watermarks.spectrum import (
    Bands,
    blocks_of,
    hann,
    pair_differences,
    usual_change,
)

__all__ = ["Patchwork"]

Array = NDArray[np.float64]
_N_ROUNDS = 4
_REACHED = 2.5
_WEAKEST, _STRONGEST = 0.2, 3.0
"""How far a pair is pushed apart, in units of what is usual for it."""


class Patchwork:
    """The mark of one key.

    Attributes:
        false_positive_rate: At most this many unmarked sounds are called
            marked: the checksum is tried `N_READINGS` times on each.
    """

    name = "patchwork"
    n_bits = coding.N_PAYLOAD
    sample_rate = 16_000
    least_s = 3.0
    false_positive_rate = N_READINGS / 2**coding.N_CHECK

    def __init__(self, key: bytes, settings: Settings | None = None) -> None:
        """Take a key; nothing is computed yet."""
        if not key:
            raise WatermarkError("The key of the watermark is empty. Give some bytes.")
        self.layout = Layout(key, settings or Settings())

    def embed(self, samples: Samples, sample_rate: int, bits: Bits) -> Samples:
        """Return the sound with the mark in it; see `Watermark.embed`."""
        check_markable(samples, sample_rate, least_s=self.least_s)
        check_bits(bits, self)
        directions = self.layout.wanted(coding.encode(bits))
        s = self.layout.settings
        heard = at_rate(samples, sample_rate, self.sample_rate)
        raw = _pairs(heard, self.sample_rate, s)
        spread = usual_change(raw, s)[:, :: 2 * s.frames_per_cell]
        n_messages = -(-spread.shape[1] // s.n_pairs)
        signs = np.tile(directions, n_messages)[:, : spread.shape[1]]
        base = np.clip(s.strength * spread, s.least_db, s.most_db)
        gains = base.copy()
        for _ in range(_N_ROUNDS):
            added = _added(heard, self.sample_rate, signs * gains, s)
            now = _pairs(heard + added, self.sample_rate, s)[
                :, :: 2 * s.frames_per_cell
            ]
            reached = signs * now[:, : spread.shape[1]]
            lacking = _REACHED * base - np.minimum(reached, 6 * base)
            gains = np.clip(gains + 0.25 * lacking, _WEAKEST * base, _STRONGEST * base)
        return fitted(samples, _added(samples, sample_rate, signs * gains, s))

    def detect(self, samples: Samples, sample_rate: int) -> Detection:
        """Look for the mark; see `Watermark.detect`."""
        check_sound(samples, sample_rate, least_s=self.least_s)
        heard = at_rate(samples, sample_rate, self.sample_rate)
        bands = Bands.of(heard, self.sample_rate, self.layout.settings)
        guess: tuple[Reading, Bits] | None = None
        for tried in readings(bands, self.layout):
            if not tried:
                continue
            messages = coding.decode(np.stack([reading.soft for reading in tried]))
            guess = guess or (tried[0], messages[0])
            for reading, message in zip(tried, messages, strict=True):
                if coding.passes(message):
                    return self._answer(reading, message, is_found=True)
        if guess is None:
            raise AudioError("The sound is the same all through: nothing can be read.")
        return self._answer(*guess, is_found=False)

    def _answer(self, reading: Reading, message: Bits, *, is_found: bool) -> Detection:
        payload = message[: coding.N_PAYLOAD]
        sent = 2.0 * coding.encode(payload) - 1.0
        agreeing = float((reading.soft * sent > 0).mean())
        where = (
            f"tempo {reading.tempo:.3f}, pitch {reading.pitch:.3f}, pattern at "
            f"{reading.sync:.1f} standard deviations"
        )
        return Detection(
            is_found=is_found,
            bits=payload,
            confidence=max(0.0, 2 * agreeing - 1) if is_found else 0.0,
            false_positive_rate=self.false_positive_rate,
            detail=where,
        )


def _pairs(samples: Samples, sample_rate: int, settings: Settings) -> Array:
    levels = Bands.of(samples, sample_rate, settings).levels()
    return pair_differences(levels, settings)


def _added(samples: Samples, sample_rate: int, pairs: Array, s: Settings) -> Samples:
    """Return what pushes pairs of cells apart, to be added to the sound.

    `pairs` says by how many dB the first cell of a pair is made louder and the
    second softer, `(n_bands, n_pairs in all)`.
    """
    hop = round(s.hop_s * sample_rate)
    n_fft, n_samples = 4 * hop, samples.shape[1]
    cells = np.stack([pairs, -pairs], axis=-1).reshape(len(pairs), -1)
    rates = (hop / sample_rate, sample_rate / n_fft)
    found = np.zeros_like(samples)
    for number, channel in enumerate(samples):
        sound = np.zeros(n_samples + 2 * n_fft, dtype=np.float32)
        for first, spectra in blocks_of(channel, n_fft, hop):
            frames = np.arange(first, first + len(spectra))
            gain = _field(cells, frames, rates, n_fft, s)
            part = _overlapped(spectra * (gain - 1.0), n_fft, hop)
            sound[first * hop :][: len(part)] += part
        found[number] = sound[n_fft // 2 :][:n_samples]
    return found


def _field(
    cells: Array,
    frames: NDArray[np.int64],
    rates: tuple[float, float],
    n_fft: int,
    s: Settings,
) -> Array:
    """Return the gain of some frames in every bin, `(n_frames, n_fft // 2 + 1)`.

    `rates` are the seconds from frame to frame, and the Hz from bin to bin.
    """
    cell_s = s.frames_per_cell * s.hop_s
    # Frame i looks at i hops; a cell begins half a hop before its first frame.
    places = (frames * rates[0] + s.hop_s / 2) / cell_s
    whole = places.astype(int)
    in_cells = whole < cells.shape[1]
    over_time = np.zeros((len(frames), len(cells)))
    over_time[in_cells] = cells[:, whole[in_cells]].T
    hz = np.arange(n_fft // 2 + 1) * rates[1]
    band = np.searchsorted(s.edges_hz, hz, side="right") - 1
    inside = (band >= 0) & (band < s.n_bands)
    decibels = np.zeros((len(frames), len(hz)))
    decibels[:, inside] = over_time[:, band[inside]]
    gain: Array = 10.0 ** (decibels / 20.0)
    return gain


def _overlapped(spectra: Array, n_fft: int, hop: int) -> NDArray[np.float32]:
    """Return the sound of spectra, by overlapping and adding."""
    # Squared Hann windows at a quarter of their length add up to 3/2.
    parts = irfft(spectra, n_fft, axis=1) * hann(n_fft) / 1.5
    sound = np.zeros((len(parts) - 1) * hop + n_fft)
    for phase in range(4):
        chosen = parts[phase::4]
        start = phase * hop
        sound[start : start + chosen.size] += chosen.reshape(-1)
    return sound.astype(np.float32)
