"""A template found in what was heard at any scale: one correlation.

On the logarithmic axis a change of pitch or speed is a shift, so every scale is
tried at once by a Fourier transform. The correlation is weighed by how little
music varies at each frequency, and normalised over what overlaps. A change of
speed moves residual and pulse alike, one of pitch the residual alone: they are
looked for each by itself and both at one scale. By which class the spectrum's lines
are explained best, at whatever scale, is told by the softened residual with some
weight of the pulse at the same scale.

References:
    Lewis, "Fast normalized cross-correlation", 1995; a whitened matched filter
    is the linear discriminant, or Mahalanobis distance, of two classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d

from contrafact.matching.origin.residual import AXIS, STEP, Values

__all__ = ["MAX_SCALE", "Fit", "Fits", "Ready", "Shared", "Template", "transformed"]

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

_PULSE_COUNTS = 0.2
"""Of the pulse beside the softened residual, at one scale."""

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


class Shared(NamedTuple):
    """How much of the lines a template explains at its best scale, and that scale.

    The correlation of the softened residuals, and a fifth of that of the pulses: of
    all templates the same measure, whatever recordings by people reach of it.
    """

    value: float
    scale: float


class Fits(NamedTuple):
    """How well a template is found in a residual, in a pulse, and in both at once."""

    residual: Fit
    pulse: Fit
    both: Fit
    shared: Shared

    @property
    def views(self) -> tuple[Fit, Fit, Fit]:
        """Residual, pulse, and both."""
        return self.residual, self.pulse, self.both


_VIEWS = (slice(0, 1), slice(1, 2), slice(0, 2))
"""The layers that `Fits` are of."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ready:
    """What was heard, made ready to be compared with many templates of one variance.

    Attributes:
        sharp: Transforms of residual and pulse, `(..., 2, n)`; `soft` of both softened.
        sharp_energy: Weighted energy under a template at every scale, in each view;
            `soft_energy` of both softened.
    """

    sharp: Transform
    soft: Transform
    sharp_energy: tuple[Values, ...]
    soft_energy: tuple[Values, ...]


def transformed(values: Values, variance: Values) -> Ready:
    """Return residuals and pulses, `(..., 2, len(AXIS))`, ready for `Template`.

    Args:
        values: What was heard.
        variance: Of the templates that they will be compared with.
    """
    soft = gaussian_filter1d(values, _BLUR, axis=-1)
    precision = np.conj(_forward(1 / variance))
    return Ready(
        sharp=_forward(values),
        soft=_forward(soft),
        sharp_energy=_energies(values, precision),
        soft_energy=_energies(soft, precision),
    )


def _energies(values: Values, precision: Transform) -> tuple[Values, ...]:
    spectra = _forward(np.square(values)) * precision
    layers = irfft(spectra, _SIZE)[..., _LAGS]
    return tuple(
        np.asarray(np.maximum(layers[..., view, :].sum(axis=-2), 1e-9))
        for view in _VIEWS
    )


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
    def _sharp(self) -> _Filter:
        return _Filter.of(self.values, self.variance)

    @cached_property
    def _soft(self) -> _Filter:
        soft = gaussian_filter1d(self.values, _BLUR, axis=-1)
        return _Filter.of(soft, self.variance)

    def fit(self, ready: Ready) -> Fits:
        """Return how well one recording fits."""
        return _fits(self._correlations(ready))

    def fits(self, ready: Ready) -> list[Fits]:
        """Return how well each of many recordings fits."""
        views = self._correlations(ready)
        count = len(views[0][0])
        return [_fits([(a[i], b[i]) for a, b in views]) for i in range(count)]

    def _correlations(self, ready: Ready) -> list[tuple[Values, Values]]:
        """Return normalised correlations at every scale, sharp and soft, by view."""
        sharp = self._sharp.run(ready.sharp, ready.sharp_energy)
        soft = self._soft.run(ready.soft, ready.soft_energy)
        return list(zip(sharp, soft, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Filter:
    """The transforms that correlate with one template at every scale."""

    weighed: Transform
    overlaps: tuple[Values, ...]

    @classmethod
    def of(cls, values: Values, variance: Values) -> _Filter:
        energy = np.conj(_forward(np.square(values) / variance))
        layers = irfft(_forward(np.ones(_N)) * energy, _SIZE)[..., _LAGS]
        return cls(
            weighed=np.conj(_forward(values / variance)),
            overlaps=tuple(
                np.asarray(np.maximum(layers[view].sum(axis=0), 1e-9))
                for view in _VIEWS
            ),
        )

    def run(self, heard: Transform, energies: tuple[Values, ...]) -> list[Values]:
        """Return the normalised correlation at every scale, for each view."""
        layers = irfft(heard * self.weighed, _SIZE)[..., _LAGS]
        return [
            np.asarray(layers[..., view, :].sum(axis=-2) / np.sqrt(energy * overlap))
            for view, energy, overlap in zip(
                _VIEWS, energies, self.overlaps, strict=True
            )
        ]


def _fits(views: Sequence[tuple[Values, Values]]) -> Fits:
    """Return the fits of one recording by its correlations, sharp and soft."""
    residual, pulse, both = (_fit(*pair) for pair in views)
    shared = views[0][1] + _PULSE_COUNTS * views[1][0]
    best = int(shared.argmax())
    return Fits(residual, pulse, both, Shared(float(shared[best]), _scale_at(best)))


def _scale_at(place: int) -> float:
    return float(np.exp(STEP * _LAGS[place]))


def _fit(sharp: Values, soft: Values) -> Fit:
    still, *aside = (
        float(sharp[_REACH + at - _STILL : _REACH + at + _STILL + 1].max())
        for at in (0, *_ASIDE)
    )
    best, softest = int(sharp.argmax()), int(soft.argmax())
    return Fit(
        still=still,
        best=float(sharp[best]),
        scale=_scale_at(best),
        soft=float(soft[softest]),
        soft_scale=_scale_at(softest),
        aside=tuple(aside),
    )
