"""A template found in a residual at any frequency scale: one correlation.

On the logarithmic axis a change of pitch or speed is a shift, so every scale is
tried at once by a Fourier transform. The correlation is weighed by how little
music varies at each frequency, and normalised over what overlaps.

References:
    Lewis, "Fast normalized cross-correlation", 1995; a whitened matched filter
    is the linear discriminant, or Mahalanobis distance, of two classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from contrafact.matching.origin.residual import AXIS, STEP, Values

__all__ = ["MAX_SCALE", "Fit", "Template", "transformed"]

MAX_SCALE = 4 / 3
"""Five semitones; three quarters is the least."""
_N = len(AXIS)
_SIZE = 16_384
_REACH = int(np.log(MAX_SCALE) / STEP)
_LAGS = np.arange(-_REACH, _REACH + 1)
_STILL = 2
"""Lags this near to none count as none."""

Transform = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well a template is found in a residual.

    Attributes:
        still: Weighed correlation in [-1, 1] at the scale of the template.
        best: The same at the best scale.
        scale: That scale: 1.06 if the sound is a semitone higher, or faster.
    """

    still: float
    best: float
    scale: float


def transformed(residuals: Values) -> tuple[Transform, Transform]:
    """Return the transforms of residuals and of their squares, for `Template`.

    Args:
        residuals: `(..., len(AXIS))`.
    """
    return _forward(residuals), _forward(np.square(residuals))


def _forward(values: Values) -> Transform:
    return np.asarray(rfft(values, _SIZE, axis=-1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Template:
    """What a generator's residuals have and others have not.

    Attributes:
        values: Mean residual less that of other recordings, `(len(AXIS),)`, dB.
        variance: Of residuals of recordings at each frequency, above 0.
    """

    values: Values
    variance: Values

    @cached_property
    def _transforms(self) -> tuple[Transform, Transform, Values]:
        energy = np.conj(_forward(np.square(self.values) / self.variance))
        overlap = irfft(_forward(np.ones(_N)) * energy, _SIZE)[_LAGS]
        return (
            np.conj(_forward(self.values / self.variance)),
            np.conj(_forward(1 / self.variance)),
            np.asarray(np.maximum(overlap, 1e-9)),
        )

    def correlations(self, transforms: tuple[Transform, Transform]) -> Values:
        """Return the correlation at every scale, `(..., n_scales)`.

        Args:
            transforms: Of the residuals, from `transformed`.
        """
        weighed, precision, overlap = self._transforms
        product = irfft(transforms[0] * weighed, _SIZE)[..., _LAGS]
        energy = irfft(transforms[1] * precision, _SIZE)[..., _LAGS]
        return np.asarray(product / np.sqrt(np.maximum(energy, 1e-9) * overlap))

    def fit(self, transforms: tuple[Transform, Transform]) -> Fit:
        """Return how well one residual fits."""
        return _fit(self.correlations(transforms))

    def fits(self, transforms: tuple[Transform, Transform]) -> list[Fit]:
        """Return how well each of many residuals fits."""
        return [_fit(row) for row in self.correlations(transforms)]


def _fit(correlations: Values) -> Fit:
    near = correlations[_REACH - _STILL : _REACH + _STILL + 1]
    place = int(correlations.argmax())
    return Fit(
        still=float(near.max()),
        best=float(correlations[place]),
        scale=float(np.exp(STEP * _LAGS[place])),
    )
