"""Reading the journal: pots, versions, disputes and entries, in fixed orders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from contrafact.ledger import _tables as tables
from contrafact.ledger._plays import PotKey
from contrafact.ledger.book import Book, Dispute, Known
from contrafact.ledger.rates import SplitPlan, card_from_json, plan_from_json

__all__ = [
    "JournalEntry",
    "PlayEntry",
    "Pot",
    "book_in",
    "entries_in",
    "plays_in",
    "pots_in",
]

_CHUNK = 10_000


class Pot(NamedTuple):
    """Plays of one output on one day, added up.

    Attributes:
        total: Minor units to be divided; below 0 where a later period takes
            back what an earlier one gave.
        flagged: Minor units held on suspicion of fraud.
    """

    key: PotKey
    total: int
    flagged: int
    n_plays: int
    n_reversed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One entry: an amount from the account debited to the one credited.

    Attributes:
        id: Of the play, or of what the entry is about.
        kind: `play`, `reverse`, `flag`, `clear`, `settle` or `pay`.
        at: When the play was, RFC 3339; "" where there is none.
        period: The month in which it counts.
    """

    id: str
    kind: str
    debit: str
    credit: str
    amount: int
    at: str
    period: str
    listener: str
    note: str


def pots_in(connection: Connection) -> list[Pot]:
    """Return all pots, in order of their keys."""
    columns = tables.pot.c
    names = (*PotKey._fields, "total", "flagged", "n_plays", "n_reversed")
    query = sa.select(*(columns[name] for name in names))
    n = len(PotKey._fields)
    found = [Pot(PotKey(*row[:n]), *row[n:]) for row in connection.execute(query)]
    # Sorted here: databases differ in how they order text.
    return sorted(found)


def book_in(
    connection: Connection, *, output_id: str | None = None, with_plans: bool = True
) -> Book:
    """Return what was decided; plans only of one output, or none, if asked so."""
    plan, card = tables.plan.c, tables.rate_card.c
    plans = sa.select(plan.id, plan.document, plan.after)
    if output_id is not None:
        plans = plans.where(plan.output_id == output_id)
    rows = sorted(map(tuple, connection.execute(plans))) if with_plans else []
    cards = connection.execute(sa.select(card.id, card.document, card.after))
    closings = connection.execute(sa.select(tables.closing.c.period))
    return Book(
        plans=[Known(_plan(text), after, id_) for id_, text, after in rows],
        cards=[
            Known(card_from_json(json.loads(text)), after, id_)
            for id_, text, after in sorted(map(tuple, cards))
        ],
        disputes=_disputes(connection),
        closings=closings.scalars(),
    )


@lru_cache(maxsize=8192)
def _plan(text: str) -> SplitPlan:
    """Return a plan; the text of one never changes, so that one is read once."""
    return plan_from_json(json.loads(text))


def _disputes(connection: Connection) -> list[Dispute]:
    names = ("id", "output_id", "source_id", "payee", "reason", "after")
    columns = tables.dispute.c
    query = sa.select(columns.kind, *(columns[name] for name in names))
    rows = [dict(row._mapping) for row in connection.execute(query)]
    ends = {row["id"]: row["after"] for row in rows if row["kind"] == "release"}
    return [
        Dispute(**{n: row[n] for n in names}, released_after=ends.get(row["id"]))
        for row in sorted(rows, key=lambda row: row["id"])
        if row["kind"] == "open"
    ]


class PlayEntry(NamedTuple):
    """A play, or what was done to it, with the pot in which that counts."""

    id: str
    kind: str
    at: str
    amount: int
    listener: str
    key: PotKey


def plays_in(connection: Connection) -> Iterator[PlayEntry]:
    """Yield plays and their corrections by id and kind."""
    entry, play, pot = tables.entry, tables.entry.alias("play"), tables.pot
    pots = [pot.c[name] for name in PotKey._fields if name != "period"]
    order = [sa.collate(c, _collation(connection)) for c in (entry.c.id, entry.c.kind)]
    query = (
        sa.select(
            entry.c.id,
            entry.c.kind,
            entry.c.at,
            entry.c.amount,
            play.c.listener,
            *pots,
            entry.c.period,
        )
        .join_from(entry, play, sa.and_(play.c.id == entry.c.id, play.c.kind == "play"))
        .join(pot, pot.c.id == play.c.credit)
        .where(entry.c.kind.in_(("play", "flag", "clear", "reverse")))
        .order_by(*order)
    )
    # An option of the query: of the connection, it would stay for what follows.
    for row in connection.execute(query, execution_options={"yield_per": _CHUNK}):
        yield PlayEntry(*row[:5], PotKey(*row[5:]))


def entries_in(
    connection: Connection, *, kinds: Sequence[str] = ()
) -> Iterator[JournalEntry]:
    """Yield entries by period, id and kind; nothing depends on their arrival."""
    entry = tables.entry
    debit, credit = tables.account.alias("debit"), tables.account.alias("credit")
    names = ("id", "kind", "amount", "at", "period", "listener", "note")
    texts = (entry.c.period, entry.c.id, entry.c.kind)
    # By the bytes of the text, whatever language the database sorts in.
    order = [sa.collate(t, _collation(connection)) for t in texts]
    query = (
        sa.select(
            *(entry.c[name] for name in names),
            debit.c.name.label("debit"),
            credit.c.name.label("credit"),
        )
        .join_from(entry, debit, debit.c.id == entry.c.debit)
        .join(credit, credit.c.id == entry.c.credit)
        .order_by(*order)
    )
    if kinds:
        query = query.where(entry.c.kind.in_(list(kinds)))
    for row in connection.execute(query, execution_options={"yield_per": _CHUNK}):
        yield JournalEntry(**row._mapping)


def _collation(connection: Connection) -> str:
    return "BINARY" if connection.dialect.name == "sqlite" else "C"
