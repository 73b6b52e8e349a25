"""How often something without the trait scores as high: tails of nulls.

A null is fitted to scores of recordings that are not what is looked for. Maxima
over many scales or templates have a Gumbel tail, which is heavier than a normal
one; where enough scores are there, their own tail is held against it, and the
heavier of the two is believed.

References:
    Gumbel, "Statistics of Extremes", 1958; Pickands, "Statistical inference using
    extreme order statistics", Annals of Statistics 1975 (excesses over a high
    level; here exponential ones).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Null"]

_EULER = 0.5772156649
_LEAST_SCALE = 1e-3
_TAIL = 0.1
"""Upper part of the scores that a tail is fitted to,"""
_LEAST_TAIL = 20
"""if it has so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """A Gumbel distribution of scores.

    Attributes:
        location: Its mode.
        scale: Above 0.
        n: Scores that it was fitted to.
        tail_from: Above it, the p-value is at least that of an exponential tail,
        tail_scale: which falls by e over so much; 0 if too few scores were there.
        is_of_surprises: Whether scores are surprises themselves, of the best of some:
            that is never worth more than it says. Of one that is asked alone, most
            are near 0, and what is fitted to those is too narrow.
    """

    location: float
    scale: float
    n: int
    tail_from: float = 0.0
    tail_scale: float = 0.0
    is_of_surprises: bool = False

    @classmethod
    def of(cls, scores: Sequence[float], *, is_of_surprises: bool = False) -> Null:
        """Fit by the mean and the spread of scores, at least two."""
        values = np.asarray(scores, np.float64)
        scale = max(_LEAST_SCALE, float(values.std(ddof=1)) * math.sqrt(6) / math.pi)
        start = float(np.quantile(values, 1 - _TAIL))
        above = values[values > start] - start
        is_enough = len(above) >= _LEAST_TAIL
        return cls(
            location=float(values.mean()) - _EULER * scale,
            scale=scale,
            n=len(values),
            tail_from=start if is_enough else 0.0,
            tail_scale=float(above.mean()) if is_enough else 0.0,
            is_of_surprises=is_of_surprises,
        )

    def surprise(self, score: float) -> float:
        """Return minus the natural logarithm of the p-value, at least 0.

        Example:
            >>> null = Null(location=0.0, scale=1.0, n=100)
            >>> round(null.surprise(20.0), 3)
            20.0
        """
        above = (score - self.location) / self.scale
        if above > 30:
            surprise = above
        else:
            surprise = -math.log(-math.expm1(-math.exp(-max(above, -30.0))) or 1e-300)
        if self.tail_scale and score > self.tail_from:
            tail = (score - self.tail_from) / self.tail_scale - math.log(_TAIL)
            surprise = min(surprise, tail)
        return min(surprise, score) if self.is_of_surprises else surprise

    def p_value(self, score: float) -> float:
        """Return how often the null scores as high, in (0, 1]."""
        return max(1e-300, math.exp(-self.surprise(score)))
