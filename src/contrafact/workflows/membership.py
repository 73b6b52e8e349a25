"""Can one tell from losses what a model was trained on? With power and error.

The attack is the plainest: what has a low loss is said to be a member. It is
supporting evidence and never proof: an attack that finds nothing may be weak,
which is why its power on known members of the same model is stated with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from contrafact.core.results import Interval

__all__ = ["Membership", "area_interval", "membership", "proportion_interval"]

_Z = 1.6449  # of a 90 % interval
_FALSE_POSITIVES = 0.1
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How well losses tell two groups of recordings apart.

    Attributes:
        area: Area under the ROC curve, the chance that a supposed member has
            the lower loss; 0.5 where losses tell nothing. None without both.
        area_interval: 90 % interval.
        power: Part of the supposed members that are found at the threshold.
        false_positive_rate: Part of the others that are found there too; the
            threshold is set on them, at most at one in ten.
    """

    n_members: int
    n_others: int
    area: float | None
    area_interval: Interval | None
    power: float | None
    power_interval: Interval | None
    false_positive_rate: float | None
    false_positive_interval: Interval | None


def membership(members: Sequence[float], others: Sequence[float]) -> Membership:
    """Return how well low loss tells supposed members from others.

    Args:
        members: Loss of each supposed member.
        others: Loss of each recording that was certainly never trained on.
    """
    if not members or not others:
        return Membership(
            n_members=len(members), n_others=len(others), area=None,
            area_interval=None, power=None, power_interval=None,
            false_positive_rate=None, false_positive_interval=None,
        )  # fmt: skip
    a, b = np.asarray(members), np.asarray(others)
    lower = (a[:, None] < b[None]).mean() + 0.5 * (a[:, None] == b[None]).mean()
    n_allowed = math.floor(_FALSE_POSITIVES * len(b))
    # Below it lie as many others as are allowed, and no more.
    threshold = float(np.sort(b)[n_allowed])
    n_found, n_false = int((a < threshold).sum()), int((b < threshold).sum())
    return Membership(
        n_members=len(a),
        n_others=len(b),
        area=float(lower),
        area_interval=area_interval(float(lower), len(a), len(b)),
        power=n_found / len(a),
        power_interval=proportion_interval(n_found, len(a)),
        false_positive_rate=n_false / len(b),
        false_positive_interval=proportion_interval(n_false, len(b)),
    )


def area_interval(area: float, n_members: int, n_others: int) -> Interval:
    """Return the 90 % interval of an area under the ROC curve.

    It holds for small groups and for areas of 0 and 1, where the usual one has
    no width.

    References:
        Newcombe, "Confidence intervals for an effect size measure based on the
        Mann-Whitney statistic. Part 2", Statistics in Medicine 25, 2006,
        method 5.
    """
    half = (n_members + n_others) / 2 - 1

    def error(theta: float) -> float:
        spread = 1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return _Z * math.sqrt(
            max(0.0, theta * (1 - theta) * spread / (n_members * n_others))
        )

    return Interval(
        low=_edge(lambda t: area - t - error(t), 0.0, area),
        high=_edge(lambda t: error(t) - (t - area), area, 1.0),
    )


def _edge(inside: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that falls crosses zero, by halving."""
    while high - low > _TOLERANCE:
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) > 0 else (low, middle)
    return (low + high) / 2


def proportion_interval(n_found: int, n_all: int) -> Interval:
    """Return the exact 90 % interval of a proportion.

    References:
        Clopper and Pearson, "The use of confidence or fiducial limits",
        Biometrika 26, 1934.
    """
    low = stats.beta.ppf(0.05, n_found, n_all - n_found + 1) if n_found else 0.0
    high = (
        stats.beta.ppf(0.95, n_found + 1, n_all - n_found) if n_found < n_all else 1.0
    )
    return Interval(low=float(low), high=float(high))
