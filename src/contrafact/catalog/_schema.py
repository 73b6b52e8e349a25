"""The tables of the catalog, as the newest migration leaves them.

Every key is text made from content and every row is stored in the order of its
key (`WITHOUT ROWID`), so that equal content is equal on disk in whatever order
it came in.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, Table, Text

__all__ = [
    "METADATA",
    "REVISION",
    "party",
    "recording",
    "recording_artist",
    "release",
    "segment",
    "work",
]

REVISION = "0001"
"""The newest migration, which these tables agree with."""

METADATA = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(name, METADATA, *columns, sqlite_with_rowid=False)


def _id(name: str = "id") -> Column[str]:
    return Column(name, Text, primary_key=True, nullable=False)


def _text(name: str, *, is_required: bool = False) -> Column[str]:
    return Column(name, Text, nullable=not is_required)


def _reference(name: str, target: str) -> Column[str]:
    return Column(name, Text, ForeignKey(target), nullable=True)


party = _table("party", _id(), _text("name", is_required=True))
work = _table("work", _id(), _text("title", is_required=True), _text("iswc"))
release = _table(
    "release", _id(), _text("title", is_required=True), _reference("label", "party.id")
)
recording = _table(
    "recording",
    _id(),
    _text("title", is_required=True),
    _text("digest", is_required=True),
    _text("file", is_required=True),
    Column("duration_s", Float(53), nullable=False),
    Column("sample_rate", Integer, nullable=False),
    Column("n_channels", Integer, nullable=False),
    _reference("work_id", "work.id"),
    _reference("release_id", "release.id"),
    _reference("label", "party.id"),
    _text("isrc"),
    _text("group"),
    _text("caption"),
    _text("caption_anonymous"),
)
recording_artist = _table(
    "recording_artist",
    Column("recording_id", Text, ForeignKey("recording.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("party_id", Text, ForeignKey("party.id"), nullable=False),
)
segment = _table(
    "segment",
    _id(),
    Column("recording_id", Text, ForeignKey("recording.id"), nullable=False),
    Column("start_s", Float(53), nullable=False),
    Column("end_s", Float(53), nullable=False),
)
