"""How much worse a sound is than another: numbers, not a listening test.

Signal-to-noise ratios, a distance between mel spectra, and the ratio of noise
to mask: how far what was added lies above what the ear hides under the sound,
by a model of the ear like that of the basic version of PEAQ, simplified.

References:
    ITU-R BS.1387, "Method for objective measurements of perceived audio
    quality" (noise-to-mask ratio, relative disturbed frames).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sound import mel_bank, spectra_of

Samples = NDArray[np.float32]
FULL_SCALE_DB = 92.0
"""Sound pressure level that a sine at full scale is taken to be played at."""
DISTURBED_DB = 1.5


def measured(sound: Samples, reference: Samples, rate: int) -> dict[str, float]:
    """Return all measures of a sound against its reference, `(channel, time)`.

    Both must be in step. `nmr_db` below -10 or so is not heard; `disturbed` is
    the part of frames with a band in which the noise is above the mask.
    """
    n = min(sound.shape[1], reference.shape[1])
    one, other = sound[:, :n].astype(float), reference[:, :n].astype(float)
    nmr, disturbed = noise_to_mask(one - other, other, rate)
    return {
        "snr_db": _ratio(other, one - other),
        "segmental_snr_db": segmental(one, other, rate),
        "mel_distance_db": mel_distance(one, other, rate),
        "nmr_db": nmr,
        "disturbed": disturbed,
    }


def _ratio(signal: NDArray, noise: NDArray) -> float:
    return float(
        10 * np.log10(((signal**2).sum() + 1e-12) / ((noise**2).sum() + 1e-12))
    )


def segmental(one: NDArray, other: NDArray, rate: int) -> float:
    """Return the mean over 20 ms of the signal-to-noise ratio, each in [-10, 35]."""
    size = rate // 50
    n = one.shape[1] // size * size
    noise = ((one - other)[:, :n] ** 2).sum(axis=0).reshape(-1, size).sum(axis=1)
    signal = (other[:, :n] ** 2).sum(axis=0).reshape(-1, size).sum(axis=1)
    heard = signal > 1e-6 * signal.max()
    ratios = 10 * np.log10((signal[heard] + 1e-12) / (noise[heard] + 1e-12))
    return float(np.clip(ratios, -10, 35).mean())


def mel_distance(one: NDArray, other: NDArray, rate: int) -> float:
    """Return the root mean square difference of mel spectra, dB."""
    levels = []
    for sound in (one, other):
        power = np.abs(spectra_of(sound.mean(axis=0), 2048, 512)) ** 2
        mel = mel_bank(rate, 2048, 64) @ power
        levels.append(10 * np.log10(mel + 1e-6 * mel.mean() + 1e-12))
    return float(np.sqrt(((levels[0] - levels[1]) ** 2).mean()))


def noise_to_mask(noise: NDArray, signal: NDArray, rate: int) -> tuple[float, float]:
    """Return the noise-to-mask ratio, dB, and the part of frames disturbed."""
    n_fft = 2048 if rate > 24_000 else 1024
    bands, spread, offset, quiet = _ear(rate, n_fft)
    scale = 10 ** (FULL_SCALE_DB / 10) / (n_fft / 4) ** 2

    def in_bands(sound: NDArray) -> NDArray:
        power = sum(np.abs(spectra_of(c, n_fft, n_fft // 2)) ** 2 for c in sound)
        return bands @ (power * scale)

    mask = (spread @ in_bands(signal)) * offset[:, None] + quiet[:, None]
    ratio = in_bands(noise) / mask
    loud = in_bands(signal).sum(axis=0)
    heard = loud > 1e-6 * loud.max()
    worst = 10 * np.log10(ratio[:, heard].max(axis=0) + 1e-12)
    mean = float(10 * np.log10(ratio[:, heard].mean(axis=0).mean() + 1e-12))
    return mean, float((worst > DISTURBED_DB).mean())


@lru_cache(maxsize=4)
def _ear(rate: int, n_fft: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return bands, spreading between them, mask below sound, threshold in quiet."""
    hz = np.fft.rfftfreq(n_fft, 1 / rate)
    bark = 7 * np.arcsinh(hz / 650)
    step = 0.5
    centres = np.arange(bark[1] + step / 2, bark[-1], step)
    bands = (np.abs(bark[None] - centres[:, None]) <= step / 2).astype(float)
    centre_hz = 650 * np.sinh(centres / 7)
    gap = centres[:, None] - centres[None]
    # From the masker down 27 dB a Bark, and up about 24 dB less a little.
    slope = np.where(gap < 0, 27.0 * gap, -(24.0 + 230 / centre_hz[None]) * gap)
    spread = 10 ** (slope / 10)
    spread /= spread.sum(axis=0, keepdims=True)
    below = np.maximum(3.0, 0.25 * centres)
    offset = 10 ** (-below / 10)
    khz = np.maximum(centre_hz, 50) / 1000
    quiet = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 0.001 * khz**4
    return bands, spread, offset, 10 ** (quiet / 10)
