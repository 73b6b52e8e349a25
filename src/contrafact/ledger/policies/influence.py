"""Policies that follow each output's money to what shaped it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from fractions import Fraction

from contrafact.ledger.case import Case, Division, Place, Usage
from contrafact.ledger.policies.base import (
    Policy,
    add_background,
    corpus_parts,
    divide_by_shares,
    usage_weights,
)

__all__ = ["INFLUENCE", "USER_CENTRIC", "attributed_shares", "user_weights"]

_BACKGROUND = "pro rata to the length of the licensed recordings"


def attributed_shares(case: Case) -> Callable[[str], Mapping[str, Fraction] | None]:
    """Return a function from an output to the shares that were told apart."""

    def shares(output: str) -> Mapping[str, Fraction] | None:
        found = case.attributions.get(output)
        if found is None:
            return None
        return {s.source_id: s.share for s in found.shares if s.is_significant}

    return shares


def _influence(case: Case) -> Division:
    weights = usage_weights(case.usage)
    attributed, rest, missing = divide_by_shares(
        case, weights, shares=attributed_shares(case)
    )
    return add_background(
        attributed, rest, parts=corpus_parts(case, by="minutes"), missing=missing
    )


def _user_centric(case: Case) -> Division:
    attributed, rest, missing = divide_by_shares(
        case, user_weights(case.usage), shares=attributed_shares(case)
    )
    return add_background(
        attributed, rest, parts=corpus_parts(case, by="minutes"), missing=missing
    )


def user_weights(usage: tuple[Usage, ...]) -> dict[tuple[str, Place], Fraction]:
    """Return what each output earned where each user pays for their own plays.

    Where nothing has a price, users count alike. The money of a user without
    plays is not in the result: there is nothing that it could follow.
    """
    by_user: dict[str, list[Usage]] = defaultdict(list)
    for row in usage:
        by_user[row.user].append(row)
    total = sum(row.amount for row in usage)
    found: dict[tuple[str, Place], Fraction] = defaultdict(Fraction)
    for rows in by_user.values():
        paid = sum(row.amount for row in rows)
        part = Fraction(paid, total) if total else Fraction(1, len(by_user))
        for key, weight in usage_weights(rows).items():
            if part:
                found[key] += part * weight
    return dict(found)


INFLUENCE = Policy(
    name="influence",
    version=1,
    background=_BACKGROUND,
    reference="Deng et al., 'Computational Copyright', arXiv 2312.06646: royalties "
    "by attribution of each output",
    divide=_influence,
)
USER_CENTRIC = Policy(
    name="user-centric",
    version=1,
    background=_BACKGROUND + "; a user without plays: held",
    reference="user-centric payment of streaming services (Deezer, SoundCloud): a "
    "subscriber's fee goes to what the subscriber played",
    divide=_user_centric,
    fits_plans=False,
)
