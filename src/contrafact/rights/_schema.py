"""The tables of the registry of consents."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Integer, MetaData, Table, Text

__all__ = ["METADATA", "VERSION", "consent", "disclosure", "holding", "meta"]

VERSION = 1
"""Of the tables; a database with a higher one is refused."""

METADATA = MetaData()


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _perhaps(name: str) -> Column[str]:
    return Column(name, Text, nullable=True)


meta = Table("rights_meta", METADATA, Column("version", Integer, primary_key=True))

# Days are text as in 2026-01-31, which sorts as it should in every database.
consent = Table(
    "consent",
    METADATA,
    _text("id", primary_key=True),
    _text("right"),
    _text("subject_kind"),
    _text("subject_id"),
    # What recordings are looked up by; a work by ISWC has its catalog id here.
    _text("subject_key", index=True),
    _text("grantor"),
    _text("use"),
    Column("is_allowed", Boolean, nullable=False),
    _text("territory"),
    _perhaps("valid_from"),
    _perhaps("valid_until"),
    Column("is_revocable", Boolean, nullable=False),
    _text("source"),
    _text("source_digest"),
    _perhaps("signal_date"),
    _perhaps("revoked_from"),
    _perhaps("revoked_because"),
    _perhaps("title"),
    # The import that brought it, counted from 1.
    Column("batch", Integer, nullable=False),
)
holding = Table(
    "holding",
    METADATA,
    _text("id", primary_key=True),
    _text("right"),
    _text("subject_kind"),
    _text("subject_id"),
    _text("subject_key", index=True),
    Column("party_id", Text, nullable=True, index=True),
    _perhaps("party"),
    _perhaps("ipi_name"),
    _perhaps("ipi_base"),
    _perhaps("isni"),
    _text("share"),
    _text("territory"),
    _perhaps("valid_from"),
    _perhaps("valid_until"),
    _text("source"),
    _text("source_digest"),
    Column("batch", Integer, nullable=False),
)
disclosure = Table(
    "disclosure",
    METADATA,
    _text("id", primary_key=True),
    _text("subject_id"),
    _perhaps("contains_ai"),
    _text("contributions"),
    _text("source"),
    _text("source_digest"),
    _perhaps("signal_date"),
    Column("batch", Integer, nullable=False),
)
