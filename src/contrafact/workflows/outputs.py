"""The register of outputs: every song that was made, found by digest or by sound.

It is `outputs.sqlite` in the workspace. A file that lost its tags and its
credentials, or was encoded anew, is found again by its fingerprint.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrafact.audit.fingerprint import (
    ALGORITHM,
    Fingerprint,
    fingerprint_of,
    search,
)
from contrafact.catalog import Workspace, read_audio
from contrafact.catalog.atomic import storage_errors
from contrafact.core.errors import StorageError, WorkspaceError
from contrafact.core.units import digest_of
from contrafact.workflows.stores import all_stores

__all__ = [
    "Found",
    "OutputFile",
    "OutputRecord",
    "OutputRegister",
    "Sound",
    "find_outputs",
    "known_outputs",
    "sound_in",
    "sound_of",
]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS output (
    id TEXT PRIMARY KEY, document TEXT NOT NULL,
    algorithm TEXT NOT NULL, fingerprint BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS file (
    digest TEXT PRIMARY KEY, output TEXT NOT NULL REFERENCES output (id),
    document TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS file_output ON file (output);
"""
_WAIT_S = 30.0
_BLOCK = 1 << 14
"""Samples turned into numbers at a time, to stay in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What a file sounds like, whatever it is wrapped in.

    Attributes:
        samples_digest: SHA-256 of rate, channels and the samples as 16-bit
            numbers, frame by frame.
    """

    samples_digest: str
    duration_s: float
    fingerprint: Fingerprint


def sound_of(samples: NDArray[np.float32], sample_rate: int) -> Sound:
    """Return what identifies a sound.

    Args:
        samples: `(channel, time)`, full scale at 1.
        sample_rate: In Hz.
    """
    return Sound(
        samples_digest=_samples_digest(samples, sample_rate),
        duration_s=samples.shape[1] / sample_rate,
        fingerprint=fingerprint_of(samples, sample_rate),
    )


def _samples_digest(samples: NDArray[np.float32], sample_rate: int) -> str:
    n_channels, n = samples.shape
    state = hashlib.sha256(f"{sample_rate} {n_channels}\n".encode())
    for start in range(0, n, _BLOCK):
        scaled = samples[:, start : start + _BLOCK] * np.float32(32768)
        np.rint(scaled, out=scaled)
        np.clip(scaled, -32768, 32767, out=scaled)
        frames = np.empty((scaled.shape[1], n_channels), "<i2")
        for channel, values in enumerate(scaled.astype("<i2")):
            frames[:, channel] = values
        state.update(frames.data)
    return state.hexdigest()


def sound_in(path: Path) -> Sound:
    """Return what identifies the sound in a file.

    Raises:
        AudioError: If the file cannot be read or is silent.
    """
    audio = read_audio(path, mono=False)
    return sound_of(audio.samples, audio.sample_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """One file that an output was written to.

    Attributes:
        digest: SHA-256 of its bytes.
        name: Without folders.
        time: When it was written, RFC 3339.
        is_marked: Whether it was given content credentials.
        unmarked_because: The reason that was given, if not.
        key: Id of the key that marked it.
        attribution: Id of the attribution that its credentials name, with the
            SHA-256 of its receipt.
        watermark: Scheme and payload of the mark inside the sound, if any.
    """

    digest: str
    name: str
    time: str
    is_marked: bool
    unmarked_because: str | None = None
    key: str | None = None
    attribution: str | None = None
    attribution_digest: str | None = None
    watermark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRecord:
    """A song that was made, and what made it; None where it is not known.

    Attributes:
        id: `O-` and 16 digits of the digest of its samples.
        samples_digest: As in `Sound`.
        stamp: What outputs of unlicensed models are stamped with.
        files: In the order of their time.
    """

    id: str
    samples_digest: str
    duration_s: float
    prompt: str | None = None
    seed: str | None = None
    model: str | None = None
    model_digest: str | None = None
    release: str | None = None
    corpus_root: str | None = None
    stamp: str | None = None
    files: tuple[OutputFile, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A registered output that a file is, or is a part of.

    Attributes:
        how: `file` if the bytes are the same, `samples` if the sound is the
            same to the last bit, else `fingerprint`.
        errors: Part of the fingerprint's bits that differ.
        overlap_s: Seconds of sound that were compared.
        offset_s: Where in the output the file begins.
    """

    record: OutputRecord
    how: str
    errors: float = 0.0
    overlap_s: float | None = None
    offset_s: float = 0.0


class OutputRegister:
    """The register of one workspace."""

    def __init__(self, path: Path) -> None:
        """Use the database in a file; it is made at the first entry."""
        self._path = path

    @classmethod
    def of(cls, workspace: Workspace) -> OutputRegister:
        """Return the register of a workspace."""
        return cls(workspace.root / "outputs.sqlite")

    def add(
        self, record: OutputRecord, file: OutputFile, fingerprint: Fingerprint
    ) -> None:
        """Enter a file of an output; what was known of the output is kept.

        Fields that were not known and now are get filled in.

        Raises:
            StorageError: If the database cannot be written.
            WorkspaceError: If it is damaged.
        """
        with self._open() as connection:
            # The lock before the look: another process may enter the same song.
            connection.execute("BEGIN IMMEDIATE")
            known = _outputs(connection, "WHERE id = ?", record.id)
            plain = asdict(record)
            plain.pop("files")
            if known:
                before = asdict(known[0])
                plain = {k: before[k] if v is None else v for k, v in plain.items()}
            connection.execute(
                "INSERT OR REPLACE INTO output VALUES (?, ?, ?, ?)",
                (record.id, _json(plain), ALGORITHM, fingerprint.to_bytes()),
            )
            connection.execute(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?)",
                (file.digest, record.id, _json(asdict(file))),
            )

    def records(self) -> list[OutputRecord]:
        """Return all outputs, in order of id.

        Raises:
            WorkspaceError: If the database is damaged.
        """
        if not self._path.exists():
            return []
        with self._open() as connection:
            return _outputs(connection, "ORDER BY id")

    def find(self, digest: str, sound: Sound) -> list[Found]:
        """Return the outputs that a file is, the surest first.

        Args:
            digest: SHA-256 of the file.
            sound: What it sounds like; the fingerprint is asked only if neither
                file nor samples are known.

        Raises:
            WorkspaceError: If the database is damaged.
        """
        if not self._path.exists():
            return []
        with self._open() as connection:
            where = "WHERE id IN (SELECT output FROM file WHERE digest = ?)"
            if same := _outputs(connection, where, digest):
                return [Found(record=r, how="file") for r in same]
            where = "WHERE document LIKE ?"
            if same := _outputs(connection, where, f'%"{sound.samples_digest}"%'):
                return [Found(record=r, how="samples") for r in same]
            return _heard(connection, sound.fingerprint)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with storage_errors(self._path):
            try:
                with closing(sqlite3.connect(self._path, timeout=_WAIT_S)) as opened:
                    opened.executescript(_SCHEMA)
                    with opened:
                        yield opened
            except sqlite3.OperationalError as error:
                raise StorageError(
                    f"Cannot use {self._path}: {error}. Check place and permissions."
                ) from error
            except (sqlite3.DatabaseError, ValueError, TypeError) as error:
                raise WorkspaceError(
                    f"{self._path} is damaged: {error}. Restore it from a backup."
                ) from error


def find_outputs(workspace: Workspace, path: Path) -> list[Found]:
    """Return the registered outputs that a file is, the surest first.

    Looks for the same bytes, then the same samples, then the same sound.

    Raises:
        AudioError: If the file cannot be read or is silent.
        WorkspaceError: If the register is damaged.
    """
    sound = sound_in(path)
    return known_outputs(workspace, path.read_bytes(), sound)


def known_outputs(workspace: Workspace, data: bytes, sound: Sound) -> list[Found]:
    """Return the registered outputs that a file is, of all stores of a workspace.

    Args:
        workspace: Where to look.
        data: The file.
        sound: What it sounds like.

    Raises:
        WorkspaceError: If a register is damaged.
    """
    return [
        found
        for store in all_stores(workspace)
        for found in OutputRegister.of(store).find(digest_of(data), sound)
    ]


def _outputs(
    connection: sqlite3.Connection, where: str, *values: str
) -> list[OutputRecord]:
    rows = connection.execute(f"SELECT id, document FROM output {where}", values)
    return [
        OutputRecord(**json.loads(document), files=_files(connection, id_))
        for id_, document in rows.fetchall()
    ]


def _files(connection: sqlite3.Connection, id_: str) -> tuple[OutputFile, ...]:
    rows = connection.execute("SELECT document FROM file WHERE output = ?", (id_,))
    files = [OutputFile(**json.loads(document)) for (document,) in rows]
    return tuple(sorted(files, key=lambda file: (file.time, file.digest)))


def _heard(connection: sqlite3.Connection, query: Fingerprint) -> list[Found]:
    rows = connection.execute(
        "SELECT id, fingerprint FROM output WHERE algorithm = ? ORDER BY id",
        (ALGORITHM,),
    ).fetchall()
    sightings = search(query, [Fingerprint.from_bytes(data) for _, data in rows])
    found = []
    for seen in sightings:
        (record,) = _outputs(connection, "WHERE id = ?", rows[seen.number][0])
        found.append(
            Found(
                record=record,
                how="fingerprint",
                errors=round(seen.errors, 4),
                overlap_s=round(seen.overlap_s, 2),
                offset_s=round(seen.offset_s, 2),
            )
        )
    return found


def _json(plain: dict[str, Any]) -> str:
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)
