"""The append-only log: entries, tiles of hashes, a signed checkpoint.

The layout is that of C2SP tlog-tiles, so that any static file server can
publish the folder. Entries count once the checkpoint that covers them is in
its place; what a killed process wrote before that is swept away by the next.

Times never go back. If the clock does, an entry takes the time of the entry
before it, and `clock` says what the clock showed: a withdrawal must not be
refused for a clock that is wrong.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from contrafact.audit._log_reader import CHECKPOINT, LoggedEntry, LogReader, time_of
from contrafact.audit._memory import Memory
from contrafact.audit._tiles import (
    TILE_WIDTH,
    TileReader,
    bundle_path,
    is_within,
    pack,
    tile_path,
)
from contrafact.audit.entries import (
    MAX_ENTRY_BYTES,
    canonical,
    format_time,
    parse_entry,
)
from contrafact.audit.keys import KeyRing, Signer
from contrafact.audit.merkle import EMPTY_ROOT, HashTree, leaf_hash, root_at
from contrafact.audit.notes import Checkpoint, check_origin, sign_checkpoint
from contrafact.catalog.atomic import remove_leftovers, storage_errors, write_bytes
from contrafact.core.errors import (
    EntryError,
    LogDamagedError,
    SigningKeyError,
    WorkspaceLockedError,
)

__all__ = ["AuditLog", "LoggedEntry"]

_UNFINISHED = ".writing"
_WAIT_S = 30.0
Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class AuditLog(LogReader):
    """A log that is written, by one process at a time.

    Attributes:
        root: Its folder.
        keys: Whose checkpoints are believed.
    """

    def __init__(
        self,
        root: str | Path,
        keys: KeyRing,
        *,
        signer: Signer,
        memory: Path | None = None,
        clock: Clock = _utc_now,
    ) -> None:
        """Use the log in a folder; see `open`."""
        super().__init__(root, keys)
        self._signer = signer
        self._memory = Memory(memory)
        self._clock = clock
        self._lock = FileLock(self.root / ".lock", timeout=_WAIT_S)

    @classmethod
    def open(
        cls,
        root: str | Path,
        keys: KeyRing,
        *,
        signer: Signer,
        origin: str | None = None,
        memory: Path | None = None,
        clock: Clock = _utc_now,
    ) -> Self:
        """Open the log in a folder, or start one there.

        Args:
            root: The folder.
            keys: Whose checkpoints are believed; the signer's must be among them.
            signer: Signs checkpoints.
            origin: Name of a new log, for all time; a random one if None.
            memory: A folder outside the workspace in which to keep how far
                the log had come, so that a log that was rolled back is seen.
            clock: Tells the time of new entries, with its time zone.

        Raises:
            ConfigError: If a log cannot have this name.
            LogDamagedError: If the log is damaged.
            SigningKeyError: If no trusted key signed its checkpoint.
            StorageError: If a new log cannot be written.
        """
        log = cls(root, keys, signer=signer, memory=memory, clock=clock)
        if not (log.root / CHECKPOINT).exists():
            log._start(origin or f"contrafact.local/{secrets.token_hex(8)}")
        log.checkpoint()
        return log

    def _start(self, origin: str) -> None:
        check_origin(origin)
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with self._writing():
            if (self.root / CHECKPOINT).exists():
                return
            if any((self.root / "tile").rglob("000*")):
                raise LogDamagedError(
                    f"The log in {self.root} has tiles and no checkpoint. "
                    "Restore it from a backup."
                )
            self._commit(Checkpoint(origin, 0, EMPTY_ROOT))

    def append(self, entry: Mapping[str, Any]) -> int:
        """Write one entry, from `make_entry`, and return its number.

        Raises:
            EntryError: If it has no canonical form or is too long.
            LogDamagedError: If the log was damaged or rolled back.
            SigningKeyError: If the signer's key is revoked or not trusted.
            StorageError: If the disk is full or not writable.
            WorkspaceLockedError: If another process is writing for too long.
        """
        return self.extend([entry])

    def extend(self, entries: Sequence[Mapping[str, Any]]) -> int:
        """Write entries under one checkpoint; return the number of the first.

        Raises:
            EntryError: As `append`, and no entry is written.
            LogDamagedError: As `append`.
            SigningKeyError: As `append`.
            StorageError: As `append`.
            WorkspaceLockedError: As `append`.
        """
        with self._writing():
            checkpoint = self.checkpoint()
            self._memory.compare(checkpoint, self.reader(checkpoint))
            self._sweep(checkpoint)
            times = self._times(checkpoint)
            data = [_dated(entry, next(times)) for entry in entries]
            if data:
                self._write(checkpoint, data)
            return checkpoint.size

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the log for writing, with a key that counts."""
        self._check_key()
        with storage_errors(self.root / ".lock"):
            try:
                self._lock.acquire()
            except Timeout as error:
                raise WorkspaceLockedError(
                    f"The log in {self.root} has been written by another process for "
                    f"more than {_WAIT_S:.0f} s. Wait for it, or stop it."
                ) from error
        try:
            yield
        finally:
            self._lock.release()

    def _check_key(self) -> None:
        record = self.keys.find(self._signer.public_key.id)
        if record is None or not record.is_good_at(self._clock()):
            state = "not among those trusted" if record is None else "revoked"
            raise SigningKeyError(
                f"The key {self._signer.public_key.id} is {state}. Use another, or "
                "make one with `contrafact audit keys new`."
            )

    def _sweep(self, checkpoint: Checkpoint) -> None:
        """Remove what a killed process wrote and no checkpoint counts."""
        if not (self.root / _UNFINISHED).exists():
            return
        remove_leftovers(self.root)
        for path in (self.root / "tile").rglob("*"):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and not is_within(name, checkpoint.size):
                with storage_errors(path):
                    path.unlink()

    def _times(self, checkpoint: Checkpoint) -> Iterator[dict[str, str]]:
        """Yield `time` for entry after entry, and `clock` where it went back."""
        last = time_of(self.last_entry(checkpoint)) if checkpoint.size else None
        while True:
            now = self._clock()
            if last is None or now >= last:
                last = now
                yield {"time": format_time(now)}
            else:
                yield {"time": format_time(last), "clock": format_time(now)}

    def _write(self, checkpoint: Checkpoint, data: list[bytes]) -> None:
        """Write bundles and tiles, and only then the checkpoint that counts them."""
        write_bytes(self.root / _UNFINISHED, b"")
        first = checkpoint.size // TILE_WIDTH
        rest = checkpoint.size % TILE_WIDTH
        kept = self.bundle(first, checkpoint.size) if rest else []
        for place in range(0, len(kept) + len(data), TILE_WIDTH):
            part = [*kept, *data][place : place + TILE_WIDTH]
            name = bundle_path(first + place // TILE_WIDTH, len(part))
            write_bytes(self.root / name, pack(part))
        size = checkpoint.size + len(data)
        self._write_tiles(checkpoint, [leaf_hash(entry) for entry in data])
        root = root_at(TileReader(self.root, size), size)
        self._commit(Checkpoint(checkpoint.origin, size, root))

    def _write_tiles(self, checkpoint: Checkpoint, hashes: list[bytes]) -> None:
        """Write what is new of every level; full tiles become hashes one up."""
        reader, level, n_before = self.reader(checkpoint), 0, checkpoint.size
        while hashes:
            first, rest = divmod(n_before, TILE_WIDTH)
            row = [*(reader.tile(level, first) if rest else []), *hashes]
            above = []
            for place in range(0, len(row), TILE_WIDTH):
                tile = row[place : place + TILE_WIDTH]
                name = tile_path(level, first + place // TILE_WIDTH, len(tile))
                write_bytes(self.root / name, b"".join(tile))
                if len(tile) == TILE_WIDTH:
                    above.append(HashTree(tile).root())
            level, n_before, hashes = level + 1, first, above

    def _commit(self, checkpoint: Checkpoint) -> None:
        write_bytes(self.root / CHECKPOINT, sign_checkpoint(checkpoint, self._signer))
        # After the checkpoint: killed in between, the memory lags by one, which
        # a later check forgives; the other way round it would cry wolf.
        self._memory.keep(checkpoint)
        with storage_errors(self.root):
            (self.root / _UNFINISHED).unlink(missing_ok=True)


def _dated(entry: Mapping[str, Any], times: Mapping[str, str]) -> bytes:
    data = canonical({**entry, **times})
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryError(
            f"An entry has {len(data)} bytes; {MAX_ENTRY_BYTES} are the most. "
            "Keep the long part in a file, and log its digest."
        )
    parse_entry(data)
    return data
