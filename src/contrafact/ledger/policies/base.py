"""The protocol of policies, and the steps that several of them share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from contrafact.core.errors import AllocationError
from contrafact.ledger.case import Case, Division, Place, Usage

__all__ = [
    "NO_ATTRIBUTION",
    "NO_SOURCES",
    "NO_USAGE",
    "Divide",
    "Parts",
    "Policy",
    "add_background",
    "corpus_parts",
    "divide_by_shares",
    "usage_weights",
]

NO_ATTRIBUTION = "no attribution of the output"
NO_SOURCES = "no licensed source to divide by"
NO_USAGE = "no plays to divide by"

Parts = Mapping[str, Fraction]
"""By source; sums to 1, or is empty."""


class Divide(Protocol):
    """Divides a case; a pure function."""

    def __call__(self, case: Case) -> Division:
        """Return which part of the pool goes to which source and place."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A named way of dividing a pool.

    Attributes:
        name: As on the command line.
        version: Raised with every change that moves money.
        background: What happens to what is not attributed, in words.
        reference: The paper or market practice that it follows.
        divide: What it does.
        uses_shares: Whether intervals of shares matter to it.
        fits_plans: Whether it can divide one output by what is known of it alone,
            as a split plan of the journal does.
    """

    name: str
    version: int
    background: str
    reference: str
    divide: Divide
    uses_shares: bool = True
    fits_plans: bool = True

    @property
    def id(self) -> str:
        """Name and version, as statements have it."""
        return f"{self.name}/{self.version}"


def usage_weights(usage: Iterable[Usage]) -> dict[tuple[str, Place], Fraction]:
    """Return the part of the pool that each output earned at each place.

    Money paid for a play follows the play. Money without an output, such as
    subscriptions, goes to all plays alike. Where nothing has a price, plays
    count alike.

    Returns:
        Parts by output and place, which sum to 1; empty without plays.

    Example:
        >>> from datetime import date
        >>> here = Place("DE", date.min)
        >>> rows = [Usage("a", "u", here, 3, 1), Usage("b", "u", here, 0, 1)]
        >>> usage_weights([*rows, Usage("", "u", here, 4, 0)])[("b", here)]
        Fraction(2, 7)
    """
    rows = list(usage)
    plays = [row for row in rows if row.n_plays]
    n_plays = sum(row.n_plays for row in plays)
    total = sum(row.amount for row in rows)
    common = total - sum(row.amount for row in plays)
    found: dict[tuple[str, Place], Fraction] = defaultdict(Fraction)
    for row in plays:
        alike = Fraction(row.n_plays, n_plays)
        part = (row.amount + alike * common) / total if total else alike
        found[row.output_id, row.place] += part
    return dict(found)


def corpus_parts(case: Case, *, by: str = "recordings") -> Parts:
    """Return the part of each licensed source in the corpus.

    Args:
        case: Its facts say what is licensed.
        by: `works` counts each work once, whatever the number of its
            recordings; `recordings` counts these, `minutes` their length.

    Raises:
        AllocationError: If lengths are asked for and none is known.
    """
    sizes = {s: Fraction(n) for s, n in _counted(case, by).items()}
    total = sum(sizes.values(), start=Fraction(0))
    if sizes and total <= 0:
        raise AllocationError(
            f"No licensed source has any {by}. Ingest the recordings, or choose "
            "another policy."
        )
    return {source: n / total for source, n in sorted(sizes.items()) if n}


def _counted(case: Case, by: str) -> Mapping[str, Fraction | int]:
    facts = case.facts
    if by == "recordings":
        return {source: size.n_recordings for source, size in facts.sizes.items()}
    if by == "minutes":
        return {source: size.duration_ms for source, size in facts.sizes.items()}
    n_sources = Counter(facts.works.get(source, source) for source in facts.sizes)
    return {s: Fraction(1, n_sources[facts.works.get(s, s)]) for s in facts.sizes}


def divide_by_shares(
    case: Case,
    weights: Mapping[tuple[str, Place], Fraction],
    *,
    shares: Callable[[str], Mapping[str, Fraction] | None],
) -> tuple[dict[tuple[str, Place], Fraction], dict[Place, Fraction], Fraction]:
    """Follow each output's money to the sources that shaped it.

    Args:
        case: What is divided.
        weights: Parts of the pool, by output and place.
        shares: The attributed shares of an output, which sum to at most 1;
            None where it was not attributed.

    Returns:
        What is attributed, by source and place; what is not, by place; and
        the part of outputs that were not attributed.
    """
    attributed: dict[tuple[str, Place], Fraction] = defaultdict(Fraction)
    rest: dict[Place, Fraction] = defaultdict(Fraction)
    missing = Fraction(0)
    for (output, place), weight in weights.items():
        found = shares(output)
        if found is None:
            missing += weight
            continue
        left = weight
        for source, share in found.items():
            if share:
                attributed[source, place] += weight * share
                left -= weight * share
        rest[place] += left
    return dict(attributed), dict(rest), missing


def add_background(
    attributed: Mapping[tuple[str, Place], Fraction],
    rest: Mapping[Place, Fraction],
    *,
    parts: Parts,
    missing: Fraction = Fraction(0),
) -> Division:
    """Complete a division: what is not attributed goes to `parts` of the corpus.

    Args:
        attributed: By source and place.
        rest: What is not attributed, by place.
        parts: Of the licensed sources; where there is none, it is held.
        missing: The part of outputs that were not attributed; held.
    """
    background: dict[tuple[str, Place], Fraction] = {}
    held = {NO_ATTRIBUTION: missing} if missing else {}
    for place, amount in rest.items():
        if amount and not parts:
            held[NO_SOURCES] = held.get(NO_SOURCES, Fraction(0)) + amount
        for source, part in parts.items():
            if amount:
                background[source, place] = amount * part
    total = sum((*attributed.values(), *rest.values()), start=missing)
    if total != 1:
        held[NO_USAGE] = 1 - total
    return Division(attributed=attributed, background=background, held=held)
