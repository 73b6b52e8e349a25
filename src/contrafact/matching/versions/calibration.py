"""From scores to p-values: what unrelated works of the same catalog reach.

A score is first set against what the query reaches with others, since a plain
melody is like many, and against what the recording reaches with others, since
some recordings are like everything. What is left is compared with the *null*:
what music that is no version of anything in the catalog reaches.

A p-value is the share of null comparisons that reach as much. Beyond the largest
few it is continued by an exponential fitted to the highest, as scores of local
alignments have such tails.

References:
    Auckenthaler, Carey and Lloyd-Thomas, "Score normalization for text-independent
    speaker verification systems", Digital Signal Processing 10, 2000, for the
    query's side and the reference's; Kenny, "Bayesian speaker verification with
    heavy-tailed priors", Odyssey 2010, for their mean, the symmetric norm; Matejka
    et al., "Analysis of score normalization in multilingual speaker recognition",
    Interspeech 2017, for taking both from a cohort of high scores.
    Karlin and Altschul, "Methods for assessing the statistical significance of
    molecular sequence features by using general scoring schemes", PNAS 87, 1990;
    Pickands, "Statistical inference using extreme order statistics", 1975.
    Phipson and Smyth, "Permutation p-values should never be zero", 2010.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "JOINT",
    "PRIOR_LEVELS",
    "Floats",
    "Null",
    "joined",
    "levels_of",
    "normalised",
    "simes",
]

Floats = NDArray[np.float32]

# The columns of values: the three aspects, the texture, and all together.
JOINT = 4

# What unrelated music reaches, as a multiple of the root of a strand's length, and
# its spread: melody, harmony, rhythm, texture.
PRIOR_LEVELS = np.array(
    [[0.74, 0.2], [0.3, 0.11], [0.9, 0.6], [0.54, 0.155]], np.float32
)
_PRIOR_COUNT = 8.0  # how many comparisons the above counts as
_NARROWEST = 1 / 3  # of the spread above
_HIGH, _HIGH_DEVIATIONS = 0.8, 0.84  # a quantile, and where it is in a normal one

_WEIGHTS = np.array([0.6, 0.4, 0.1, 1.2], np.float32)
# So that no aspect alone reaches by chance what all together do not: the rhythm of
# unrelated works is alike most often.
_ALONE = np.array([0.8, 1.0, 0.6], np.float32)

_TAIL_SHARE, _TAIL_LEAST = 0.02, 20.0  # of the null, for the fit: share, comparisons
_PRIOR_TAIL, _PRIOR_TAIL_COUNT = 0.7, 10.0
_SEEN = 3.0  # comparisons above, from which their number counts as well as the fit
_FURTHEST = 0.01  # of what one comparison counts: the fit is trusted no further


def levels_of(scores: Floats) -> Floats:
    """Return what is usual among scores, and their spread, by layer.

    Args:
        scores: As multiples of the root of the query's length, `(candidate, layer)`;
            NaN where there is none.

    Returns:
        `(layer, 2)`, drawn towards `PRIOR_LEVELS` where there are few.
    """
    result = PRIOR_LEVELS.copy()
    for k, column in enumerate(scores.T):
        known = column[~np.isnan(column)]
        if not len(known):
            continue
        middle, high = np.quantile(known, (0.5, _HIGH))
        part = _PRIOR_COUNT / (_PRIOR_COUNT + len(known))
        found = np.array([middle, (high - middle) / _HIGH_DEVIATIONS])
        result[k] = part * result[k] + (1 - part) * found
    least = _NARROWEST * PRIOR_LEVELS[:, 1]
    result[:, 1] = np.maximum(result[:, 1], least)
    return result


def normalised(scores: Floats, n_elements: NDArray[np.intp], levels: Floats) -> Floats:
    """Set scores against what is usual on both sides, and join the layers.

    Args:
        scores: `(candidate, layer)`; NaN where there is none.
        n_elements: Of the query's strands, `(layer,)`.
        levels: Of each candidate's recording, `(candidate, layer, 2)`.

    Returns:
        About 0 for unrelated works, in units of their spread; NaN stays; and last
        what all layers say together; `(candidate, layer + 1)`.
    """
    root = np.sqrt(np.maximum(n_elements, 1)).astype(np.float32)
    scaled = scores / root
    mine = levels_of(scaled)
    here = (scaled - mine[:, 0]) / mine[:, 1]
    there = (scaled - levels[:, :, 0]) / levels[:, :, 1]
    values: Floats = ((here + there) / 2).astype(np.float32)
    result: Floats = np.concatenate([values, joined(values)[:, None]], axis=1)
    return result


def joined(values: Floats) -> Floats:
    """Return what all layers say together, `(candidate,)`.

    A weighted sum, or the strongest alone: a melody may be all that was kept.
    """
    known = np.nan_to_num(np.clip(values, -2, 15), nan=0.0)
    together = known @ _WEIGHTS / np.float32(np.linalg.norm(_WEIGHTS))
    alone = (known[:, :3] * _ALONE).max(axis=1, initial=0)
    result: Floats = np.maximum(together, alone)
    return result


class Null:
    """What comparisons of music that is no version of the other reached.

    Attributes:
        n_compared: How many there are, those of the same two works as one.
    """

    def __init__(self, values: Floats, weights: Floats, n_compared: Floats) -> None:
        """Sort what was reached.

        Args:
            values: Of the comparisons looked at closely, `(comparison, 5)`.
            weights: What each counts: comparisons of the same two works share one.
            n_compared: What all comparisons count, by column, `(5,)`.
        """
        self.n_compared = float(n_compared[JOINT])
        self._tails = [
            _Tail(column, weights, float(n))
            for column, n in zip(values.T, n_compared, strict=True)
        ]

    def p_value(self, column: int, value: float) -> float:
        """Return how often an unrelated work reaches `value`, in (0, 1]."""
        return self._tails[column].p_value(value)


class _Tail:
    """One column of the null, from its highest."""

    def __init__(self, values: Floats, weights: Floats, n_compared: float) -> None:
        order = np.argsort(-values, kind="stable")  # NaN comes last
        order = order[: np.count_nonzero(~np.isnan(values))]
        self._values = values[order].astype(np.float64)
        self._above = np.cumsum(weights[order], dtype=np.float64)
        self._n = n_compared
        wanted = max(_TAIL_LEAST, _TAIL_SHARE * n_compared)
        n_tail = int(np.searchsorted(self._above, wanted)) + 1
        tail, shares = self._values[:n_tail], np.diff(self._above[:n_tail], prepend=0.0)
        self._start = float(tail[-1]) if len(tail) else 0.0
        self._weight = float(shares.sum())
        excess = float(shares @ (tail - self._start))
        self._scale = (_PRIOR_TAIL_COUNT * _PRIOR_TAIL + excess) / (
            _PRIOR_TAIL_COUNT + self._weight
        )

    def p_value(self, value: float) -> float:
        n_reached = int(np.searchsorted(-self._values, -value, "right"))
        above = float(self._above[n_reached - 1]) if n_reached else 0.0
        seen = (1 + above) / (1 + self._n)
        if not len(self._values) or value <= self._start:
            return min(1.0, seen)
        beyond = np.exp(-(value - self._start) / self._scale)
        beyond = float(beyond) * (1 + self._weight) / (1 + self._n)
        p = max(seen, beyond) if above >= _SEEN else beyond
        return min(1.0, max(p, _FURTHEST / (1 + self._n)))


def simes(p_values: Iterable[float]) -> float:
    """Return one p-value for several looks at the same question.

    References:
        Simes, "An improved Bonferroni procedure", Biometrika 73, 1986.

    Example:
        >>> simes([0.01, 0.5])
        0.02
    """
    ordered = np.sort(list(p_values))
    ranks = np.arange(1, len(ordered) + 1)
    return float(min(1.0, np.min(ordered * len(ordered) / ranks)))
