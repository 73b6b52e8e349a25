"""How regularly a spectrum moves on: the frames of a decoder that works in frames.

What is made frame by frame is laid over itself with a window: from one frame to the
middle of the next it changes at one pace, and at another from there. So the change of
the spectrum, over all frequencies together, beats with the rate of the frames, also
where the power does not. Encoders of audio work in frames, too: theirs leave a far
fainter line, at the rates of their own.

References:
    Dixon, "Onset detection revisited", DAFx 2006 (spectral flux, there for the onsets
    of notes); Gardner, IEEE Signal Processing Magazine 1991 (spectral lines of what
    varies with a period).
"""

from __future__ import annotations

import numpy as np
from scipy.fft import next_fast_len, rfft
from scipy.ndimage import uniform_filter1d

from contrafact.matching.origin.chain import RATE, Samples
from contrafact.matching.origin.residual import HIGH_HZ, LOW_HZ, Values

__all__ = ["moving"]

_N_FFT = 2_048
_HOP = 128
_LAG = 3
"""Steps between the spectra that are compared."""
_FLOOR = 1e-6
"""Of a frequency's mean power: silence shall not count as change."""
_LEVEL_S = 0.3
"""Change is held against the usual one around: an attack is one moment of many."""
_BLOCK = 1_024


def moving(samples: Samples, step_hz: float) -> Values:
    """Return how strongly the change of the spectrum beats at each rate.

    Args:
        samples: `(time,)`, at `RATE`, at least some seconds.
        step_hz: Between rates that are looked at, however long the sound is.

    Returns:
        Power at multiples of `step_hz` from 0, up to 62.5 Hz.
    """
    change = _change(_log_powers(samples))
    rate = RATE / _HOP
    change = change / (uniform_filter1d(change, round(_LEVEL_S * rate)) + 1e-9)
    n = next_fast_len(max(len(change), round(rate / step_hz)), real=True)
    lines = np.square(np.abs(rfft(change - change.mean(), n)))
    count = int(rate / 2 / step_hz)
    places = np.rint(np.arange(count) * (step_hz * n / rate)).astype(np.int64)
    return np.asarray(lines[np.minimum(places, len(lines) - 1)])


def _log_powers(samples: Samples) -> Samples:
    low, high = (round(hz * _N_FFT / RATE) for hz in (LOW_HZ, HIGH_HZ))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _N_FFT)[::_HOP]
    window = np.hanning(_N_FFT).astype(np.float32)
    powers = np.empty((len(frames), high - low), np.float32)
    for start in range(0, len(frames), _BLOCK):
        part = rfft(frames[start : start + _BLOCK] * window, axis=1)[:, low:high]
        powers[start : start + _BLOCK] = np.square(part.real) + np.square(part.imag)
    powers += _FLOOR * powers.mean(axis=0) + 1e-18
    return np.asarray(np.log(powers, out=powers))


def _change(spectra: Samples) -> Values:
    change = np.abs(spectra[_LAG:] - spectra[:-_LAG]).mean(axis=1)
    return np.asarray(change, np.float64)
