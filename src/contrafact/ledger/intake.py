"""Reading plays from files and pipes: JSON lines, CSV, Parquet.

Rows come one after the other with their place, so that reading can go on where
it stopped. Nothing is read ahead but what one batch takes; a pipe that writes
faster than the disk can keep has to wait.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import BinaryIO, NamedTuple

from contrafact.core.errors import LedgerError, PlayFileError
from contrafact.ledger.codecs import PLAY_FIELDS, play_from_json
from contrafact.ledger.records import PlayEvent

__all__ = ["PlayRow", "digest_file", "file_rows", "quiet_rows", "stream_rows"]

MAX_LINE = 1 << 20
"""Bytes of one line; more is no event."""

_BLOCK = 1 << 20
_KEPT = 2000
_AT_ONCE = 2000
_REQUIRED = ("event_id", "output_id", "at", "amount_minor", "currency")


class PlayRow(NamedTuple):
    """One row of a file.

    Attributes:
        place: The line of JSON or the row of a table, counted from 1.
        text: What it says, cut to 2,000 characters.
        event: The play; None if it is none.
        reason: Why it is none; "" if it is one.
    """

    place: int
    text: str
    event: PlayEvent | None
    reason: str


def digest_file(path: Path, progress: Callable[[int, int], None]) -> str:
    """Return the SHA-256 of a file, told of bytes read and bytes in all.

    Raises:
        PlayFileError: If it cannot be read.
    """
    state, n_read = hashlib.sha256(), 0
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                state.update(block)
                n_read += len(block)
                progress(n_read, size)
    except OSError as error:
        raise _unreadable(path, error) from error
    return state.hexdigest()


def _unreadable(path: Path, error: OSError) -> PlayFileError:
    return PlayFileError(
        f"Cannot read {path}: {error.strerror or error}. Give a file of JSON lines, "
        "CSV or Parquet, or - for standard input."
    )


def file_rows(path: Path, *, skip: int = 0) -> Iterator[tuple[PlayRow, int]]:
    """Yield the rows of a file, each with the bytes read so far.

    Args:
        path: Parquet if it is named `.parquet`, else JSON lines or CSV, told
            apart by the first character.
        skip: Rows that are known already.

    Raises:
        PlayFileError: If it cannot be read, or is no such file.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            yield from ((row, 0) for row in _parquet_rows(path, skip))
            return
        with path.open("rb") as file:
            for row in stream_rows(file, skip=skip):
                yield row, file.tell()
    except OSError as error:
        raise _unreadable(path, error) from error


def stream_rows(file: BinaryIO, *, skip: int = 0) -> Iterator[PlayRow]:
    """Yield the rows of JSON lines or CSV, in UTF-8.

    Raises:
        PlayFileError: If it is a table without the columns of a play.
    """
    lines = _lines(file)
    first, n_empty = b"", 0
    for first in lines:
        if first.strip(b"\xef\xbb\xbf \t\r\n"):
            break
        n_empty += 1
    else:
        return

    def everything() -> Iterator[bytes]:
        # Empty lines count, so that places are those of an editor.
        yield from [b"\n"] * n_empty
        yield first.removeprefix(b"\xef\xbb\xbf")
        yield from lines

    is_json = first.lstrip(b"\xef\xbb\xbf \t").startswith(b"{")
    rows = _json_rows(everything()) if is_json else _csv_rows(everything())
    yield from (_parsed(*row) for row in rows if row[0] > skip)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long, the beginning."""
    while line := file.readline(MAX_LINE):
        kept = line
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE)
        yield kept


def _json_rows(lines: Iterator[bytes]) -> Iterator[tuple[int, str, object]]:
    for place, line in enumerate(lines, start=1):
        text = line.decode("utf-8", "surrogateescape")
        if not text.strip():
            continue
        try:
            found = json.loads(text, parse_float=Decimal)
        except (ValueError, RecursionError):
            found = None
        yield place, text, found


def _csv_rows(lines: Iterator[bytes]) -> Iterator[tuple[int, str, object]]:
    text = (line.decode("utf-8", "surrogateescape") for line in lines)
    reader = csv.DictReader(text)
    columns = reader.fieldnames or ()
    if missing := [name for name in _REQUIRED if name not in columns]:
        raise PlayFileError(
            f"This is neither JSON lines nor a table of plays: it has no column "
            f"'{missing[0]}'. It needs {', '.join(PLAY_FIELDS)}."
        )
    for place, row in enumerate(reader, start=1):
        # A row with too many cells has them under None.
        is_whole = None not in row
        yield place, ",".join(map(str, row.values())), row if is_whole else None


def _parquet_rows(path: Path, skip: int) -> Iterator[PlayRow]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise PlayFileError(
            "Parquet needs pyarrow. Install it: pip install 'contrafact[parquet]'."
        ) from error
    try:
        with ParquetFile(path) as file:
            if missing := [n for n in _REQUIRED if n not in file.schema_arrow.names]:
                raise PlayFileError(f"{path} has no column '{missing[0]}'.")
            place = 0
            for batch in file.iter_batches(batch_size=_AT_ONCE):
                if place + len(batch) <= skip:
                    place += len(batch)
                    continue
                for row in batch.to_pylist():
                    place += 1
                    if place > skip:
                        yield _parsed(place, json.dumps(row, default=str), row)
    except ArrowException as error:
        raise PlayFileError(
            f"{path} is no Parquet file, or damaged: {error}"
        ) from error


def _parsed(place: int, text: str, found: object) -> PlayRow:
    kept = text.strip()[:_KEPT].encode("utf-8", "replace").decode()
    if not isinstance(found, dict):
        return PlayRow(place, kept, None, "This is no JSON object or row of a play.")
    try:
        return PlayRow(place, kept, play_from_json(found), "")
    except (LedgerError, ValueError, TypeError, OverflowError) as error:
        return PlayRow(place, kept, None, str(error))


def quiet_rows(
    rows: Iterator[PlayRow], *, wait_s: float, n_ahead: int
) -> Iterator[PlayRow | None]:
    """Yield rows as they come, and None whenever none came for a while.

    So that what a slow pipe brought is kept in time, and not when a batch is
    full. At most `n_ahead` rows are read before they are asked for.
    """
    queue: Queue[PlayRow | BaseException | None] = Queue(maxsize=n_ahead)

    def read() -> None:
        try:
            for row in rows:
                queue.put(row)
            queue.put(None)
        # Whatever it is, it is raised again where the rows are used.
        except BaseException as error:
            queue.put(error)

    Thread(target=read, daemon=True).start()
    while True:
        try:
            row = queue.get(timeout=wait_s)
        except Empty:
            yield None
            continue
        if row is None:
            return
        if isinstance(row, BaseException):
            raise row
        yield row
