"""How regularly the power of a sound beats: the step of a decoder, not its lines.

A decoder makes so many samples from each latent, and does not make all of them
equally well: what it makes is louder or softer, by a per cent or so, with the
period of its step. Music beats, too, but no music keeps one rate to a twentieth
of a hertz from beginning to end, so that a line in the spectrum of the power over
the whole recording stands out however faint it is. It needs no line in the mean
spectrum, and outlives encoders that remove those.

References:
    Gardner, "Exploitation of spectral redundancy in cyclostationary signals",
    IEEE Signal Processing Magazine 1991: power that varies with a period, in
    sound whose spectrum shows nothing of it.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import ifft, next_fast_len, rfft
from scipy.ndimage import maximum_filter1d, median_filter, uniform_filter1d

from contrafact.matching.origin.chain import RATE, Samples
from contrafact.matching.origin.flux import moving
from contrafact.matching.origin.residual import AXIS, STEP, Values

__all__ = ["PULSE_AXIS", "pulse"]

LOWEST_HZ = 20.0
PULSE_AXIS: Values = LOWEST_HZ * np.exp(STEP * np.arange(len(AXIS)))
"""The rates of beating that are compared, Hz: as many as frequencies of `AXIS`."""

_BANDS_HZ = (
    (300.0, 2_000.0),
    (2_000.0, 3_500.0),
    (3_500.0, 5_200.0),
    (5_200.0, 7_200.0),
)
_FLAT_HZ = 30.0
"""The spectrum is made flat, band by band of this width."""
_LOCAL_S = 0.05
_HELD_BACK = 1.0
"""Of the usual power: an attack shall not count for more than what lasts."""
_AROUND_HZ = 10.0
_ALONE = 6
"""Power mean that a rate is held against: music that was played by a clock may beat at
many rates near each other, a decoder's step at one."""
_STEP_HZ = 1 / 96
"""Between rates that are looked at, however long the sound is. On the grid of each
sound's own length, levels follow a pattern of that length, and a class whose
recordings are all as long is known by it."""
_MOVING_COUNTS = 0.5
"""Of a spectrum's change, beside the power of all bands."""
_SMOOTH = 301
_CLIP = 3.0


def pulse(samples: Samples) -> Values:
    """Return how far each rate of beating stands out from those around it.

    Args:
        samples: `(time,)`, at `RATE`, at least some seconds.

    Returns:
        Natural logarithm of power, softly held within ±3, `(len(PULSE_AXIS),)`.
    """
    n = next_fast_len(len(samples), real=True)
    flat = _flattened(rfft(samples, n), n)
    width = 2 * round(_AROUND_HZ / _STEP_HZ) + 1
    n_rates = int(PULSE_AXIS[-1] * 1.01 / _STEP_HZ) + 2
    summed = np.zeros(n_rates)
    for low, high in _BANDS_HZ:
        band = flat[round(low * n / RATE) : round(high * n / RATE)]
        lines = _at_rates(*_beating(band, n), n_rates + width)
        summed += (lines / (uniform_filter1d(lines, width) + 1e-30))[:n_rates]
    level = summed / len(_BANDS_HZ)
    lines = moving(samples, _STEP_HZ)
    around = uniform_filter1d(lines, width) + 1e-30
    level[: len(lines)] += _MOVING_COUNTS * lines / around
    alone = _alone(level, width)
    return _on_axis(np.log(alone + 1e-3))


def _alone(levels: Values, width: int) -> Values:
    """Return each level over the power mean of those within the width."""
    around = np.maximum(uniform_filter1d(levels**_ALONE, width), 1e-12)
    return np.asarray(levels / around ** (1 / _ALONE))


def _flattened(spectrum: Values, n: int) -> Values:
    power = np.square(np.abs(spectrum))
    width = max(3, round(_FLAT_HZ * n / RATE))
    around = uniform_filter1d(power, width) + 1e-9 * power.mean()
    return np.asarray(spectrum / np.sqrt(around + 1e-30))


def _beating(band: Values, n: int) -> tuple[Values, float]:
    """Return the power of each rate at which a band beats, and Hz between rates."""
    size = next_fast_len(2 * len(band))
    rate = size * RATE / n
    power = np.square(np.abs(ifft(band, size)))
    local = uniform_filter1d(power, max(1, round(_LOCAL_S * rate)))
    level = power / (local + 1e-3 * power.mean() + 1e-30)
    held = level / (1 + level / _HELD_BACK)
    n_padded = next_fast_len(max(size, round(rate / _STEP_HZ)), real=True)
    lines = np.square(np.abs(rfft(held - held.mean(), n_padded)))
    return np.asarray(lines), rate / n_padded


def _at_rates(lines: Values, step_hz: float, count: int) -> Values:
    """Return the power at so many multiples of `_STEP_HZ`: the nearest line's."""
    places = np.rint(np.arange(count) * (_STEP_HZ / step_hz)).astype(np.int64)
    return np.asarray(lines[np.minimum(places, len(lines) - 1)])


def _on_axis(levels: Values) -> Values:
    """Return the highest level near each rate, less what is usual around it."""
    places = np.rint(PULSE_AXIS / _STEP_HZ).astype(np.int64)
    widths = np.maximum(1, np.rint(PULSE_AXIS * (STEP / _STEP_HZ)).astype(np.int64))
    at = np.zeros(len(PULSE_AXIS))
    for width in np.unique(widths):
        chosen = widths == width
        at[chosen] = maximum_filter1d(levels, int(width))[places[chosen]]
    usual = median_filter(at, _SMOOTH)
    return np.asarray(_CLIP * np.tanh((at - usual) / _CLIP))
