"""The answer in one sentence: whole percentages that sum to 100."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from contrafact.core.errors import ReportError
from contrafact.core.results import Attribution
from contrafact.reports._format import kind_name, plain

__all__ = [
    "HeadlinePart",
    "headline",
    "headline_parts",
    "no_answer",
    "other_share",
    "whole_percentages",
]

_N_NAMED = 3
# Shares are floats that were added up in some order; this is their rounding.
_TOLERANCE = 1e-6
# More is an error; less is no reason for a line of its own.
NOTICEABLE = 1e-3
_MAX_NAME = 80
# What intervals are to hold; see `Attribution.intervals`.
INTERVALS = {
    "retraining": (
        "are as wide as shares of collections were from retrained ones, measured on "
        "other songs of another model"
    ),
    "noise": "are over noise draws only",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadlinePart:
    """One part of the sentence.

    Attributes:
        percentage: Whole percentage; those of all parts sum to 100.
        kind: `source`, `others` or `unattributed`.
        source_id: Of a `source`; empty otherwise.
    """

    name: str
    percentage: int
    kind: str
    source_id: str = ""


def no_answer(attribution: Attribution) -> str:
    """Return why there is no answer; "" where there is one."""
    if not attribution.abstained:
        return ""
    if not attribution.query.is_known:
        return "No answer: the model hardly knows this song."
    kind = kind_name(attribution.by)
    return f"No answer: no {kind} stands out more than on songs without a source."


def whole_percentages(fractions: Sequence[float]) -> list[int]:
    """Round fractions to whole percentages that sum to 100.

    By largest remainder; of equal remainders the earlier one gets the point.

    Args:
        fractions: Each in [0, 1], together 1.

    Example:
        >>> whole_percentages([1 / 3, 1 / 3, 1 / 3])
        [34, 33, 33]
    """
    exact = [100 * f for f in fractions]
    whole = [math.floor(x) for x in exact]
    n_missing = 100 - sum(whole)
    by_remainder = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
    for i in by_remainder[:n_missing]:
        whole[i] += 1
    return whole


def other_share(attribution: Attribution, kind: str, n_named: int) -> float:
    """Return the share of all sources but the first `n_named`, in [0, 1].

    What is neither named nor unattributed is the others', so this also holds
    for a table that lists the best sources only.

    Raises:
        ReportError: If a share is not a number from 0 to 1, or shares and
            the unattributed rest sum to 0 or to more than 1.
    """
    shares = [s.share for s in attribution.tables[kind]]
    rest = attribution.unattributed[kind].share
    for share in (*shares, rest):
        if not -_TOLERANCE <= share <= 1 + _TOLERANCE:  # also catches NaN
            raise ReportError(
                f"A share by {kind} is {share}, not between 0 and 1. "
                "Attribute the song again, or report this as a bug."
            )
    total = math.fsum((*shares, rest))
    if not 0 < total <= 1 + NOTICEABLE:
        raise ReportError(
            f"Shares by {kind} and the unattributed rest sum to {total:g}, not 1. "
            "Attribute the song again, or report this as a bug."
        )
    return max(1 - rest - math.fsum(shares[:n_named]), 0.0)


def headline_parts(attribution: Attribution) -> list[HeadlinePart]:
    """Return the parts of the headline: the best sources, others, the rest.

    Parts that round to nothing are left out, except the unattributed rest.
    """
    kind = attribution.by
    named = [s for s in attribution.tables[kind][:_N_NAMED] if s.share > 0]
    others = other_share(attribution, kind, len(named))
    rest = attribution.unattributed[kind].share
    fractions = [*(s.share for s in named), others, rest]
    total = math.fsum(fractions)
    whole = whole_percentages([f / total for f in fractions])
    parts = [
        HeadlinePart(
            name=plain(s.name, _MAX_NAME),
            percentage=p,
            kind="source",
            source_id=s.id,
        )
        for s, p in zip(named, whole, strict=False)
    ]
    parts.append(HeadlinePart(name="others", percentage=whole[-2], kind="others"))
    parts = [part for part in parts if part.percentage > 0]
    unattributed = HeadlinePart(
        name="unattributed", percentage=whole[-1], kind="unattributed"
    )
    return [*parts, unattributed]


def headline(attribution: Attribution) -> str:
    """Return the answer in one sentence.

    Returns:
        Such as `41 % Joplin, 17 % Bach, 19 % others, 23 % unattributed`;
        percentages are whole and sum to 100.

    Raises:
        ReportError: If the shares are not shares of one whole.
    """
    parts = headline_parts(attribution)
    return ", ".join(f"{part.percentage} % {part.name}" for part in parts)
