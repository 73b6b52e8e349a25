"""From estimated shares to retrained ones, and intervals that hold them.

Noise draws say how well an estimate is measured, not how far it is from the truth. For
songs whose sources were left out and the model trained again, the distance is known.
Two things about it are measured once on the project's ground truth and kept in
`share_error.json`: what part of a retrained share a source has by its size alone,
which an estimate from gradients misses; and how far shares are off once that is put
right, which widens the interval of every share. See `docs/shares.md`.
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
_MOST_BY_SIZE = 0.9  # a share that said nothing of its song would be none
_FILE = "share_error.json"
_FINEST = "artist"  # the smallest sources whose errors were measured


@dataclass(frozen=True, slots=True)
class ShareError:
    """Errors of shares, in units of what a share of that size varies by.

    Attributes:
        errors: Absolute errors, rising, over `sqrt(s (1 - s) + 0.01)` of the
            predicted share `s`.
        by_size: What part of shares is spread over sources by their size, in
            [0, 1): what any recording teaches about any song.
        rest_errors: Absolute errors of the unattributed rest, rising. It sums the
            shares of many sources, and is further off than any of them; where they
            are not known, it is taken for a share like others.

    References:
        Lei et al., "Distribution-free predictive inference for regression", JASA
        2018, for the quantile and locally weighted errors.
    """

    errors: tuple[float, ...]
    by_size: float = 0.0
    rest_errors: tuple[float, ...] = ()

    @classmethod
    def measured(
        cls, predicted: Array, real: Array, sizes: Array | None = None
    ) -> Self:
        """Return what is learned from estimated shares and retrained ones.

        Args:
            predicted: `(n_query, n_source)`.
            real: Of the same shape.
            sizes: What part of the catalog each source is, `(n_source,)`; None
                leaves shares as predicted.
        """
        by_size = 0.0
        if sizes is not None:
            # The least squares of `real = (1 - b) predicted + b sizes`.
            away, missed = sizes - predicted, real - predicted
            by_size = float((away * missed).sum() / max((away * away).sum(), 1e-12))
            by_size = min(max(by_size, 0.0), _MOST_BY_SIZE)
        learned = cls((), by_size)
        fitted = predicted if sizes is None else learned.fitted(predicted, sizes)
        scaled = np.sort((np.abs(real - fitted) / _variation(fitted)).ravel())
        return cls(tuple(float(error) for error in scaled), by_size)

    def fitted(self, shares: Array, sizes: Array) -> Array:
        """Return shares with what sources have by their size.

        Args:
            shares: Estimated, `(..., n_source)`, adding up to 1, or all 0 where no
                source has any.
            sizes: `(n_source,)`, adding up to 1.

        Returns:
            Of the shape of `shares`, adding up as they do.
        """
        has_any = shares.sum(-1, keepdims=True) > 0
        found: Array = (1 - self.by_size) * shares + self.by_size * sizes * has_any
        return found

    @classmethod
    def of(
        cls, estimator: str, settings: Mapping[str, Any], kind: str = _FINEST
    ) -> Self | None:
        """Return what is known of an estimator, None if nothing is.

        Args:
            estimator: Its name.
            settings: Its settings; errors are known of one choice of them.
            kind: Of the sources. Of collections and of artists it was measured;
                what is known of artists, the smaller ones, serves all others.
        """
        text = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
        found = json.loads(text)["estimators"].get(estimator)
        if found is None or found["settings"] != dict(settings):
            return None
        known = found["kinds"].get(kind) or found["kinds"][_FINEST]
        return cls(
            tuple(known["errors"]), known["by_size"], tuple(known["rest_errors"])
        )

    def width(self, level: float) -> float:
        """Return the conformal quantile: what holds `level` of such errors."""
        return _quantile(self.errors, level)

    def rest_interval(self, rest: float, level: float) -> tuple[float, float]:
        """Return low and high of the interval of the rest, within [0, 1]."""
        if not self.rest_errors:
            low, high = self.interval(np.array(rest), level)
            return float(low), float(high)
        half = _quantile(self.rest_errors, level)
        return max(0.0, rest - half), min(1.0, rest + half)

    def interval(self, shares: Array, level: float) -> tuple[Array, Array]:
        """Return low and high of the interval of each share, within [0, 1]."""
        half = self.width(level) * _variation(shares)
        return np.clip(shares - half, 0, 1), np.clip(shares + half, 0, 1)

    def document(self) -> dict[str, Any]:
        """Return what `of` reads, of one kind of source."""
        return {
            "by_size": round(self.by_size, 4),
            "errors": [round(error, 5) for error in self.errors],
            "rest_errors": [round(error, 5) for error in self.rest_errors],
        }


def _quantile(errors: Sequence[float], level: float) -> float:
    place = math.ceil(level * (len(errors) + 1))
    return errors[min(len(errors), place) - 1]


def _variation(shares: Array) -> Array:
    found: Array = np.sqrt(shares * (1 - shares) + _FLOOR)
    return found
