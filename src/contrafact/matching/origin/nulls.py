"""How often something without the trait scores as high: tails of nulls.

A null is fitted to scores of recordings that are not what is looked for. Maxima
over many scales or templates have a Gumbel tail, which is heavier than a normal
one, so that extrapolating beyond the scores seen stays on the safe side.

References:
    Gumbel, "Statistics of Extremes", 1958.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Null"]

_EULER = 0.5772156649
_LEAST_SCALE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """A Gumbel distribution of scores.

    Attributes:
        location: Its mode.
        scale: Above 0.
        n: Scores that it was fitted to.
    """

    location: float
    scale: float
    n: int

    @classmethod
    def of(cls, scores: Sequence[float]) -> Null:
        """Fit by the mean and the spread of scores, at least two."""
        values = np.asarray(scores, np.float64)
        scale = max(_LEAST_SCALE, float(values.std(ddof=1)) * math.sqrt(6) / math.pi)
        return cls(
            location=float(values.mean()) - _EULER * scale, scale=scale, n=len(values)
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
            return above
        return -math.log(-math.expm1(-math.exp(-max(above, -30.0))) or 1e-300)

    def p_value(self, score: float) -> float:
        """Return how often the null scores as high, in (0, 1]."""
        return max(1e-300, math.exp(-self.surprise(score)))
