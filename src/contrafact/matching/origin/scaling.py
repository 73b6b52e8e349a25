"""A template found in what was heard at any scale: one correlation.

On the logarithmic axis a change of pitch or speed is a shift, so every scale is
tried at once by a Fourier transform. The correlation is weighed by how little
music varies at each frequency, and normalised over what overlaps. A change of
speed moves residual and pulse alike, one of pitch the residual alone: they are
looked for each by itself and both at one scale.

References:
    Lewis, "Fast normalized cross-correlation", 1995; a whitened matched filter
    is the linear discriminant, or Mahalanobis distance, of two classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d

from contrafact.matching.origin.residual import AXIS, STEP, Values

__all__ = ["MAX_SCALE", "Fit", "Fits", "Ready", "Template", "transformed"]

MAX_SCALE = 4 / 3
"""Five semitones; three quarters is the least."""
_N = len(AXIS)
_SIZE = 16_384
_REACH = int(np.log(MAX_SCALE) / STEP)
_LAGS = np.arange(-_REACH, _REACH + 1)
_STILL = 2
"""Lags this near to none count as none."""
_ASIDE = (-500, -330, -170, 170, 330, 500)
_BLUR = 6.0
"""Places that lines are softened by where the scale is searched: what changes
pitch without speed blurs them."""

Transform = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well a template is found in a residual.

    Attributes:
        still: Weighed correlation in [-1, 1] at the scale of the template.
        best: The same at the best scale.
        scale: That scale: 1.06 if the sound is a semitone higher, or faster.
        soft: The same at the best scale, of both softened.
        soft_scale: The scale that is best then.
        aside: What `still` is at other scales: what changed sound reaches by chance.
    """

    still: float
    best: float
    scale: float
    soft: float
    soft_scale: float
    aside: tuple[float, ...] = ()


class Fits(NamedTuple):
    """How well a template is found in a residual, in a pulse, and in both at once."""

    residual: Fit
    pulse: Fit
    both: Fit


_VIEWS = (slice(0, 1), slice(1, 2), slice(0, 2))
"""The layers that `Fits` are of."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ready:
    """Transforms of what was heard, to be compared with many templates.

    Attributes:
        sharp: Of residual and pulse, `(..., 2, n)`, and of their squares.
        soft: The same of both softened.
    """

    sharp: tuple[Transform, Transform]
    soft: tuple[Transform, Transform]


def transformed(values: Values) -> Ready:
    """Return residuals and pulses, `(..., 2, len(AXIS))`, ready for `Template`."""
    soft = gaussian_filter1d(values, _BLUR, axis=-1)
    return Ready(sharp=_both(values), soft=_both(soft))


def _both(values: Values) -> tuple[Transform, Transform]:
    return _forward(values), _forward(np.square(values))


def _forward(values: Values) -> Transform:
    return np.asarray(rfft(values, _SIZE, axis=-1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Template:
    """What a generator's recordings show and others do not.

    Attributes:
        values: Mean residual and mean pulse less those of other recordings,
            `(2, len(AXIS))`.
        variance: Of recordings at each place, above 0, as `values`.
    """

    values: Values
    variance: Values

    @cached_property
    def _sharp(self) -> tuple[_Filter, ...]:
        return tuple(_Filter.of(self.values[v], self.variance[v]) for v in _VIEWS)

    @cached_property
    def _soft(self) -> tuple[_Filter, ...]:
        soft = gaussian_filter1d(self.values, _BLUR, axis=-1)
        return tuple(_Filter.of(soft[v], self.variance[v]) for v in _VIEWS)

    def fit(self, ready: Ready) -> Fits:
        """Return how well one recording fits."""
        return Fits(
            *(
                _fit(sharp.run(ready.sharp, view), soft.run(ready.soft, view))
                for view, sharp, soft in zip(
                    _VIEWS, self._sharp, self._soft, strict=True
                )
            )
        )

    def fits(self, ready: Ready) -> list[Fits]:
        """Return how well each of many recordings fits."""
        columns = []
        for view, sharp, soft in zip(_VIEWS, self._sharp, self._soft, strict=True):
            pairs = zip(
                sharp.run(ready.sharp, view), soft.run(ready.soft, view), strict=True
            )
            columns.append([_fit(a, b) for a, b in pairs])
        return [Fits(*row) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Filter:
    """The transforms that correlate with one template at every scale."""

    weighed: Transform
    precision: Transform
    overlap: Values

    @classmethod
    def of(cls, values: Values, variance: Values) -> _Filter:
        energy = np.conj(_forward(np.square(values) / variance)).sum(axis=0)
        overlap = irfft(_forward(np.ones(_N)) * energy, _SIZE)[_LAGS]
        return cls(
            weighed=np.conj(_forward(values / variance)),
            precision=np.conj(_forward(1 / variance)),
            overlap=np.asarray(np.maximum(overlap, 1e-9)),
        )

    def run(self, transforms: tuple[Transform, Transform], view: slice) -> Values:
        """Return the normalised correlation at every scale, `(..., n_scales)`."""
        heard, squared = (t[..., view, :] for t in transforms)
        product = irfft((heard * self.weighed).sum(axis=-2), _SIZE)[..., _LAGS]
        energy = irfft((squared * self.precision).sum(axis=-2), _SIZE)[..., _LAGS]
        return np.asarray(product / np.sqrt(np.maximum(energy, 1e-9) * self.overlap))


def _fit(sharp: Values, soft: Values) -> Fit:
    still, *aside = (
        float(sharp[_REACH + at - _STILL : _REACH + at + _STILL + 1].max())
        for at in (0, *_ASIDE)
    )
    best, softest = int(sharp.argmax()), int(soft.argmax())
    return Fit(
        still=still,
        best=float(sharp[best]),
        scale=float(np.exp(STEP * _LAGS[best])),
        soft=float(soft[softest]),
        soft_scale=float(np.exp(STEP * _LAGS[softest])),
        aside=tuple(aside),
    )
