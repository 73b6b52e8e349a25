"""From predicted shares to intervals that hold the retrained ones.

    predicted share p  ->  s = (1 - m) p + m / n,
    interval  s - q sqrt(s (1 - s) + c)  to  s + q sqrt(s (1 - s) + c)

`m` draws shares towards equal ones as far as predictions cannot be trusted; it
makes the mean absolute error on the choosing half smallest. `q` is the conformal
quantile of the errors there, in units of what a share of that size varies by. See
`docs/shares.md` for where this comes from and what it assumes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ShareMap"]

Array = NDArray[np.float64]

_FLOOR = 0.01  # of the variance, so that a share of 0 has a width


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareMap:
    """A map fitted on retrained shares.

    Attributes:
        towards_equal: `m`, in [0, 1].
        width: `q`.
        level: Part of shares that intervals are to hold.
    """

    towards_equal: float
    width: float
    level: float

    @classmethod
    def fit(cls, predicted: Array, real: Array, *, level: float = 0.9) -> ShareMap:
        """Fit to shares of songs and sources, both `(n_query, n_source)`.

        References:
            Lei et al., "Distribution-free predictive inference for regression",
            JASA 2018, for the quantile and locally weighted errors.
        """
        errors = {
            m: float(np.abs(_mixed(predicted, m) - real).mean())
            for m in np.linspace(0, 1, 51)
        }
        best = min(errors, key=lambda m: errors[m])
        shares = _mixed(predicted, best)
        scaled = np.sort((np.abs(real - shares) / _size(shares)).ravel())
        place = min(len(scaled), math.ceil(level * (len(scaled) + 1))) - 1
        return cls(towards_equal=float(best), width=float(scaled[place]), level=level)

    def shares(self, predicted: Array) -> Array:
        """Return the mapped shares."""
        return _mixed(predicted, self.towards_equal)

    def interval(self, predicted: Array) -> tuple[Array, Array]:
        """Return low and high of each share's interval."""
        shares = self.shares(predicted)
        half = self.width * _size(shares)
        return np.clip(shares - half, 0, 1), np.clip(shares + half, 0, 1)


def _mixed(shares: Array, towards_equal: float) -> Array:
    mixed: Array = (1 - towards_equal) * shares + towards_equal / shares.shape[1]
    return mixed


def _size(shares: Array) -> Array:
    size: Array = np.sqrt(shares * (1 - shares) + _FLOOR)
    return size
