"""Attacks by somebody who knows the method: removing a mark, and printing one.

The attacker has the class's mean residual, as anybody has who can collect
recordings of a generator. Each attack is measured in what it costs the sound.

References:
    Wang et al. style spoofing of model fingerprints is discussed for images in
    Wesselkamp et al., "Misleading deep-fake detection with GAN fingerprints",
    IEEE SPW 2022: removing and adding mean spectra.
"""

from __future__ import annotations

import numpy as np
import soxr
from material import RATE
from numpy.typing import NDArray
from scipy.signal import istft, stft

from contrafact.matching.origin.chain import RATE as HEARD_RATE
from contrafact.matching.origin.residual import AXIS

__all__ = ["log_spectral_distance", "notched", "printed", "resynthesised", "steadiness"]

Samples = NDArray[np.float32]
Values = NDArray[np.float64]
_N = 16_384
_FINE = 8_192


def _filtered(samples: Samples, gain_db: Values) -> Samples:
    """Apply a gain in dB at the frequencies of the axis, and none elsewhere."""
    hz, _, spectrum = stft(samples, RATE, nperseg=_N, noverlap=_N * 3 // 4)
    gain = np.interp(hz, AXIS, gain_db, left=0.0, right=0.0)
    out = istft(spectrum * 10 ** (gain[:, None] / 20), RATE, nperseg=_N,
                noverlap=_N * 3 // 4)[1]  # fmt: skip
    return np.asarray(out[: len(samples)], np.float32)


def notched(samples: Samples, template: Values, strength: float) -> Samples:
    """Filter a class's mean residual out, by so many times its depth."""
    return _filtered(samples, -strength * template)


def printed(samples: Samples, template: Values, strength: float) -> Samples:
    """Filter a class's mean residual in: a spoof on a recording by people."""
    return _filtered(samples, strength * template)


def resynthesised(samples: Samples, cut_hz: float) -> Samples:
    """Low-pass, then rebuild the phases: Griffin and Lim, from magnitudes alone."""
    low = soxr.resample(soxr.resample(samples, RATE, 2 * cut_hz), 2 * cut_hz, RATE)
    n, hop = 2_048, 512
    size = np.abs(stft(low, RATE, nperseg=n, noverlap=n - hop)[2])
    phase = np.exp(2j * np.pi * np.random.default_rng(0).random(size.shape))
    for _ in range(6):
        wave = istft(size * phase, RATE, nperseg=n, noverlap=n - hop)[1]
        again = stft(wave, RATE, nperseg=n, noverlap=n - hop)[2]
        phase = np.exp(1j * np.angle(again[:, : size.shape[1]]))
    return np.asarray(
        istft(size * phase, RATE, nperseg=n, noverlap=n - hop)[1], np.float32
    )


def log_spectral_distance(a: Samples, b: Samples) -> float:
    """Return the root-mean-square difference of log spectra up to 8 kHz, dB."""
    n = min(len(a), len(b))
    levels = []
    for samples in (a[:n], b[:n]):
        power = (
            np.abs(stft(samples, RATE, nperseg=2_048, noverlap=1_024)[2][:1_024]) ** 2
        )
        levels.append(10 * np.log10(power + 1e-9))
    return float(np.sqrt(np.mean((levels[0] - levels[1]) ** 2)))


def steadiness(samples: Samples, template: Values) -> float:
    """Return how much more of a template quiet frames show than loud ones.

    A decoder adds its lines whatever is played, so they stand out where it is
    quiet; a filter that was printed on multiplies, and is the same everywhere.

    Returns:
        Weighed mean residual in the quietest third of frames less that in the
        loudest third, in units of the template.
    """
    low = np.asarray(soxr.resample(samples, RATE, HEARD_RATE), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(low, _FINE)[:: _FINE // 4]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FINE))) ** 2
    order = np.argsort(power.sum(1))
    third = max(1, len(order) // 3)
    hz = np.arange(_FINE // 2 + 1) * HEARD_RATE / _FINE
    shape = np.interp(hz, AXIS, template, left=0.0, right=0.0)
    found = []
    for part in (order[:third], order[-third:]):
        level = 10 * np.log10(power[part] + 1e-12).mean(0)
        level = level - np.convolve(level, np.ones(21) / 21, mode="same")
        found.append(float(level @ shape / (shape @ shape)))
    return found[0] - found[1]
