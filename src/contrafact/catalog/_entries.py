"""From a file's facts, tags and row of metadata to an entry of the catalog."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contrafact.catalog._rows import Entry
from contrafact.catalog.metadata import MetadataRow, MetadataTable
from contrafact.core.entities import Party, Problem, Recording, Release, Work
from contrafact.core.units import (
    Digest,
    Seconds,
    is_valid_isrc,
    party_id,
    recording_id,
    release_id,
    work_id,
)

__all__ = ["Rows", "Sound", "make_entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What the catalog keeps of the sound itself."""

    digest: Digest
    duration_s: Seconds
    sample_rate: int
    n_channels: int


class Rows:
    """The rows of a table, found by the files they speak of."""

    def __init__(
        self, table: MetadataTable | None, paths: Sequence[Path], roots: Sequence[Path]
    ) -> None:
        """Resolve every row to one of `paths`.

        A row names its file in full, from the table's folder, from one of the
        `roots`, or by a file name that occurs once.
        """
        self._by_path: dict[str, MetadataRow] = {}
        self._rejected: set[str] = set()
        self.problems: list[Problem] = []
        self.is_given = table is not None
        if table is None:
            return
        self.problems += table.problems
        self._bases = [table.path.parent, *roots]
        self._known = {os.path.abspath(path) for path in paths}
        counts = Counter(path.name for path in paths)
        self._by_name = {
            p.name: os.path.abspath(p) for p in paths if counts[p.name] == 1
        }
        for file in table.rejected:
            self._rejected.add(self._resolve(file) or "")
        for path, rows in self._placed(table.rows).items():
            self._use(path, rows)

    def _resolve(self, file: str) -> str | None:
        """Return the path of the file, or None if there is no such file."""
        candidates = [os.path.abspath(base / file) for base in self._bases]
        found = next((path for path in candidates if path in self._known), None)
        found = found or self._by_name.get(file)
        return found or next((p for p in candidates if os.path.exists(p)), None)

    def _placed(self, rows: Sequence[MetadataRow]) -> dict[str, list[MetadataRow]]:
        """Return the rows by the file they speak of, however they name it."""
        placed: dict[str, list[MetadataRow]] = defaultdict(list)
        for row in rows:
            path = self._resolve(row.file)
            if path is not None:
                placed[path].append(row)
                continue
            message = f"no file '{row.file}' on disk. Correct the name or add the file."
            self.problems.append(Problem(source=row.source, message=message))
        return placed

    def _use(self, path: str, rows: Sequence[MetadataRow]) -> None:
        """Take the row about a file, unless several contradict each other."""
        said = [replace(row, source="", file="") for row in rows]
        if all(content == said[0] for content in said):
            self._by_path[path] = rows[0]
            return
        self._rejected.add(path)
        for row in rows:
            other = next(r for r in rows if r is not row)
            message = (
                f"'{row.file}' is the file of line {other.source.rpartition(':')[2]} "
                "too, with other values. Correct one of them; both were left out."
            )
            self.problems.append(Problem(source=row.source, message=message))

    def of(self, path: Path) -> MetadataRow | None:
        """Return the row about this file, or None."""
        return self._by_path.get(os.path.abspath(path))

    def is_rejected(self, path: Path) -> bool:
        """Tell whether the file's rows contradict each other."""
        return os.path.abspath(path) in self._rejected


def make_entry(
    path: Path,
    sound: Sound,
    *,
    tags: Mapping[str, str],
    row: MetadataRow | None,
) -> tuple[Entry, list[Problem]]:
    """Return the entry of a recording; the table goes before the tags.

    Without either, the file's name is the title.
    """
    row = row or MetadataRow(source=str(path), file=str(path))
    isrc, problems = (row.isrc, []) if row.isrc else _tagged_isrc(path, tags)
    title = row.title or tags.get("title") or path.stem
    artists = _parties(row.artists or tuple(tags.get("artist", "").split(";")))
    labels = _parties((row.label or tags.get("label") or "",))
    work = _work(row, title)
    release = _release(row.release or tags.get("album"), labels)
    recording = Recording(
        id=recording_id(sound.digest),
        title=title,
        digest=sound.digest,
        file=str(path),
        duration_s=sound.duration_s,
        sample_rate=sound.sample_rate,
        n_channels=sound.n_channels,
        artists=tuple(party.id for party in artists),
        work_id=work.id if work else None,
        release_id=release.id if release else None,
        label=labels[0].id if labels else None,
        isrc=isrc,
        group=row.group,
        caption=row.caption or tags.get("contrafact_caption"),
        caption_anonymous=row.caption_anonymous,
    )
    parties = (*artists, *labels)
    entry = Entry(recording=recording, parties=parties, work=work, release=release)
    return entry, problems


def _tagged_isrc(
    path: Path, tags: Mapping[str, str]
) -> tuple[str | None, list[Problem]]:
    isrc = tags.get("isrc")
    if isrc is None:
        return None, []
    if is_valid_isrc(isrc):
        return isrc.replace("-", "").upper(), []
    message = f"the ISRC '{isrc}' in its tags is not valid; left out. Correct it."
    return None, [Problem(source=str(path), message=message, is_fatal=False)]


def _parties(names: Sequence[str]) -> list[Party]:
    stripped = [name.strip() for name in names if name.strip()]
    parties = {party_id(name): name for name in reversed(stripped)}
    return [Party(id=id_, name=name) for id_, name in reversed(parties.items())]


def _work(row: MetadataRow, title: str) -> Work | None:
    if row.work is None and row.iswc is None:
        return None
    named = row.work or title
    return Work(id=work_id(named, row.iswc), title=named, iswc=row.iswc)


def _release(title: str | None, labels: Sequence[Party]) -> Release | None:
    if not title:
        return None
    label = labels[0] if labels else None
    id_ = release_id(title, label.name if label else "")
    return Release(id=id_, title=title, label=label.id if label else None)
