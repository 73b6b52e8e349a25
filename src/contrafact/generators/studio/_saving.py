"""Writing the files of a model, each whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from contrafact.core.errors import StorageError


def write_tensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors.

    Raises:
        StorageError: If the disk is full or the place is not writable.
    """
    _write(path, save({k: v.detach().contiguous() for k, v in state.items()}))


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write an object as JSON, keys sorted.

    Raises:
        StorageError: If the disk is full or the place is not writable.
    """
    _write(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    """Write beside the place, flush to the disk, and move there in one step."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(
            f"Cannot write {path}: {error.strerror or error}. Free some space or "
            "choose another place."
        ) from error
