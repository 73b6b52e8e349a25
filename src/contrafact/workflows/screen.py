"""Screening: a stream of uploads in, one record of evidence each out.

Two processes listen to a minute of each. What one of them dies of costs only
that upload. Records are kept, so that a run that was killed goes on; memory
does not grow with the number of uploads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from contrafact import __version__
from contrafact.catalog import Workspace
from contrafact.core.errors import ConfigError
from contrafact.core.evidence import Evidence
from contrafact.core.isolated import Lost, map_isolated
from contrafact.core.units import Seconds
from contrafact.workflows.evidence_documents import Names, document, read_names
from contrafact.workflows.listening import Listening, listen
from contrafact.workflows.match_indexes import (
    MatchIndexes,
    matching_dir,
    open_indexes,
    read_indexes,
)
from contrafact.workflows.origin import origin_of, origin_state
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.screened import Screened, Upload

__all__ = [
    "FORMAT",
    "SCREENING",
    "NameStream",
    "Screening",
    "records_of",
    "screen",
    "uploads_in",
]

FORMAT = 1
"""Of the records; raised when a field changes its meaning."""

SCREENING = Listening(
    most_s=60.0, is_excerpt=True, piece_s=12.0, works_s=19.5, works_first_s=11.4
)
"""How uploads are listened to: a minute of each, up to 19.5 s of it for works."""

_TIMEOUT_S = 300.0
Json = dict[str, Any]


class NameStream(Protocol):
    """Where names of files come from, such as `sys.stdin.buffer`."""

    def read1(self, n: int, /) -> bytes:
        """Return at most `n` bytes as soon as there are some; none at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """How to screen.

    Attributes:
        most_s: Listen to so much of each upload, in seconds above 0.
        n_workers: Processes.
        is_anew: Screen again what has a record already.
    """

    most_s: Seconds = 60.0
    n_workers: int = 2
    is_anew: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if not self.most_s > 0:
            raise ConfigError(f"Cannot listen to {self.most_s:g} s; give more than 0.")


def screen(
    workspace: Workspace,
    uploads: Iterable[Path],
    *,
    how: Screening | None = None,
    progress: Progress = silent,
) -> Iterator[Json]:
    """Yield the record of each upload, in the order in which they come.

    Args:
        workspace: Whose catalog is compared with.
        uploads: Files, as from `uploads_in`; read as they are needed.
        how: Settings; a minute of each in two processes if None.
        progress: Told how far the indexes are, before the first upload.

    Yields:
        Records as JSON has them; see `docs/screening.md`.

    Raises:
        MatchIndexError: If an index is damaged.
        StorageError: If the disk is full or not writable.
        WorkerError: If the processes cannot start.
    """
    how = how or Screening()
    listening = replace(SCREENING, most_s=how.most_s)
    yield from records_of(
        workspace, uploads, listening=listening, how=how, progress=progress
    )


def records_of(
    workspace: Workspace,
    uploads: Iterable[Path],
    *,
    listening: Listening,
    how: Screening,
    progress: Progress = silent,
) -> Iterator[Json]:
    """Yield the record of each file; `screen` with its own way of listening.

    Raises:
        MatchIndexError: If an index is damaged.
        StorageError: If the disk is full or not writable.
        WorkerError: If the processes cannot start.
    """
    indexes = open_indexes(workspace, progress)
    state = _state(workspace, indexes, listening)
    kept = Screened(
        matching_dir(workspace) / "screened" / f"{indexes.digest[:16]}.sqlite",
        json.dumps(state, sort_keys=True),
    )
    with kept.open() as records:
        stream = map_isolated(
            _screened,
            _to_do(uploads, records, is_anew=how.is_anew),
            how.n_workers,
            prepare=_prepare,
            given=(workspace.root, listening),
            timeout_s=_TIMEOUT_S + listening.most_s,
        )
        for task, result in stream:
            if task.known:
                record: Json = json.loads(task.known)
                yield record
                continue
            found = _lost(task, result) if isinstance(result, Lost) else result
            # Through text, so that a record is the same when it is read again.
            text = json.dumps({"format": FORMAT, **found, "method": state})
            records.add(task.upload, text)
            record = json.loads(text)
            yield record


def uploads_in(
    places: Iterable[Path], stream: NameStream | None = None
) -> Iterator[Path]:
    """Yield the files that are named, lie in named folders, or come on a stream.

    Everything in a folder is an upload, whatever its name, hidden files left
    out; in order of name, one folder at a time.

    Args:
        places: Files and folders; `-` stands for the stream.
        stream: Names of files, one a line, or separated by NUL as `find -print0`
            writes them.
    """
    for place in places:
        if str(place) == "-" and stream is not None:
            yield from _named_on(stream)
        elif place.is_dir():
            for where, folders, names in os.walk(place):
                folders[:] = sorted(f for f in folders if not f.startswith("."))
                yield from (Path(where, n) for n in sorted(names) if n[0] != ".")
        else:
            yield place


def _named_on(stream: NameStream) -> Iterator[Path]:
    """Yield names as they arrive; NUL ends them if the first piece holds one."""
    end, rest = b"", b""
    while piece := stream.read1(1 << 16):
        rest += piece
        end = end or (b"\0" if b"\0" in rest else b"\n" if b"\n" in rest else b"")
        *names, rest = rest.split(end) if end else [rest]
        yield from (Path(os.fsdecode(name)) for name in names if name)
    if rest:
        yield Path(os.fsdecode(rest))


@dataclass(frozen=True, slots=True)
class _Task:
    upload: Upload
    known: str | None


def _to_do(
    uploads: Iterable[Path], records: Screened, *, is_anew: bool
) -> Iterator[_Task]:
    for path in uploads:
        upload = Upload.at(path)
        yield _Task(upload, None if is_anew else records.find(upload))


class _Ears:
    """What a process listens with; opened once."""

    def __init__(self, root: Path, listening: Listening) -> None:
        workspace = Workspace.open(root)
        self.indexes: MatchIndexes = read_indexes(matching_dir(workspace))
        self.names: Names = read_names(workspace)
        self.origin = partial(origin_of, workspace)
        self.listening = listening


_ears: _Ears | None = None


def _prepare(root: Path, listening: Listening) -> None:
    global _ears  # noqa: PLW0603 - one set for each process
    _ears = _Ears(root, listening)


def _screened(task: _Task) -> Json:
    if task.known is not None or _ears is None:
        return {}
    found = listen(
        task.upload.path, _ears.indexes, _ears.listening, origin=_ears.origin
    )
    return document(found, _ears.names)


def _lost(task: _Task, result: Lost) -> Json:
    found = Evidence(file=str(task.upload.path), problem=result.reason)
    return document(found, Names(recordings={}, works={}))


def _state(workspace: Workspace, indexes: MatchIndexes, listening: Listening) -> Json:
    """Return what a record depends on beside the file itself."""
    return {
        "contrafact": __version__,
        "index": indexes.digest,
        "n_recordings": len(indexes.recording_ids),
        "listening": asdict(listening),
        "origin": origin_state(workspace),
    }
