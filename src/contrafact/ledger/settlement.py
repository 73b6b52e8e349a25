"""Settlement: what everyone is owed, worked out exactly from pots, plans and rates.

Money is divided in one step. Everyone's part of everything up to the end of a
period is an exact fraction; the sum of all pots is then divided by these parts
with `split`, once. What a period brings is the difference to the period
before, so nobody is ever a unit or more off, however many plays and periods
there are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from contrafact.ledger._plays import PotKey
from contrafact.ledger._reading import Pot
from contrafact.ledger.book import Book, Terms, View
from contrafact.ledger.money import split
from contrafact.ledger.rates import PlanLine, RateCard, SplitPlan

__all__ = [
    "Contents",
    "Cut",
    "Due",
    "Dues",
    "Pool",
    "Standing",
    "account_of",
    "dues_of",
    "gather",
    "pool_of",
    "standing_at",
]

PLATFORM = "platform"
END_OF_TIME = "9999-12"
"""A period after every other: what is owed with all that is known."""


class Pool(NamedTuple):
    """Pots of one output and period that are divided alike.

    Attributes:
        frozen: Open disputes that hold some of its lines.
        hold_reason: Why it cannot be divided; "" if it can.
    """

    output_id: str
    currency: str
    period: str
    plan_id: str
    card_id: str
    frozen: tuple[str, ...]
    hold_reason: str


@dataclass(slots=True)
class Contents:
    """What is in a pool, and by what it is divided."""

    card: RateCard | None
    plan: SplitPlan | None
    total: int = 0
    flagged: int = 0
    n_plays: int = 0
    n_reversed: int = 0
    first_day: str = "9999-12-31"


Pools = Mapping[Pool, Contents]


class Due(NamedTuple):
    """A part of a pool and where it goes.

    Attributes:
        account: `payee:ID`, `held:REASON` or `platform`.
        line: The line of the plan; None where none counts.
        weight: Of the pool.
        disputes: What holds it.
    """

    account: str
    line: PlanLine | None
    weight: Fraction
    disputes: tuple[str, ...] = ()


def gather(pots: Iterable[Pot], book: Book, *, as_of: str) -> Pools:
    """Take pots together that are divided alike.

    Args:
        pots: All of them.
        book: What was decided.
        as_of: The period whose settlement is asked for; pots of later ones,
            and what was decided after it, are left out.
    """
    view = book.as_of(as_of)
    pools: dict[Pool, Contents] = {}
    for pot in pots:
        if pot.key.period <= as_of:
            _add(pools, pot, view)
    return pools


def _add(pools: dict[Pool, Contents], pot: Pot, view: View) -> None:
    pool, terms = pool_of(pot.key, view)
    found = pools.setdefault(pool, Contents(terms.card, terms.plan))
    found.total += pot.total
    found.flagged += pot.flagged
    found.n_plays += pot.n_plays
    found.n_reversed += pot.n_reversed
    found.first_day = min(found.first_day, pot.key.day)


def pool_of(key: PotKey, view: View) -> tuple[Pool, Terms]:
    """Return the pool that a pot is a part of, and what it is divided by."""
    terms = view.terms(
        key.output_id,
        day=key.day,
        territory=key.territory,
        currency=key.currency,
        kind=key.play_kind,
    )
    pool = Pool(
        key.output_id,
        key.currency,
        key.period,
        "" if terms.plan is None else terms.plan_id,
        "" if terms.card is None else terms.card_id,
        view.frozen_in(key.output_id, period=key.period),
        terms.hold_reason,
    )
    return pool, terms


def dues_of(pool: Pool, contents: Contents, book: Book) -> list[Due]:
    """Return where the parts of a pool go; their weights sum to exactly 1."""
    if pool.hold_reason == "rate-gap":
        return [Due("held:rate-gap", None, Fraction(1))]
    rate = Fraction(1) if contents.card is None else contents.card.rate
    dues = [Due(PLATFORM, None, 1 - rate)] if rate != 1 else []
    if contents.plan is None:
        return [*dues, Due(f"held:{pool.hold_reason}", None, rate)]
    disputes = [d for d in book.disputes if d.id in pool.frozen]
    for line in contents.plan.lines:
        holds = tuple(d.id for d in disputes if d.covers(pool.output_id, line))
        account = "held:dispute" if holds else line.account
        weight = line.weight if rate == 1 else rate * line.weight
        dues.append(Due(account, line, weight, holds))
    return dues


class Dues:
    """Where the parts of pools go; those of pools that are divided alike, once."""

    def __init__(self, book: Book) -> None:
        """Know nothing yet."""
        self._book = book
        self._known: dict[tuple[str, ...], list[Due]] = {}

    def of(self, pool: Pool, contents: Contents) -> list[Due]:
        """Return the dues of a pool; see `dues_of`."""
        alike = (pool.plan_id, pool.card_id, pool.hold_reason, *pool.frozen)
        # Disputes over every output look at which one it is.
        key = (*alike, pool.output_id)
        if key not in self._known:
            self._known[key] = dues_of(pool, contents, self._book)
        return self._known[key]


class Cut(NamedTuple):
    """The last one who got a unit of those left over by rounding down.

    Who has a larger remainder, or the same and no later an id, got one too.
    """

    remainder: Fraction
    account: str

    def gives(self, remainder: Fraction, account: str) -> bool:
        """Tell whether an account got a unit on top."""
        if remainder != self.remainder:
            return remainder > self.remainder
        return account <= self.account


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What every account has of one currency, from the beginning to a period.

    Attributes:
        total: Minor units; the sum of `amounts`.
        exact: By account, as fractions of a minor unit.
        amounts: By account, in whole minor units.
        cut: None where nothing was left over.
    """

    currency: str
    total: int
    exact: Mapping[str, Fraction]
    amounts: Mapping[str, int]
    cut: Cut | None


def account_of(due: Due) -> str:
    """Return the account of a due."""
    return due.account


def standing_at(
    pools: Pools,
    book: Book,
    *,
    by: Callable[[Due], str] = account_of,
    dues: Dues | None = None,
) -> dict[str, Standing]:
    """Return what every account has, by currency.

    Amounts are `split` of all money by everyone's exact part: less than one
    unit from it, and in sum exactly what came in.

    Args:
        pools: As `gather` returns them.
        book: What was decided.
        by: What to add up by; the account if not given.
        dues: Of the same book, where they were asked for before.
    """
    sums: dict[str, dict[str, Exact]] = {}
    totals: dict[str, int] = defaultdict(int)
    alike = _alike(pools, dues or Dues(book), by)
    for (currency, common, parts), (total, flagged) in alike.items():
        totals[currency] += total + flagged
        row = sums.setdefault(currency, defaultdict(lambda: defaultdict(int)))
        if flagged:
            row["held:fraud-flag"][1] += flagged
        for account, part in parts:
            row[account][common] += total * part
    return {c: _standing(c, totals[c], sums[c]) for c in sorted(totals)}


Exact = dict[int, int]
"""A sum of fractions, numerators by denominator: added up without reducing."""

Parts = tuple[int, tuple[tuple[str, int], ...]]
"""A common denominator, and numerators by account."""


def _alike(
    pools: Pools, dues: Dues, by: Callable[[Due], str]
) -> dict[tuple[str, int, tuple[tuple[str, int], ...]], list[int]]:
    """Add up pools whose parts are the same, so that each part is taken once."""
    found: dict[tuple[str, int, tuple[tuple[str, int], ...]], list[int]] = {}
    known: dict[int, Parts] = {}
    for pool, contents in pools.items():
        # The same list for pools that are divided alike, and kept by `dues`.
        mine = dues.of(pool, contents)
        if id(mine) not in known:
            known[id(mine)] = _parts(mine, by)
        row = found.setdefault((pool.currency, *known[id(mine)]), [0, 0])
        row[0] += contents.total
        row[1] += contents.flagged
    return found


def _parts(dues: Iterable[Due], by: Callable[[Due], str]) -> Parts:
    parts = [(by(due), due.weight) for due in dues]
    common = math.lcm(*{weight.denominator for _, weight in parts})
    sums: dict[str, int] = defaultdict(int)
    for account, weight in parts:
        sums[account] += weight.numerator * (common // weight.denominator)
    return common, tuple(sorted(sums.items()))


def _standing(currency: str, total: int, sums: dict[str, Exact]) -> Standing:
    denominators = {d for row in sums.values() for d in row}
    common = math.lcm(*denominators)
    factors = {d: common // d for d in denominators}
    parts = {
        account: sum(n * factors[d] for d, n in sums[account].items())
        for account in sorted(sums)
    }
    amounts = split(total, list(parts.values()), ids=list(parts)) if parts else []
    by_id = dict(zip(parts, amounts, strict=True))
    won = [i for i, part in parts.items() if by_id[i] > part // common]
    least = min((parts[i] % common for i in won), default=0)
    last = max((i for i in won if parts[i] % common == least), default="")
    return Standing(
        currency=currency,
        total=total,
        exact={i: Fraction(part, common) for i, part in parts.items()},
        amounts=by_id,
        cut=Cut(Fraction(least, common), last) if won else None,
    )
