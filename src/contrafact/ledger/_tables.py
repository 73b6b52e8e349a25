"""The tables of the journal, and the triggers that let nobody edit it.

An entry has one account to debit, one to credit and one amount, so that it
balances by construction. What plays are added up in is a *pot*: an account of
one output on one day. Its totals are sums of entries, kept with them in the
same transaction; `Journal.check` adds them up again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "APPEND_ONLY",
    "METADATA",
    "VERSION",
    "account",
    "closing",
    "dispute",
    "entry",
    "guards",
    "intake",
    "meta",
    "plan",
    "pot",
    "rate_card",
    "reject",
    "waiting",
]

VERSION = 1
"""Of the tables; a database with a higher one is refused."""

METADATA = MetaData()

# SQLite counts rows by itself only where the column is exactly INTEGER.
_COUNT = BigInteger().with_variant(Integer, "sqlite")


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _whole(name: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **options)


meta = Table("ledger_meta", METADATA, Column("version", Integer, primary_key=True))

account = Table(
    "account",
    METADATA,
    # Counted by the one writer, so that many can be made at once.
    Column("id", _COUNT, primary_key=True, autoincrement=False),
    _text("name", unique=True),
)
# Days and periods are text as in 2026-01-31 and 2026-01, which sorts by time.
entry = Table(
    "entry",
    METADATA,
    Column("seq", _COUNT, primary_key=True),
    # Of the play, or of what an entry is about; with the kind, what is unique.
    _text("id"),
    _text("kind"),
    _whole("debit"),
    _whole("credit"),
    _whole("amount"),
    _text("at"),
    _text("period"),
    _text("listener"),
    _text("note"),
    UniqueConstraint("id", "kind"),
)
pot = Table(
    "pot",
    METADATA,
    # The account that its plays credit.
    Column("id", _COUNT, primary_key=True, autoincrement=False),
    _text("output_id"),
    _text("currency"),
    _text("day"),
    _text("territory"),
    _text("play_kind"),
    _text("period"),
    _whole("total"),
    _whole("flagged"),
    _whole("n_plays"),
    _whole("n_reversed"),
    UniqueConstraint(
        "output_id", "currency", "day", "territory", "play_kind", "period"
    ),
)
# What was decided while `after` was the last closed period counts from the next.
plan = Table(
    "plan",
    METADATA,
    _text("id", primary_key=True),
    _text("output_id", index=True),
    _text("after"),
    _text("document"),
)
rate_card = Table(
    "rate_card",
    METADATA,
    _text("id", primary_key=True),
    _text("after"),
    _text("document"),
)
dispute = Table(
    "dispute",
    METADATA,
    _text("id", primary_key=True),
    _text("kind", primary_key=True),
    _text("output_id"),
    _text("source_id"),
    _text("payee"),
    _text("reason"),
    _text("after"),
)
closing = Table(
    "closing",
    METADATA,
    _text("period", primary_key=True),
    _text("digest"),
)
# A reversal or a flag of a play that has not come yet.
waiting = Table(
    "waiting",
    METADATA,
    _text("id", primary_key=True),
    _text("kind", primary_key=True),
    _text("reason"),
)
intake = Table(
    "intake",
    METADATA,
    _text("digest", primary_key=True),
    _text("name"),
    _whole("n_read"),
    _whole("n_new"),
    _whole("n_known"),
    _whole("n_rejected"),
    Column("is_done", Integer, nullable=False),
)
reject = Table(
    "reject",
    METADATA,
    _text("digest", primary_key=True),
    _whole("place", primary_key=True),
    _text("reason"),
    _text("text"),
)

APPEND_ONLY = ("entry", "plan", "rate_card", "dispute", "closing", "waiting")
"""Tables whose rows are never changed nor removed."""

_REFUSAL = "the journal is only added to; correct it by a reversal"


def guards(dialect: str) -> list[str]:
    """Return the statements that make the database refuse edits.

    Args:
        dialect: `sqlite` or `postgresql`.
    """
    pairs = [(t, e) for t in APPEND_ONLY for e in ("UPDATE", "DELETE")]
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {t}_no_{e.lower()} BEFORE {e} ON {t} "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            for t, e in pairs
        ]
    function = (
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger AS $$ BEGIN "
        f"RAISE EXCEPTION '{_REFUSAL}'; END $$ LANGUAGE plpgsql"
    )
    return [
        function,
        *(
            f"CREATE TRIGGER {t}_no_{e.lower()} BEFORE {e} ON {t} "
            "FOR EACH ROW EXECUTE FUNCTION ledger_refuse()"
            for t, e in pairs
        ),
    ]
