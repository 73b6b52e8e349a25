"""Plays into the journal: from files and pipes, resumable, with what was refused."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from contrafact.catalog import Workspace
from contrafact.catalog.atomic import write_bytes
from contrafact.ledger.codecs import play_to_json
from contrafact.ledger.intake import (
    PlayRow,
    digest_file,
    file_rows,
    quiet_rows,
    stream_rows,
)
from contrafact.ledger.journal import IntakeMark, IntakeState, Journal
from contrafact.ledger.records import PlayEvent
from contrafact.workflows.ledger import open_journal
from contrafact.workflows.plans import sync_plans
from contrafact.workflows.progress import Progress, silent, stage_progress

__all__ = ["BATCH", "IntakeReport", "ingest_into", "ingest_plays", "play_template"]

BATCH = 2000
"""Plays that share one flush to the disk."""

_WAIT_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeReport:
    """What came of a file of plays, over all runs that it took.

    Attributes:
        n_read: Rows of the file.
        n_new: Taken into the journal.
        n_known: In the journal before, with the same content.
        n_rejected: Refused; `rejects` has them, each with its reason.
        n_resumed: Rows that an earlier run had read already.
        n_plans: Split plans made for outputs that had none.
    """

    n_read: int
    n_new: int
    n_known: int
    n_rejected: int
    n_resumed: int
    n_plans: int
    rejects: Path | None


def ingest_plays(
    workspace: Workspace,
    source: Path | BinaryIO,
    *,
    rejects: Path | None = None,
    progress: Progress = silent,
) -> IntakeReport:
    """Take the plays of a file or a pipe into the workspace's journal.

    Batches are kept whole or not at all, with how far the file was read; run
    again after an interruption, it goes on from there. A pipe has no place to
    go on from: send all of it again, known plays count once.

    Args:
        workspace: Where the journal is.
        source: JSON lines, CSV or Parquet; or an open stream of the first two.
        rejects: Where to write what was refused; beside the file if None.
        progress: Told of bytes or rows read.

    Raises:
        PlayFileError: If the file cannot be read, or is no file of plays.
        StorageError: If the disk is full; nothing of the last batch is kept.
    """
    with open_journal(workspace) as journal:
        planned = sync_plans(workspace, journal)
        target = rejects or _rejects_beside(workspace, source)
        return ingest_into(
            journal, source, rejects=target, n_plans=planned.n_new, progress=progress
        )


def _rejects_beside(workspace: Workspace, source: Path | BinaryIO) -> Path:
    if isinstance(source, Path):
        return source.with_name(f"{source.name}.rejects.jsonl")
    return workspace.root / "plays.rejects.jsonl"


def ingest_into(
    journal: Journal,
    source: Path | BinaryIO,
    *,
    rejects: Path,
    n_plans: int = 0,
    progress: Progress = silent,
) -> IntakeReport:
    """Take plays into an open journal; see `ingest_plays`."""
    if isinstance(source, Path):
        digest = digest_file(source, stage_progress(progress, "reading"))
        name, before = source.name, journal.intake(digest)
        size = source.stat().st_size
        rows = _counted(source, before.n_read, size, progress)
    else:
        digest, name, before = f"stream-{secrets.token_hex(8)}", "-", IntakeState()
        plain = stream_rows(source)
        rows = quiet_rows(plain, wait_s=_WAIT_S, n_ahead=2 * BATCH)
    if not before.is_done:
        _post_all(
            journal, rows, IntakeMark(digest=digest, name=name, n_read=before.n_read)
        )
    after = journal.intake(digest)
    refused = journal.rejects(digest)
    if refused:
        lines = (
            json.dumps({"row": place, "reason": reason, "text": text})
            for place, reason, text in refused
        )
        write_bytes(rejects, "".join(f"{line}\n" for line in lines).encode())
    return IntakeReport(
        n_read=after.n_read,
        n_new=after.n_new,
        n_known=after.n_known,
        n_rejected=after.n_rejected,
        n_resumed=before.n_read,
        n_plans=n_plans,
        rejects=rejects if refused else None,
    )


def _counted(
    path: Path, skip: int, size: int, progress: Progress
) -> Iterator[PlayRow | None]:
    """Yield rows of a file, telling how far it is after each batch or so."""
    for number, (row, n_bytes) in enumerate(file_rows(path, skip=skip)):
        if number % BATCH == 0 and n_bytes:
            progress("plays", n_bytes, size)
        yield row
    progress("plays", size, size)


def _post_all(
    journal: Journal, rows: Iterator[PlayRow | None], start: IntakeMark
) -> None:
    """Post rows batch by batch; a silence ends a batch too."""
    batch: list[PlayRow] = []
    n_read = start.n_read
    for row in rows:
        if row is not None:
            batch.append(row)
            n_read = row.place
        if len(batch) >= BATCH or (row is None and batch):
            _post(journal, batch, start, n_read)
            batch = []
    _post(journal, batch, start, n_read, is_done=True)


def _post(
    journal: Journal,
    batch: list[PlayRow],
    start: IntakeMark,
    n_read: int,
    *,
    is_done: bool = False,
) -> None:
    good = [row for row in batch if row.event is not None]
    mark = IntakeMark(
        digest=start.digest,
        name=start.name,
        n_read=n_read,
        places=tuple(row.place for row in good),
        texts=tuple(row.text for row in good),
        bad=tuple((r.place, r.reason, r.text) for r in batch if r.event is None),
        is_done=is_done,
    )
    journal.post([row.event for row in good if row.event is not None], mark=mark)


def play_template(workspace: Workspace) -> dict[str, Any]:
    """Return a valid play of the workspace: of an attributed song if it has one."""
    runs = sorted(workspace.attributions_dir.glob("*/attribution.json"))
    output = "0" * 64
    if runs:
        output = json.loads(runs[0].read_text(encoding="utf-8"))["query"]["digest"]
    event = PlayEvent(
        event_id="example-0001",
        output_id=output,
        at=datetime(2026, 1, 31, 12, tzinfo=UTC),
        amount_minor=1,
        currency="EUR",
        user="listener-1",
        territory="DE",
    )
    return play_to_json(event)
