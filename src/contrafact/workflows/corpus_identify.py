"""Corpus audit: which files are known recordings and works, and which are twins.

Every file is compared with the catalog, and with every other file of the
corpus. What is done is kept in the workspace: a run that was killed goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrafact.catalog import Workspace, atomic_path, write_bytes
from contrafact.core.errors import AudioError, CatalogError
from contrafact.core.matches import RecordingMatch
from contrafact.core.units import Seconds
from contrafact.matching import fingerprint
from contrafact.matching.evidence import MOST, coverage
from contrafact.matching.fingerprint import FingerprintIndex
from contrafact.reports.corpus import render_corpus
from contrafact.workflows.listening import Heard, Listening, hear
from contrafact.workflows.match_indexes import RATE, matching_dir, resampled
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.screen import Screening, records_of, uploads_in

__all__ = [
    "CORPUS_LISTENING",
    "CorpusAudit",
    "identify_corpus",
    "write_lines",
    "write_page",
]

CORPUS_LISTENING = Listening(most_s=300.0)
"""How files of a corpus are listened to: five minutes, from the beginning."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusAudit:
    """What was found in a corpus.

    Attributes:
        directory: The folder.
        n_recordings: What it was compared with.
        files: The record of each file, in order of name; beside what `screen`
            gives, `duplicates` lists the files that hold the same audio.
    """

    directory: Path
    n_recordings: int
    files: tuple[Json, ...]

    @property
    def known(self) -> tuple[Json, ...]:
        """Files that are, or hold, known recordings."""
        return tuple(f for f in self.files if _has(f, "recordings"))

    @property
    def works(self) -> tuple[Json, ...]:
        """Files of known works that are not known recordings."""
        return tuple(
            f for f in self.files if _has(f, "works") and not _has(f, "recordings")
        )

    @property
    def duplicated(self) -> tuple[Json, ...]:
        """Files of which all or most is in another file of the corpus too."""
        kinds = ("exact", "near")
        return tuple(
            f for f in self.files if any(d["kind"] in kinds for d in f["duplicates"])
        )

    @property
    def unreadable(self) -> tuple[Json, ...]:
        """Files that could not be listened to."""
        return tuple(f for f in self.files if f["problem"])

    def to_json(self) -> Json:
        """Return it as JSON has it."""
        return {
            "directory": str(self.directory),
            "n_recordings": self.n_recordings,
            "n_files": len(self.files),
            "n_known_recordings": len(self.known),
            "n_known_works": len(self.works),
            "n_duplicated": len(self.duplicated),
            "n_unreadable": len(self.unreadable),
            "files": list(self.files),
        }


def _has(record: Json, layer: str) -> bool:
    return isinstance(record[layer], list) and bool(record[layer])


def identify_corpus(
    workspace: Workspace,
    directory: Path,
    *,
    n_workers: int = 2,
    progress: Progress = silent,
) -> CorpusAudit:
    """Audit a folder of audio against a workspace's catalog.

    Args:
        workspace: Whose catalog is compared with, and where what is done is
            kept.
        directory: The folder; every file in it is looked at.
        n_workers: Processes.
        progress: Told about every part.

    Raises:
        CatalogError: If there is no such folder.
        MatchIndexError: If an index is damaged.
        StorageError: If the disk is full or not writable.
    """
    if not directory.is_dir():
        raise CatalogError(f"{directory} is no folder. Name a folder of audio files.")
    paths = list(uploads_in([directory]))
    records = []
    found = records_of(
        workspace,
        paths,
        listening=CORPUS_LISTENING,
        how=Screening(most_s=CORPUS_LISTENING.most_s, n_workers=n_workers),
        progress=progress,
    )
    progress("comparing with the catalog", 0, len(paths))
    for record in found:
        records.append(record)
        progress("comparing with the catalog", len(records), len(paths))
    twins = _Twins(workspace, directory, paths, records)
    twins.index(progress)
    files = tuple(
        {**record, "duplicates": duplicates}
        for record, duplicates in zip(records, twins.found(progress), strict=True)
    )
    n = records[0]["method"]["n_recordings"] if records else 0
    return CorpusAudit(directory=directory, n_recordings=n, files=files)


def write_lines(audit: CorpusAudit, path: Path) -> None:
    """Write the record of each file as a line of JSON, whole or not at all.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="ascii") as lines,
    ):
        for record in audit.files:
            lines.write(json.dumps(record, sort_keys=True) + "\n")


def write_page(audit: CorpusAudit, path: Path) -> None:
    """Write the audit as an HTML report.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    write_bytes(path, render_corpus(audit.to_json()).encode())


class _Twins:
    """The files of a corpus compared with each other, by their content."""

    def __init__(
        self,
        workspace: Workspace,
        directory: Path,
        paths: Sequence[Path],
        records: Sequence[Json],
    ) -> None:
        place = hashlib.sha256(os.fsencode(directory.absolute())).hexdigest()[:16]
        self._folder = matching_dir(workspace) / "corpora" / place
        self._records = records
        self._path_of: dict[str, Path] = {}
        self._files: dict[str, list[str]] = defaultdict(list)
        for path, record in zip(paths, records, strict=True):
            if name := _name(record):
                self._path_of.setdefault(name, path)
                self._files[name].append(record["file"])
        self._lengths = {n: r["listened_s"][1] for r in records if (n := _name(r))}

    def index(self, progress: Progress) -> None:
        """Bring the index of the corpus itself up to date."""
        self._index = FingerprintIndex.create(self._folder / "fingerprint")
        held = set(self._index.recording_ids)
        for name in sorted(held - self._path_of.keys()):
            self._index.delete(name)
        missing = sorted(self._path_of.keys() - held)
        for number, name in enumerate(missing):
            progress("listening for duplicates", number, len(missing))
            if (heard := self._heard(name)) is not None:
                self._index.add(name, _samples(heard))
        progress("listening for duplicates", len(missing), len(missing))

    def found(self, progress: Progress) -> Iterator[list[Json]]:
        """Yield what each file has in common with others, most first."""
        matches: dict[str, list[RecordingMatch]] = {}
        for number, record in enumerate(self._records):
            progress("comparing with each other", number, len(self._records))
            name = _name(record)
            if name and name not in matches:
                matches[name] = self._matches(name)
            yield self._duplicates(record, name, matches.get(name, []))
        progress("comparing with each other", len(self._records), len(self._records))

    def _heard(self, name: str) -> Heard | None:
        try:
            heard = hear(self._path_of[name], CORPUS_LISTENING)
        except AudioError:  # it changed since it was listened to
            return None
        return None if heard.problem else heard

    def _matches(self, name: str) -> list[RecordingMatch]:
        heard = self._heard(name)
        if heard is None:
            return []
        found = self._index.identify(_samples(heard))
        return [m for m in found if m.recording_id != name]

    def _duplicates(
        self, record: Json, name: str, matches: list[RecordingMatch]
    ) -> list[Json]:
        exact = [f for f in self._files.get(name, ()) if f != record["file"]]
        found: list[Json] = [{"file": file, "kind": "exact"} for file in exact]
        for match in matches:
            plain = {
                "kind": "near" if self._is_most(name, match) else "part",
                "query_start_s": round(match.query_start_s, 3),
                "query_end_s": round(match.query_end_s, 3),
                "reference_start_s": round(match.reference_start_s, 3),
                "reference_end_s": round(match.reference_end_s, 3),
                "pitch_semitones": round(match.pitch_semitones, 3),
                "tempo_ratio": round(match.tempo_ratio, 4),
                "false_match_probability": match.false_match_probability,
            }
            found += [
                {"file": f, **plain} for f in self._files.get(match.recording_id, ())
            ]
        return found

    def _is_most(self, name: str, match: RecordingMatch) -> bool:
        """Tell whether most of the shorter of both is in the other."""
        own = coverage(
            [(match.query_start_s, match.query_end_s)], 0.0, self._length(name)
        )
        other = coverage(
            [(match.reference_start_s, match.reference_end_s)],
            0.0,
            self._length(match.recording_id),
        )
        return max(own, other) >= MOST

    def _length(self, name: str) -> Seconds:
        return float(self._lengths.get(name, 0.0))


def _name(record: Json) -> str:
    """Return what stands for the content of a file; "" if it cannot be heard."""
    is_heard = record["digest"] and not record["problem"]
    return f"F-{record['digest'][:16]}" if is_heard else ""


def _samples(heard: Heard) -> Any:
    return resampled(heard.samples, RATE, fingerprint.SAMPLE_RATE)
