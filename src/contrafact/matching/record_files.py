"""The file that an index keeps of one recording: its name, and its checksum."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

__all__ = ["checksum", "record_path"]


def record_path(directory: Path, recording_id: str) -> Path:
    """Return where a recording's file is; any text will do as its identifier."""
    digest = hashlib.sha256(recording_id.encode()).hexdigest()
    return directory / f"{digest[:32]}.safetensors"


def checksum(arrays: Mapping[str, NDArray[Any]], about: str) -> str:
    """Return eight hexadecimal digits that change with arrays, names and a text."""
    value = zlib.crc32(about.encode())
    for name in sorted(arrays):
        value = zlib.crc32(arrays[name].tobytes(), zlib.crc32(name.encode(), value))
    return f"{value:08x}"
