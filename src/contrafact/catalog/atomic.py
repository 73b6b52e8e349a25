"""Writing files whole or not at all, and saying plainly why it failed.

Every file that contrafact keeps passes through here: it is written beside its
place, flushed to the disk, and moved there in one step. A process that is
killed leaves the old file or the new one, never a part.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from contrafact.core.errors import ContrafactError, StorageError

__all__ = [
    "atomic_path",
    "canonical_json",
    "remove_leftovers",
    "storage_errors",
    "write_bytes",
    "write_json",
]

_LEFTOVER = re.compile(r"\..*\.tmp-[0-9a-f]{16}(\..*)?")
_ADVICE = {
    errno.ENOSPC: "the disk is full. Free some space and run the command again.",
    errno.EDQUOT: "the disk quota is used up. Free some space and run it again.",
    errno.EFBIG: "the file would be larger than allowed here. Raise the limit.",
    errno.EACCES: "no permission to write there. Choose another place.",
    errno.EPERM: "no permission to write there. Choose another place.",
    errno.EROFS: "the file system is read-only. Choose another place.",
    errno.ENOTDIR: "a part of the path is a file. Choose another place.",
    errno.EEXIST: "a file is in the way of a folder. Choose another place.",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one.",
    errno.EISDIR: "there is a folder of this name. Choose another name.",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into one clear `StorageError`.

    Args:
        path: What is being written, for the message.

    Raises:
        StorageError: If the disk is full, not writable, or fails.
    """
    try:
        yield
    except ContrafactError:
        raise
    except OSError as error:
        named = os.fsdecode(error.filename2 or error.filename or path)
        is_temporary = _LEFTOVER.fullmatch(os.path.basename(named)) is not None
        place = path if is_temporary else named
        reason = f"{error.strerror or error}. Check the disk."
        advice = _ADVICE.get(error.errno or 0, reason)
        raise StorageError(f"Cannot write {place}: {advice}") from error


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path that becomes `path` when the block succeeds.

    The temporary file lies in the same folder, which is made if it is missing,
    and keeps the suffix. If the block raises, nothing is left behind.

    Args:
        path: Where the file shall be in the end; replaced if it exists.

    Yields:
        The path to write to.

    Raises:
        StorageError: If the disk is full or the place is not writable.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with atomic_path(place) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> place.read_text()
        'whole'
    """
    path = Path(path)
    token = secrets.token_hex(8)
    temporary = path.with_name(f".{path.stem}.tmp-{token}{path.suffix}")
    with storage_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            _flush(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all.

    Raises:
        StorageError: If the disk is full or the place is not writable.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def canonical_json(document: Any) -> str:
    r"""Return the one JSON text of `document`: sorted keys, newline at the end.

    Raises:
        ValueError: If it holds a NaN or an infinity.

    Example:
        >>> canonical_json({"b": 1, "a": [1, 2]})
        '{\n  "a": [\n    1,\n    2\n  ],\n  "b": 1\n}\n'
    """
    text = json.dumps(
        document, sort_keys=True, ensure_ascii=False, indent=2, allow_nan=False
    )
    return text + "\n"


def write_json(path: str | Path, document: Any) -> None:
    """Write `document` as canonical JSON, whole or not at all.

    Raises:
        StorageError: If the disk is full or the place is not writable.
        ValueError: If it holds a NaN or an infinity.
    """
    write_bytes(path, canonical_json(document).encode())


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written below `folder`.

    Call it only while no other process can be writing there.
    """
    for where, _, names in os.walk(folder):
        for name in filter(_LEFTOVER.fullmatch, names):
            with storage_errors(Path(where, name)):
                Path(where, name).unlink(missing_ok=True)
