"""Taking recordings into the catalog: find, examine, register.

Files are taken in a fixed order and in batches, each registered whole or not
at all, so a run that was killed is finished by running it again, with the
same result. What is wrong comes back as a list of problems.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from contrafact.catalog._entries import Rows, Sound, make_entry
from contrafact.catalog._rows import Entry
from contrafact.catalog._walk import Found, find_audio
from contrafact.catalog.audio import audio_problems, probe_audio, read_tags
from contrafact.catalog.files import digest_file
from contrafact.catalog.metadata import read_metadata
from contrafact.catalog.store import Catalog
from contrafact.catalog.workspace import Workspace
from contrafact.core.entities import Problem, Recording
from contrafact.core.errors import CatalogError
from contrafact.core.units import Digest, RecordingId

__all__ = ["IngestReport", "Progress", "examine", "ingest"]

_log = logging.getLogger(__name__)
_N_BATCH = 100

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        taken: Recordings that are new, or whose metadata changed.
        unchanged: Recordings that were in the catalog as they are now.
        problems: Everything that was wrong, in the order of the files.
        n_consents: Consents taken from tables beside the audio.
        n_reservations: Reservations taken from what the files declare.
    """

    taken: tuple[RecordingId, ...] = ()
    unchanged: tuple[RecordingId, ...] = ()
    problems: tuple[Problem, ...] = ()
    n_consents: int = 0
    n_reservations: int = 0

    @property
    def is_success(self) -> bool:
        """Whether any of the files is in the catalog now."""
        return bool(self.taken or self.unchanged)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Examined:
    """One file, looked at; `sound` is None where it cannot be taken."""

    path: Path
    sound: Sound | None
    suffix: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def ingest(
    workspace: Workspace,
    paths: Sequence[str | Path],
    *,
    metadata: str | Path | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    n_workers: int = 2,
) -> IngestReport:
    """Take audio files into the workspace's catalog.

    Files that are there already are not decoded again; their metadata is
    brought up to date if a table is given. The workspace keeps its own copy.

    Args:
        workspace: Where to; it is locked meanwhile.
        paths: Files and folders. With a table given, folders below that have
            a `metadata.csv` of their own are left out, and reported.
        metadata: A table about them; see `read_metadata`.
        strict: Take nothing at all if there is any problem.
        progress: Called after every file, from this thread.
        n_workers: Files to decode at a time.

    Returns:
        What was taken, what was there, and what was wrong.

    Raises:
        MetadataError: If the table cannot be read at all.
        WorkspaceLockedError: If another process holds the workspace.
        StorageError: If the disk is full or not writable. What was registered
            before stays; run it again to go on.
    """
    roots = [Path(path) for path in paths]
    table = None if metadata is None else read_metadata(metadata)
    with workspace.lock(), workspace.catalog() as catalog:
        workspace.files.remove_leftovers()
        found = find_audio(
            roots,
            skip=_own_folders(workspace),
            table=None if table is None else table.path,
        )
        rows = Rows(table, found.paths, roots)
        with ThreadPoolExecutor(max_workers=n_workers) as pool:
            run = _Run(workspace, catalog, rows, pool=pool, progress=progress)
            return run.take(found, strict=strict)


def examine(
    paths: Sequence[str | Path],
    *,
    metadata: str | Path | None = None,
    known: Sequence[Recording] = (),
    progress: Progress | None = None,
    n_workers: int = 2,
) -> tuple[list[Entry], list[Problem]]:
    """Look at audio files as `ingest` does, and take nothing.

    Args:
        paths: Files and folders.
        metadata: A table about them; see `read_metadata`.
        known: Recordings of a catalog; files of theirs are not decoded again.
        progress: Called after every file, from this thread.
        n_workers: Files to decode at a time.

    Returns:
        An entry for each file that can be read, under the name of that file,
        copies of one another too; and everything that was wrong.

    Raises:
        MetadataError: If the table cannot be read at all.
    """
    roots = [Path(path) for path in paths]
    table = None if metadata is None else read_metadata(metadata)
    found = find_audio(
        roots, skip=frozenset(), table=None if table is None else table.path
    )
    rows = Rows(table, found.paths, roots)
    look = partial(_examine, known={r.digest: r for r in known})
    entries, problems = [], [*found.problems, *rows.problems]
    with ThreadPoolExecutor(max_workers=n_workers) as pool:
        for number, one in enumerate(pool.map(look, found.paths), start=1):
            problems += one.problems
            if one.sound is not None:
                entry, notes = make_entry(
                    one.path, one.sound, tags=one.tags, row=rows.of(one.path)
                )
                entries.append(entry)
                problems += notes
            if progress is not None:
                progress(number, len(found.paths))
    return entries, problems


def _own_folders(workspace: Workspace) -> frozenset[Path]:
    """Return the folders of the workspace that may lie below a path given."""
    w = workspace
    own = (w.files.root, w.models_dir, w.indexes_dir, w.attributions_dir, w.cache_dir)
    return frozenset(folder.absolute() for folder in own)


class _Run:
    """One ingest on its way."""

    def __init__(
        self,
        workspace: Workspace,
        catalog: Catalog,
        rows: Rows,
        *,
        pool: ThreadPoolExecutor,
        progress: Progress | None,
    ) -> None:
        self._files, self._catalog, self._rows = workspace.files, catalog, rows
        self._pool, self._progress = pool, progress
        self._known = {r.digest: r for r in catalog.recordings()}
        self._taken: list[RecordingId] = []
        self._unchanged: list[RecordingId] = []
        self._problems = list(rows.problems)
        self._n_done = 0

    def take(self, found: Found, *, strict: bool) -> IngestReport:
        """Examine and register all files, in batches unless `strict`."""
        self._problems = [*found.problems, *self._problems]
        paths = found.paths
        n_batch = max(1, len(paths)) if strict else _N_BATCH
        for start in range(0, len(paths), n_batch):
            batch = paths[start : start + n_batch]
            new = list(self._entries(batch, n_all=len(paths)))
            if strict and self._problems:
                break
            self._register(new)
        if strict and self._problems:
            fatal = (replace(problem, is_fatal=True) for problem in self._problems)
            return IngestReport(problems=tuple(fatal))
        return IngestReport(
            taken=tuple(self._taken),
            unchanged=tuple(self._unchanged),
            problems=tuple(self._problems),
        )

    def _entries(
        self, batch: Sequence[Path], *, n_all: int
    ) -> Iterator[tuple[_Examined, Entry]]:
        """Yield what is new or changed in a batch."""
        examine = partial(_examine, known=self._known)
        for examined in self._pool.map(examine, batch):
            entry = self._judge(examined)
            if entry is not None:
                yield examined, entry
            self._n_done += 1
            if self._progress is not None:
                self._progress(self._n_done, n_all)

    def _judge(self, examined: _Examined) -> Entry | None:
        """Note the problems of a file; return its entry if there is work to do."""
        path, sound = examined.path, examined.sound
        self._problems += examined.problems
        if self._rows.is_rejected(path) or sound is None:
            return None
        row = self._rows.of(path)
        if self._rows.is_given and row is None:
            self._warn(path, "no row in the metadata; its tags or name are used.")
        known = self._known.get(sound.digest)
        if known is not None and self._is_duplicate(path, known):
            return None
        entry, problems = make_entry(path, sound, tags=examined.tags, row=row)
        self._problems += problems
        if known is not None and (row is None or _is_same(entry.recording, known)):
            self._unchanged.append(known.id)
            return None
        self._known[sound.digest] = entry.recording
        return entry

    def _is_duplicate(self, path: Path, known: Recording) -> bool:
        if os.path.abspath(known.file) == os.path.abspath(path):
            return False
        # A file that was only moved is not a duplicate of itself.
        if not os.path.exists(known.file):
            return False
        self._warn(path, f"same bytes as {known.file} ({known.id}); taken once.")
        return True

    def _warn(self, path: Path, message: str) -> None:
        problem = Problem(source=str(path), message=message, is_fatal=False)
        self._problems.append(problem)

    def _register(self, new: Sequence[tuple[_Examined, Entry]]) -> None:
        """Copy the files, then enter them: the catalog never names a missing one."""
        results = self._pool.map(self._copy, [examined for examined, _ in new])
        entries = []
        for (_, entry), problem in zip(new, results, strict=True):
            if problem is None:
                entries.append(entry)
            else:
                self._problems.append(problem)
        if entries:
            self._catalog.add(entries)
            self._taken += [entry.recording.id for entry in entries]
            _log.info("registered %d recordings", len(entries))

    def _copy(self, examined: _Examined) -> Problem | None:
        try:
            self._files.put(examined.path, suffix=examined.suffix)
        except CatalogError as error:
            return Problem(source=str(examined.path), message=str(error))
        return None


def _is_same(recording: Recording, known: Recording) -> bool:
    return replace(recording, file=known.file) == known


def _examine(path: Path, *, known: dict[Digest, Recording]) -> _Examined:
    """Look at one file; decode it only if its bytes are new."""
    try:
        digest = digest_file(path)
        before = known.get(digest)
        if before is not None:
            sound = _sound_of(before)
            return _Examined(path=path, sound=sound, tags=read_tags(path))
        return _probed(path, digest)
    except CatalogError as error:
        message = str(error).removeprefix(f"{path} ")
        problem = Problem(source=str(path), message=message)
        return _Examined(path=path, sound=None, problems=(problem,))


def _probed(path: Path, digest: Digest) -> _Examined:
    facts = probe_audio(path)
    problems = tuple(audio_problems(facts))
    if any(problem.is_fatal for problem in problems):
        return _Examined(path=path, sound=None, problems=problems)
    sound = Sound(
        digest=digest,
        duration_s=facts.duration_s,
        sample_rate=facts.sample_rate,
        n_channels=facts.n_channels,
    )
    return _Examined(
        path=path,
        sound=sound,
        suffix=facts.suffix,
        tags=read_tags(path),
        problems=problems,
    )


def _sound_of(recording: Recording) -> Sound:
    return Sound(
        digest=recording.digest,
        duration_s=recording.duration_s,
        sample_rate=recording.sample_rate,
        n_channels=recording.n_channels,
    )
