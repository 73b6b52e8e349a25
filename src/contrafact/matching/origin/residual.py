"""What a decoder leaves in the mean spectrum, on an axis where speed is a shift.

The log spectrum of each second or so, less its smooth envelope and softly held, in
the mean: music averages out, what a decoder adds to every frame stays. A note counts
for so much while it sounds, however loud it is, and not at all later. No peaks are
picked and no hull is drawn: the whole residual is kept and later compared as a whole.

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
    "on_log_axis",
    "residual",
    "spectra",
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
_BLOCK = 5
"""Frames, 1.3 s, whose mean is looked at by itself."""
_CLIP_DB = 4.0
"""Partials of held notes stand out by much more; they shall not count for more."""
_QUIET = 1e-4


def spectra(samples: Samples) -> Values:
    """Return the log power spectra of sound at 16 kHz.

    Frames 40 dB below the median do not count.

    Args:
        samples: `(time,)`, at least 8,192.

    Returns:
        dB, `(n_frames, 4097)`, up to 8 kHz.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::_HOP]
    window = np.hanning(N_FFT).astype(np.float32)
    power = np.square(np.abs(rfft(frames * window, axis=1)))
    level = power.sum(axis=1)
    kept = power[level >= _QUIET * np.median(level)]
    return np.asarray(10 * np.log10(kept + 1e-10), np.float64)


def residual(frames: Values) -> Values:
    """Return what of spectra is not their smooth envelope, in the mean over time.

    Args:
        frames: As of `spectra`.

    Returns:
        dB, each 1.3 s softly held within ±4, `(4097,)`.
    """
    count = max(1, round(len(frames) / _BLOCK))
    parts = [_left(part.mean(axis=0)) for part in np.array_split(frames, count)]
    return np.asarray(np.mean(parts, axis=0))


def _left(spectrum: Values) -> Values:
    width = round(_SMOOTH_HZ / BIN_HZ) | 1
    envelope = gaussian_filter1d(median_filter(spectrum, width), width / 4)
    return np.asarray(_CLIP_DB * np.tanh((spectrum - envelope) / _CLIP_DB))


def on_log_axis(values: Values) -> Values:
    """Return values of the bins of `residual` at the frequencies of `AXIS`."""
    bins = np.arange(len(values)) * BIN_HZ
    return np.asarray(np.interp(AXIS, bins, values), np.float64)
