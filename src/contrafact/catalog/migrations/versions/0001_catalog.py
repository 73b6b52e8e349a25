"""The first tables: parties, works, releases, recordings, segments."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TABLES = ("segment", "recording_artist", "recording", "release", "work", "party")


def _create(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(name, *columns, sqlite_with_rowid=False)


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Text, primary_key=True, nullable=False)


def _reference(name: str, target: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, sa.ForeignKey(target), nullable=True)


def _create_recording() -> None:
    _create(
        "recording",
        _id(),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("duration_s", sa.Float(53), nullable=False),
        sa.Column("sample_rate", sa.Integer, nullable=False),
        sa.Column("n_channels", sa.Integer, nullable=False),
        _reference("work_id", "work.id"),
        _reference("release_id", "release.id"),
        _reference("label", "party.id"),
        sa.Column("isrc", sa.Text),
        sa.Column("group", sa.Text),
        sa.Column("caption", sa.Text),
        sa.Column("caption_anonymous", sa.Text),
    )


def _create_parts_of_recording() -> None:
    recording = sa.ForeignKey("recording.id")
    _create(
        "recording_artist",
        sa.Column("recording_id", sa.Text, recording, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("party_id", sa.Text, sa.ForeignKey("party.id"), nullable=False),
    )
    _create(
        "segment",
        _id(),
        sa.Column(
            "recording_id", sa.Text, sa.ForeignKey("recording.id"), nullable=False
        ),
        sa.Column("start_s", sa.Float(53), nullable=False),
        sa.Column("end_s", sa.Float(53), nullable=False),
    )


def upgrade() -> None:
    """Create the tables."""
    _create("party", _id(), sa.Column("name", sa.Text, nullable=False))
    _create(
        "work",
        _id(),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("iswc", sa.Text),
    )
    _create(
        "release",
        _id(),
        sa.Column("title", sa.Text, nullable=False),
        _reference("label", "party.id"),
    )
    _create_recording()
    _create_parts_of_recording()


def downgrade() -> None:
    """Drop the tables."""
    for name in _TABLES:
        op.drop_table(name)
