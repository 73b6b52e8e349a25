"""Tiles and entry bundles: where they lie, and what they hold.

References:
    C2SP, tlog-tiles.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from contrafact.audit.merkle import HASH_SIZE, node_hash
from contrafact.core.errors import LogDamagedError

__all__ = [
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "TileReader",
    "bundle_path",
    "is_within",
    "pack",
    "read_file",
    "tile_path",
    "tiles_of",
    "unpack",
]

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
_NAME = re.compile(r"tile/(entries|\d+)/((?:x\d{3}/)*\d{3})(?:\.p/(\d+))?")
_LENGTH = struct.Struct(">H")


def _numbered(index: int) -> str:
    """Return an index as path elements of three digits: 1234067 is x001/x234/067."""
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.append(f"x{index % 1000:03}")
    return "/".join(reversed(parts))


def _suffix(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile below the folder of the log.

    Example:
        >>> tile_path(0, 1234067), tile_path(1, 0, 17)
        ('tile/0/x001/x234/067', 'tile/1/000.p/17')
    """
    return f"tile/{level}/{_numbered(index)}{_suffix(width)}"


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle below the folder of the log."""
    return f"tile/entries/{_numbered(index)}{_suffix(width)}"


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield `(level, index, width)` of every tile of a tree of `size` leaves."""
    level, n_hashes = 0, size
    while n_hashes:
        n_full, rest = divmod(n_hashes, TILE_WIDTH)
        yield from ((level, index, TILE_WIDTH) for index in range(n_full))
        if rest:
            yield level, n_full, rest
        level, n_hashes = level + 1, n_full


def is_within(name: str, size: int) -> bool:
    """Tell whether a log of `size` entries counts all of a tile or bundle.

    Args:
        name: Its path below the folder of the log.
        size: Entries under the checkpoint.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return False
    level = 0 if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3] or TILE_WIDTH)
    return index * TILE_WIDTH + width <= size >> (TILE_HEIGHT * level)


def pack(entries: Sequence[bytes]) -> bytes:
    """Return entries as a bundle: each after its length, 16 bits big-endian."""
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def unpack(bundle: bytes, *, path: object) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        LogDamagedError: If it ends in the middle of an entry.
    """
    entries: list[bytes] = []
    place = 0
    while place < len(bundle):
        end = place + 2 + int.from_bytes(bundle[place : place + 2], "big")
        if end > len(bundle):
            raise LogDamagedError(
                f"{path} ends in the middle of its entry {len(entries)}. "
                "Restore it from a backup."
            )
        entries.append(bundle[place + 2 : end])
        place = end
    return entries


def read_file(root: Path, name: str) -> bytes:
    """Return a file of the log; a full tile stands in for a part of it.

    Raises:
        LogDamagedError: If it is missing.
    """
    path = root / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LogDamagedError(f"Cannot read {path}: {error.strerror}.") from error
    full = root / name.partition(".p/")[0]
    if full != path and full.is_file():
        return full.read_bytes()
    raise LogDamagedError(
        f"The log is truncated: {path} is missing. Restore it from a backup."
    )


class TileReader:
    """Reads a log's tiles as a `HashReader` of a tree of `size` leaves."""

    def __init__(self, root: Path, size: int) -> None:
        """Read tiles below `root`; each is read once."""
        self._root = root
        self._size = size
        self._tile = lru_cache(maxsize=256)(self._read_tile)

    def __call__(self, level: int, index: int) -> bytes:
        """Return the root of a complete subtree, 32 bytes."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile = self._tile(tile_level, first // TILE_WIDTH)
        place = first % TILE_WIDTH
        hashes = tile[place : place + (1 << height)]
        while len(hashes) > 1:
            pairs = zip(hashes[::2], hashes[1::2], strict=True)
            hashes = [node_hash(left, right) for left, right in pairs]
        return hashes[0]

    def tile(self, level: int, index: int) -> list[bytes]:
        """Return the hashes of a tile, as wide as the tree's size says."""
        return list(self._tile(level, index))

    def _read_tile(self, level: int, index: int) -> list[bytes]:
        n_hashes = self._size >> (TILE_HEIGHT * level)
        width = min(TILE_WIDTH, n_hashes - index * TILE_WIDTH)
        name = tile_path(level, index, width)
        data = read_file(self._root, name)
        if len(data) < width * HASH_SIZE or len(data) % HASH_SIZE:
            raise LogDamagedError(
                f"{self._root / name} is truncated: {len(data)} bytes, not "
                f"{width * HASH_SIZE}. Restore it from a backup."
            )
        return [data[i * HASH_SIZE : (i + 1) * HASH_SIZE] for i in range(width)]
