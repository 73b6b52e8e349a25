"""Statements: what a rights holder gets for a period, line by line, and why.

A statement is a pure function of the journal. Its amount is the difference
between what its payee has at the end of the period and what they had before;
its lines add up to the exact parts that this comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from contrafact.core.errors import StatementError
from contrafact.ledger.money import Currency
from contrafact.ledger.period import Change, PeriodSettlement
from contrafact.ledger.rates import PlanLine, SplitPlan
from contrafact.ledger.settlement import Due
from contrafact.ledger.trees import fraction_of

__all__ = ["Statement", "StatementLine", "make_statement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """What one source in one output brought its holder.

    Attributes:
        period: The month of the plays.
        line: Of the split plan: share, interval, part of the right.
        rate: The part of what plays earned that is royalty.
        gross: What the plays earned, in minor units.
        events: SHA-256 of the canonical event file of the plays.
        exact: What is owed for it, as a fraction of a minor unit; below 0
            where something is taken back.
        held: What is held of it, in the same unit.
        hold_reasons: Why: disputes by id.
    """

    output_id: str
    period: str
    plan: SplitPlan
    plan_id: str
    card_id: str
    line: PlanLine
    rate: Fraction
    gross: int
    n_plays: int
    events: str
    exact: Fraction
    held: Fraction
    hold_reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one payee gets for one period in one currency.

    Attributes:
        before: Minor units up to the period before.
        cumulative: Minor units up to the end of this one.
        exact_before: What `before` was rounded from.
        exact: What `cumulative` was rounded from.
        is_final: Whether the period is closed; else the figures may change.
        settlement: SHA-256 of the public header of the settlement.
    """

    payee: str
    period: str
    currency: Currency
    before: int
    cumulative: int
    exact_before: Fraction
    exact: Fraction
    is_final: bool
    settlement: str
    lines: tuple[StatementLine, ...]

    @property
    def amount(self) -> int:
        """Minor units for this period."""
        return self.cumulative - self.before

    @property
    def held(self) -> Fraction:
        """What came on hold in this period, less what was given free."""
        return sum((line.held for line in self.lines), start=Fraction(0))


def make_statement(settlement: PeriodSettlement, payee: str) -> Statement:
    """Return the statement of one payee.

    Raises:
        StatementError: If the payee has nothing in this currency.
    """
    leaf = settlement.payee_proof(payee)["leaf"]
    lines: dict[Any, StatementLine] = {}
    for place, number, due in settlement.dues(payee):
        change = settlement.changes[place]
        made, pool = _line(settlement, change, due), change.pool
        key = (pool.output_id, pool.period, pool.plan_id, pool.card_id, number)
        lines[key] = made if key not in lines else _joined(lines[key], made)
    shown = [lines[key] for key in sorted(lines)]
    return Statement(
        payee=payee,
        period=settlement.period,
        currency=settlement.currency,
        before=leaf["before"],
        cumulative=leaf["cumulative"],
        exact_before=fraction_of(leaf["exact_before"]),
        exact=fraction_of(leaf["exact"]),
        is_final=settlement.is_final,
        settlement=settlement.digest,
        lines=tuple(line for line in shown if line.exact or line.held),
    )


def _line(settlement: PeriodSettlement, change: Change, due: Due) -> StatementLine:
    state, pool, contents = change
    plan, line = contents.plan, due.line
    if plan is None or line is None:
        raise StatementError("A line without a plan. Report this as a bug.")
    money = (1 if state == "now" else -1) * contents.total * due.weight
    return StatementLine(
        output_id=pool.output_id,
        period=pool.period,
        plan=plan,
        plan_id=pool.plan_id,
        card_id=pool.card_id,
        line=line,
        rate=Fraction(1) if contents.card is None else contents.card.rate,
        gross=contents.total,
        n_plays=contents.n_plays,
        events=settlement.events_of(change),
        exact=Fraction(0) if due.disputes else money,
        held=money if due.disputes else Fraction(0),
        hold_reasons=due.disputes if state == "now" else (),
    )


def _joined(now: StatementLine, was: StatementLine) -> StatementLine:
    """Return the difference of what counts now and what counted before."""
    return replace(now, exact=now.exact + was.exact, held=now.held + was.held)
