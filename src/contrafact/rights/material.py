"""Which manifests hold a work, a recording or a file: an inverted index on disk.

For every name there is one row of bits, one bit a manifest. Looking a name up
reads one row, however many manifests there are and however long they are.

A name is kept as the first eight bytes of its SHA-256. Two names that share
them could make a manifest look as if it held a work that it does not hold, in
about one of 10^9 indexes of 100,000 works; never the other way round.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.atomic import atomic_path
from contrafact.core.errors import RegistryError

__all__ = ["MaterialIndex", "file_key", "hash_keys", "recording_key", "work_key"]

_MAGIC = b"contrafact material index 1\n"
_ALIGN = 8

Names = NDArray[np.uint64]
Bits = NDArray[np.uint8]


def work_key(work: str) -> str:
    """Return the name of a work in the index."""
    return f"work:{work}"


def recording_key(recording: str) -> str:
    """Return the name of a recording in the index."""
    return f"recording:{recording}"


def file_key(digest: str) -> str:
    """Return the name of a file in the index, by its SHA-256."""
    return f"file:{digest}"


class MaterialIndex:
    """The index in one file; opened by mapping it, written whole or not at all.

    Attributes:
        manifests: Roots of the manifests that it knows, in the order they came.
    """

    def __init__(
        self, path: Path, manifests: tuple[str, ...], names: Names, bits: Bits
    ) -> None:
        """Use an index; see `open`."""
        self._path, self.manifests = path, manifests
        self._names, self._bits = names, bits

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an index; an empty one if there is no file.

        Raises:
            RegistryError: If the file is damaged.
        """
        path = Path(path)
        if not path.is_file():
            return cls(path, (), np.zeros(0, np.uint64), np.zeros((0, 0), np.uint8))
        try:
            return cls._mapped(path)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RegistryError(
                f"{path} is damaged ({error}); delete it, and it is made again."
            ) from error

    @classmethod
    def _mapped(cls, path: Path) -> Self:
        with path.open("rb") as file:
            if file.readline() != _MAGIC:
                raise ValueError("it does not begin as an index does")
            head = json.loads(file.readline())
            start = -(-file.tell() // _ALIGN) * _ALIGN
        n_names, width = int(head["n_names"]), int(head["width"])
        if path.stat().st_size != start + n_names * (8 + width):
            raise ValueError("it has another length than it says")
        if not n_names:
            return cls(
                path,
                tuple(head["manifests"]),
                np.zeros(0, np.uint64),
                np.zeros((0, width), np.uint8),
            )
        names = np.memmap(path, np.uint64, "r", offset=start, shape=(n_names,))
        place = start + 8 * n_names
        bits = np.memmap(path, np.uint8, "r", offset=place, shape=(n_names, width))
        return cls(path, tuple(head["manifests"]), names, bits)

    def holders(self, keys: Iterable[str]) -> frozenset[str]:
        """Return the roots of the manifests that hold any of these."""
        found: set[str] = set()
        for name in hash_keys(keys):
            place = int(np.searchsorted(self._names, name))
            if place < len(self._names) and self._names[place] == name:
                row = np.unpackbits(self._bits[place], bitorder="little")
                numbers = np.flatnonzero(row[: len(self.manifests)])
                found.update(self.manifests[int(n)] for n in numbers)
        return frozenset(found)

    def add(self, manifests: Mapping[str, Iterable[str] | Names]) -> Self:
        """Enter manifests with what they hold, and write the index.

        Args:
            manifests: Keys of everything in it, or what `hash_keys` made of
                them, by the root of the manifest; one that is known already is
                left as it is.

        Returns:
            The new index.

        Raises:
            StorageError: If the disk is full or not writable.
        """
        new = [root for root in manifests if root not in set(self.manifests)]
        if not new:
            return self
        held = [_names_of(manifests[root]) for root in new]
        names = np.unique(np.concatenate([np.asarray(self._names), *held]))
        everyone = (*self.manifests, *new)
        bits = np.zeros((len(names), -(-len(everyone) // 8)), np.uint8)
        old = np.searchsorted(names, self._names)
        bits[old, : self._bits.shape[1]] = self._bits
        for number, own in enumerate(held, start=len(self.manifests)):
            places = np.searchsorted(names, own)
            bits[places, number // 8] |= np.uint8(1 << number % 8)
        _write(self._path, everyone, names, bits)
        return self.open(self._path)


def _names_of(keys: Iterable[str] | Names) -> Names:
    return keys if isinstance(keys, np.ndarray) else hash_keys(keys)


def hash_keys(keys: Iterable[str]) -> Names:
    """Return what the index keeps of keys: sorted, each once, uint64."""
    joined = b"".join(hashlib.sha256(key.encode()).digest()[:8] for key in keys)
    return np.unique(np.frombuffer(joined, "<u8").astype(np.uint64))


def _write(path: Path, manifests: tuple[str, ...], names: Names, bits: Bits) -> None:
    head = {
        "manifests": manifests,
        "n_names": len(names),
        "width": bits.shape[1],
    }
    text = _MAGIC + json.dumps(head).encode() + b"\n"
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(text + b"\0" * (-len(text) % _ALIGN))
        file.write(names.astype("<u8").tobytes())
        file.write(np.ascontiguousarray(bits).data)
