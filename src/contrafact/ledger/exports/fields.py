"""The columns of a statement line, the same in every form."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

from contrafact.ledger.statements import Statement, StatementLine
from contrafact.ledger.trees import fraction_text

__all__ = ["COLUMNS", "as_decimal", "line_fields", "percent", "totals"]

COLUMNS = (
    "period",
    "output_id",
    "right",
    "source_id",
    "title",
    "bucket",
    "share",
    "share_low",
    "share_high",
    "fraction",
    "weight",
    "rate",
    "n_plays",
    "gross_minor",
    "owed_minor",
    "owed_exact",
    "held_minor",
    "held_exact",
    "hold_reasons",
    "events_sha256",
    "attribution_id",
    "model",
    "corpus",
    "policy",
    "plan_id",
    "card_id",
)
"""Names of the columns. `_exact` are fractions of a minor unit, `_minor` the same
with six decimals for reading."""


def as_decimal(value: Fraction, *, places: int = 6) -> str:
    """Return a fraction as a decimal, cut towards zero; exact ones stay whole.

    Example:
        >>> as_decimal(Fraction(-2, 3)), as_decimal(Fraction(5))
        ('-0.666666', '5.000000')
    """
    whole = abs(value.numerator) * 10**places // value.denominator
    with localcontext() as context:
        context.prec = len(str(whole)) + places + 2
        text = f"{Decimal(whole).scaleb(-places):.{places}f}"
    return f"-{text}" if value < 0 and whole else text


def percent(value: Fraction | None) -> str:
    """Return a share as people read it, with two decimals; "" if there is none."""
    return "" if value is None else f"{as_decimal(value * 100, places=2)} %"


def _text(value: Fraction | None) -> str:
    return "" if value is None else str(value)


def line_fields(line: StatementLine, title: str) -> dict[str, str]:
    """Return a line's cells, by column."""
    plan, of = line.plan, line.line
    return {
        "period": line.period,
        "output_id": line.output_id,
        "right": of.right,
        "source_id": of.source_id,
        "title": title,
        "bucket": of.bucket,
        "share": _text(of.share),
        "share_low": _text(of.low),
        "share_high": _text(of.high),
        "fraction": _text(of.fraction),
        "weight": str(of.weight),
        "rate": str(line.rate),
        "n_plays": str(line.n_plays),
        "gross_minor": str(line.gross),
        "owed_minor": as_decimal(line.exact),
        "owed_exact": fraction_text(line.exact),
        "held_minor": as_decimal(line.held),
        "held_exact": fraction_text(line.held),
        "hold_reasons": " ".join(line.hold_reasons),
        "events_sha256": line.events,
        "attribution_id": plan.attribution_id,
        "model": plan.model,
        "corpus": plan.corpus,
        "policy": plan.policy,
        "plan_id": line.plan_id,
        "card_id": line.card_id,
    }


def totals(statement: Statement) -> dict[str, str]:
    """Return what stands above the lines."""
    money = statement.currency.written
    return {
        "payee": statement.payee,
        "period": statement.period,
        "currency": statement.currency.code,
        "amount": money(statement.amount),
        "amount_minor": str(statement.amount),
        "before_minor": str(statement.before),
        "cumulative_minor": str(statement.cumulative),
        "exact_before": fraction_text(statement.exact_before),
        "exact": fraction_text(statement.exact),
        "held_minor": as_decimal(statement.held),
        "state": "final" if statement.is_final else "preliminary",
        "settlement_sha256": statement.settlement,
    }
