"""The loader's read log: which recordings were read, in a chain of hashes.

Every line states what was read in one step. The head of the chain commits to
all lines and to the manifest, so that a release that binds the head binds what
was read. It shows what the loader says it read; that nothing else was read is
what a re-run from the same seed shows.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from contrafact.audit.entries import canonical
from contrafact.catalog.atomic import storage_errors
from contrafact.core.errors import LogDamagedError

__all__ = ["ReadLog", "ReadLogCheck", "check_read_log"]

_START = b"contrafact read log 1\n"


def _first_head(manifest_root: str) -> bytes:
    return hashlib.sha256(_START + bytes.fromhex(manifest_root)).digest()


def _next_head(head: bytes, line: bytes) -> bytes:
    return hashlib.sha256(head + hashlib.sha256(line).digest()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLogCheck:
    """What a read log says, held to the files that may be read.

    Attributes:
        head: The end of the chain, hexadecimal: what a release binds.
        n_steps: Lines of the log.
        n_read: Distinct files read.
        unlisted: Digests read that the manifest does not list, in order.
        n_unread: Files listed and never read.
    """

    head: str
    n_steps: int
    n_read: int
    unlisted: tuple[str, ...]
    n_unread: int

    @property
    def is_true(self) -> bool:
        """Whether nothing was read that is not listed."""
        return not self.unlisted


class ReadLog:
    """Writes the log of one training; go on where it stopped with `n_steps`.

    Attributes:
        head: The end of the chain so far, 32 bytes.
        n_steps: Lines written so far.
    """

    def __init__(self, path: str | Path, manifest_root: str, *, n_steps: int) -> None:
        """Open a log and keep its first `n_steps` lines, 0 for a new one.

        A training that resumes from a checkpoint reads again what it had read
        after it; those lines are dropped.

        Raises:
            LogDamagedError: If the log has fewer whole lines than that.
            StorageError: If the disk is full or not writable.
        """
        self._path = Path(path)
        self.head, self.n_steps, end = _first_head(manifest_root), 0, 0
        for line in _lines(self._path) if n_steps else ():
            if self.n_steps == n_steps:
                break
            self.head, self.n_steps = _next_head(self.head, line), self.n_steps + 1
            end += len(line)
        if self.n_steps < n_steps:
            raise LogDamagedError(
                f"The read log {path} has {self.n_steps} whole lines, not {n_steps}. "
                "Start the training anew."
            )
        self._file = self._opened(end)

    def _opened(self, end: int) -> BinaryIO:
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("ab")
            file.truncate(end)
        return file

    def record(self, digests: Sequence[str]) -> None:
        """Write what one step read: the files' SHA-256, in order of reading.

        Raises:
            StorageError: If the disk is full.
        """
        line = canonical({"read": list(digests), "step": self.n_steps}) + b"\n"
        with storage_errors(self._path):
            self._file.write(line)
        self.head, self.n_steps = _next_head(self.head, line), self.n_steps + 1

    def flush(self) -> None:
        """Bring all lines to the disk; call it before a checkpoint is written.

        Raises:
            StorageError: If the disk is full.
        """
        with storage_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring all lines to the disk and close the file."""
        if not self._file.closed:
            self.flush()
            self._file.close()

    def __enter__(self) -> Self:
        """Return the log itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


def _lines(path: Path) -> Iterator[bytes]:
    """Yield whole lines with their newline; what a killed process left is none."""
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise LogDamagedError(f"Cannot read {path}: {error.strerror}.") from error


def check_read_log(
    path: str | Path, manifest_root: str, *, listed: Iterable[str]
) -> ReadLogCheck:
    """Return what a read log says, held to the digests of a manifest.

    Args:
        path: The log.
        manifest_root: Root of the manifest it was written for, hexadecimal.
        listed: Digests of all files of the manifest.

    Raises:
        LogDamagedError: If a line is damaged or out of its order.
    """
    allowed, read = set(listed), set[str]()
    head, n_steps, unlisted = _first_head(manifest_root), 0, dict[str, None]()
    for line in _lines(Path(path)):
        digests = _digests(line, n_steps, path=path)
        head, n_steps = _next_head(head, line), n_steps + 1
        unlisted |= dict.fromkeys(d for d in digests if d not in allowed)
        read.update(digests)
    return ReadLogCheck(
        head=head.hex(),
        n_steps=n_steps,
        n_read=len(read),
        unlisted=tuple(unlisted),
        n_unread=len(allowed - read),
    )


def _digests(line: bytes, step: int, *, path: object) -> list[str]:
    try:
        plain = json.loads(line)
        if plain["step"] != step or canonical(plain) + b"\n" != line:
            raise ValueError("out of order, or not in its one form")
        return [str(digest) for digest in plain["read"]]
    except (ValueError, KeyError, TypeError) as error:
        raise LogDamagedError(
            f"Line {step + 1} of the read log {path} is damaged: {error}."
        ) from error
