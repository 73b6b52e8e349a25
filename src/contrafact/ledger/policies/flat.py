"""Policies that look at what is licensed and never at attribution.

All of the pool is background: nobody claims that a song was shaped by anyone.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from contrafact.ledger.case import Case, Division, Place
from contrafact.ledger.policies.base import (
    Divide,
    Policy,
    add_background,
    corpus_parts,
    usage_weights,
)

__all__ = ["EQUAL", "MINUTES", "RECORDINGS"]


def _flat(by: str) -> Divide:
    def divide(case: Case) -> Division:
        rest: dict[Place, Fraction] = defaultdict(Fraction)
        for (_, place), weight in usage_weights(case.usage).items():
            rest[place] += weight
        return add_background({}, rest, parts=corpus_parts(case, by=by))

    return divide


EQUAL = Policy(
    name="equal",
    version=1,
    background="all of it, in equal parts to every licensed work",
    reference="STIM's licence for generative services (September 2025): the "
    "training fee is divided over all licensed works",
    divide=_flat("works"),
    uses_shares=False,
)
RECORDINGS = Policy(
    name="recordings",
    version=1,
    background="all of it, pro rata to the number of recordings",
    reference="LANDR Fair Trade AI: pro rata to the number of tracks",
    divide=_flat("recordings"),
    uses_shares=False,
)
MINUTES = Policy(
    name="minutes",
    version=1,
    background="all of it, pro rata to the length of the recordings",
    reference="broadcasting practice of collecting societies: distribution by "
    "duration; as `recordings` otherwise",
    divide=_flat("minutes"),
    uses_shares=False,
)
