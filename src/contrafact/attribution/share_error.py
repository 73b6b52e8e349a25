"""How far shares are from those that retraining gives, and intervals that hold them.

Noise draws say how well an estimate is measured, not how far it is from the truth. For
songs whose sources were left out and the model trained again, the distance is known;
its distribution, measured once on the project's ground truth and kept in
`share_error.json`, widens the interval of every share. See `docs/shares.md`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ShareError"]

Array = NDArray[np.float64]

_FLOOR = 0.01  # of the variance, so that a share of 0 has a width
_FILE = "share_error.json"


@dataclass(frozen=True, slots=True)
class ShareError:
    """Errors of shares, in units of what a share of that size varies by.

    Attributes:
        errors: Absolute errors, rising, over `sqrt(s (1 - s) + 0.01)` of the
            predicted share `s`.

    References:
        Lei et al., "Distribution-free predictive inference for regression", JASA
        2018, for the quantile and locally weighted errors.
    """

    errors: tuple[float, ...]

    @classmethod
    def measured(cls, predicted: Array, real: Array) -> Self:
        """Return the errors of predicted shares, both `(n_query, n_source)`."""
        scaled = np.sort((np.abs(real - predicted) / _size(predicted)).ravel())
        return cls(tuple(float(error) for error in scaled))

    @classmethod
    def of(cls, estimator: str, settings: Mapping[str, Any]) -> Self | None:
        """Return what is known of an estimator, None if nothing is.

        Args:
            estimator: Its name.
            settings: Its settings; errors are known of one choice of them.
        """
        text = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
        found = json.loads(text)["estimators"].get(estimator)
        if found is None or found["settings"] != dict(settings):
            return None
        return cls(tuple(found["errors"]))

    def width(self, level: float) -> float:
        """Return the conformal quantile: what holds `level` of such errors."""
        place = math.ceil(level * (len(self.errors) + 1))
        return self.errors[min(len(self.errors), place) - 1]

    def interval(self, shares: Array, level: float) -> tuple[Array, Array]:
        """Return low and high of the interval of each share, within [0, 1]."""
        half = self.width(level) * _size(shares)
        return np.clip(shares - half, 0, 1), np.clip(shares + half, 0, 1)

    def document(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `of` reads, for one estimator."""
        errors: Sequence[float] = [round(error, 5) for error in self.errors]
        return {"settings": dict(settings), "errors": errors}


def _size(shares: Array) -> Array:
    size: Array = np.sqrt(shares * (1 - shares) + _FLOOR)
    return size
