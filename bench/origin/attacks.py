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

from contrafact.matching.origin.pulse import PULSE_AXIS
from contrafact.matching.origin.residual import AXIS

__all__ = ["beaten", "log_spectral_distance", "notched", "printed", "resynthesised"]

Samples = NDArray[np.float32]
Values = NDArray[np.float64]
_N = 16_384
_N_RATES = 3
_APART = 50
"""Places of the axis, 2 %, that rates are apart at least."""


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


def printed(
    samples: Samples, template: Values, strength: float, *, scale: float = 1.0
) -> Samples:
    """Filter a class's mean residual in: a spoof on a recording by people.

    Args:
        samples: By people.
        template: The class's mean residual.
        strength: Times its depth.
        scale: As if the class had been raised by this factor.
    """
    at = np.interp(AXIS / scale, AXIS, template, left=0.0, right=0.0)
    return _filtered(samples, strength * at)


def beaten(samples: Samples, template: Values, depth: float) -> Samples:
    """Make the level beat at the rates of a class: a spoof of its pulse.

    Args:
        samples: By people.
        template: The class's mean pulse.
        depth: Of all beating together, as a part of the level.
    """
    left, time = template.copy(), np.arange(len(samples)) / RATE
    gain = np.ones(len(samples))
    for _ in range(_N_RATES):
        place = int(left.argmax())
        gain += depth / _N_RATES * np.cos(2 * np.pi * PULSE_AXIS[place] * time)
        left[max(0, place - _APART) : place + _APART] = 0.0
    return np.asarray(samples * gain, np.float32)


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
