"""Reading the log: entries and proofs, checked against the signed checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from contrafact.audit._tiles import (
    TILE_WIDTH,
    TileReader,
    bundle_path,
    read_file,
    unpack,
)
from contrafact.audit.entries import parse_entry, parse_time
from contrafact.audit.keys import KeyRing
from contrafact.audit.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_at,
)
from contrafact.audit.notes import Checkpoint, parse_checkpoint, signer_of
from contrafact.core.errors import LogDamagedError

__all__ = ["LogReader", "LoggedEntry", "time_of"]

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry in its place.

    Attributes:
        index: Its number, from 0.
        data: Its bytes; `entry` is what they say.
    """

    index: int
    data: bytes

    @property
    def entry(self) -> dict[str, Any]:
        """What the entry says.

        Raises:
            EntryError: If it is not in its canonical form.
        """
        return parse_entry(self.data)

    @property
    def leaf(self) -> bytes:
        """The hash of its leaf, 32 bytes."""
        return leaf_hash(self.data)


class LogReader:
    """A log that is only read.

    Attributes:
        root: Its folder.
        keys: Whose checkpoints are believed.
    """

    def __init__(self, root: str | Path, keys: KeyRing) -> None:
        """Read the log in a folder."""
        self.root = Path(root)
        self.keys = keys

    def checkpoint(self) -> Checkpoint:
        """Return how far the log has come, checked against keys and tiles.

        Raises:
            LogDamagedError: If it is missing, damaged, or not that of the tiles.
            SigningKeyError: If no trusted key signed it in time.
        """
        return self._checked(self.note())

    def note(self) -> bytes:
        """Return the signed checkpoint as it lies there."""
        try:
            return read_file(self.root, CHECKPOINT)
        except LogDamagedError as error:
            raise LogDamagedError(
                f"There is no log in {self.root}. `contrafact audit append` starts one."
            ) from error

    def _checked(self, note: bytes) -> Checkpoint:
        checkpoint = parse_checkpoint(note)
        last = self.last_entry(checkpoint) if checkpoint.size else None
        signer_of(note, self.keys, when=None if last is None else time_of(last))
        if root_at(self.reader(checkpoint), checkpoint.size) != checkpoint.root:
            raise LogDamagedError(
                f"The tiles of the log in {self.root} are not those its checkpoint "
                "was signed for. `contrafact audit verify` names the tile."
            )
        return checkpoint

    def reader(self, checkpoint: Checkpoint) -> TileReader:
        """Return what reads the hashes of the log as it was at a checkpoint."""
        return TileReader(self.root, checkpoint.size)

    def last_entry(self, checkpoint: Checkpoint) -> bytes:
        """Return the last entry of a checkpoint that has any.

        Raises:
            LogDamagedError: If it is missing, or is not what the tiles hold.
        """
        index = checkpoint.size - 1
        data = self.bundle(index // TILE_WIDTH, checkpoint.size)[-1]
        if self.reader(checkpoint)(0, index) != leaf_hash(data):
            raise LogDamagedError(
                f"Entry {index} of the log in {self.root} was altered. "
                "Restore the log from a backup."
            )
        return data

    def bundle(self, number: int, size: int) -> list[bytes]:
        """Return the entries of a bundle of a log of `size` entries.

        Raises:
            LogDamagedError: If it is missing or too short.
        """
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        name = bundle_path(number, width)
        found = unpack(read_file(self.root, name), path=self.root / name)
        if len(found) < width:
            raise LogDamagedError(
                f"{self.root / name} is truncated: {len(found)} entries, not {width}. "
                "Restore it from a backup."
            )
        return found[:width]

    def entries(self, start: int = 0) -> Iterator[LoggedEntry]:
        """Yield the entries from `start` on, each checked against its tile.

        Raises:
            LogDamagedError: If one is missing or altered.
        """
        checkpoint = self.checkpoint()
        reader = self.reader(checkpoint)
        for number in range(start // TILE_WIDTH, -(-checkpoint.size // TILE_WIDTH)):
            hashes = reader.tile(0, number)
            for place, data in enumerate(self.bundle(number, checkpoint.size)):
                index = number * TILE_WIDTH + place
                if leaf_hash(data) != hashes[place]:
                    raise LogDamagedError(
                        f"Entry {index} of the log in {self.root} was altered. "
                        "Restore the log from a backup."
                    )
                if index >= start:
                    yield LoggedEntry(index, data)

    def entry(self, index: int) -> LoggedEntry:
        """Return one entry.

        Raises:
            IndexError: If there is none of this number.
            LogDamagedError: If it is missing or altered.
        """
        found = next(self.entries(index), None) if index >= 0 else None
        if found is None:
            raise IndexError(f"the log has no entry {index}")
        return found

    def inclusion(self, index: int) -> list[bytes]:
        """Return the proof that entry `index` is under the checkpoint.

        Raises:
            IndexError: If there is no such entry.
        """
        checkpoint = self.checkpoint()
        return inclusion_proof(self.reader(checkpoint), index, size=checkpoint.size)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the log of `new` entries begins with that of `old`.

        Args:
            old: How many entries there were.
            new: How many there are; all if None.

        Raises:
            IndexError: If the log never had so many.
        """
        checkpoint = self.checkpoint()
        size = checkpoint.size if new is None else new
        if size > checkpoint.size:
            raise IndexError(f"the log has {checkpoint.size} entries, not {size}")
        return consistency_proof(self.reader(checkpoint), old, size=size)


def time_of(data: bytes) -> datetime:
    """Return the time that an entry's bytes state.

    Raises:
        EntryError: If they are not the canonical form of an entry.
    """
    return parse_time(parse_entry(data)["time"])
