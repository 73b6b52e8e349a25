"""What a decoder leaves in the mean spectrum, on an axis where speed is a shift.

The mean log spectrum of a recording, less its smooth envelope: music averages
out, what a decoder adds to every frame stays. No peaks are picked and no hull
is drawn: the whole residual is kept and later compared as a whole.

References:
    "Source tracing by average residuals" in speech (arXiv 2411.14013), for mean
    residuals with class statistics; Reddy and Chatterji, "An FFT-based technique
    for translation, rotation, and scale-invariant image registration", IEEE
    Trans. Image Processing 1996, for scale as a shift of a logarithmic axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.ndimage import gaussian_filter1d, median_filter

from contrafact.matching.origin.chain import RATE, Samples

__all__ = [
    "AXIS",
    "BIN_HZ",
    "HIGH_HZ",
    "LOW_HZ",
    "STEP",
    "Values",
    "mean_spectrum",
    "on_log_axis",
    "residual",
]

Values = NDArray[np.float64]

N_FFT = 8_192
BIN_HZ = RATE / N_FFT
LOW_HZ, HIGH_HZ = 300.0, 7_200.0
STEP = 4e-4
"""Between places of the axis, in the natural logarithm of frequency."""
AXIS: Values = LOW_HZ * np.exp(STEP * np.arange(int(np.log(HIGH_HZ / LOW_HZ) / STEP)))
"""The frequencies that are compared, Hz."""

_HOP = N_FFT // 2
_SMOOTH_HZ = 40.0
_CLIP_DB = 2.0
"""Partials of held notes stand out by much more; they shall not count for more."""
_QUIET = 1e-4


def mean_spectrum(samples: Samples) -> Values:
    """Return the mean log power spectrum of sound at 16 kHz.

    Frames 40 dB below the median do not count.

    Args:
        samples: `(time,)`, at least 8,192.

    Returns:
        dB, `(4097,)`, up to 8 kHz.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::_HOP]
    window = np.hanning(N_FFT).astype(np.float32)
    power = np.square(np.abs(rfft(frames * window, axis=1)))
    level = power.sum(axis=1)
    kept = power[level >= _QUIET * np.median(level)]
    return np.asarray(10 * np.log10(kept + 1e-10).mean(axis=0), np.float64)


def residual(spectrum: Values) -> Values:
    """Return what of a mean spectrum is not its smooth envelope.

    Args:
        spectrum: As of `mean_spectrum`.

    Returns:
        dB, softly held within ±2, of the same shape.
    """
    width = round(_SMOOTH_HZ / BIN_HZ) | 1
    envelope = gaussian_filter1d(median_filter(spectrum, width), width / 4)
    return np.asarray(_CLIP_DB * np.tanh((spectrum - envelope) / _CLIP_DB))


def on_log_axis(values: Values) -> Values:
    """Return values of the bins of `residual` at the frequencies of `AXIS`."""
    bins = np.arange(len(values)) * BIN_HZ
    return np.asarray(np.interp(AXIS, bins, values), np.float64)
