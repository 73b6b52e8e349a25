"""Recordings of an encoder's index on disk, and what was counted of them all.

Each is a file of its own, whole or not there, with a checksum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import MatchIndexError
from contrafact.matching.encoders.base import Embedding
from contrafact.matching.encoders.scoring import Cohort
from contrafact.matching.record_files import checksum, record_path

__all__ = [
    "Record",
    "read_cohort",
    "read_record",
    "write_cohort",
    "write_record",
]

_FORMAT = "encoder-1"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """What is kept of a recording."""

    recording_id: str
    work_id: str
    embedding: Embedding

    @cached_property
    def checksum(self) -> str:
        """Of its vectors as they are kept."""
        return checksum(_arrays(self), "")


def write_record(directory: Path, record: Record) -> None:
    """Write it, whole or not at all.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    path = record_path(directory, record.recording_id)
    _write(path, _arrays(record), json.dumps([record.recording_id, record.work_id]))


def _arrays(record: Record) -> Arrays:
    embedding = record.embedding
    return {
        "start_s": embedding.start_s,
        "vectors": embedding.vectors.astype(np.float32),
        "lengths_s": np.array([embedding.window_s, embedding.duration_s]),
    }


def read_record(path: Path, *, dimension: int) -> Record:
    """Read a recording's file.

    Raises:
        MatchIndexError: If it is damaged, or of another encoder.
    """
    try:
        arrays, about = _read(path)
        recording_id, work_id = json.loads(about)
        window_s, duration_s = map(float, arrays["lengths_s"])
        vectors = arrays["vectors"]
        if vectors.shape != (len(arrays["start_s"]), dimension) or not len(vectors):
            raise ValueError(f"its vectors are of shape {vectors.shape}")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise MatchIndexError(
            f"{path} is damaged: {error}. Delete this file and add the recording again."
        ) from error
    embedding = Embedding(
        start_s=arrays["start_s"],
        vectors=vectors,
        window_s=window_s,
        duration_s=duration_s,
    )
    return Record(
        recording_id=str(recording_id), work_id=str(work_id), embedding=embedding
    )


def write_cohort(path: Path, cohort: Cohort) -> None:
    """Write what was counted, whole or not at all.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    arrays = {"mean": cohort.mean, "spread": cohort.spread, "best": cohort.best}
    _write(path, arrays, repr(cohort.unit))


def read_cohort(path: Path, *, n_recordings: int) -> Cohort | None:
    """Read what was counted; None if it was not, or is damaged and counted again."""
    try:
        arrays, about = _read(path)
        parts = {name: arrays[name] for name in ("mean", "spread", "best")}
        found = Cohort(unit=float(about), **parts)
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
    return found if len(found.mean) == len(found.spread) == n_recordings else None


def _write(path: Path, arrays: Arrays, about: str) -> None:
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {"format": _FORMAT, "about": about, "checksum": checksum(whole, about)}
    write_bytes(path, save(whole, metadata=header))


def _read(path: Path) -> tuple[Arrays, str]:
    with safe_open(path, framework="numpy") as file:
        header = file.metadata() or {}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if header.get("format") != _FORMAT:
        raise ValueError(f"its format is {header.get('format')!r}, not {_FORMAT!r}")
    if header["checksum"] != checksum(arrays, header["about"]):
        raise ValueError("its checksum is wrong")
    return arrays, header["about"]
