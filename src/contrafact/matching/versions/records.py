"""One recording of an index on disk: a file of its own, whole or not there.

So appending and deleting touch nothing else, and a process that is killed leaves
an index of what was complete. The content carries a checksum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import MatchIndexError
from contrafact.matching.record_files import checksum, record_path
from contrafact.matching.versions.base import Strand
from contrafact.matching.versions.layers import LAYERS, Strands

__all__ = [
    "FORMAT",
    "NullQuery",
    "Record",
    "read_record",
    "write_record",
]

FORMAT = "versions-3"  # to be changed when a layer makes something else of audio


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NullQuery:
    """What a segment of a recording, or a decoy of it, reached with others.

    Attributes:
        is_decoy: Whether it was a decoy.
        n_compared: With how many other works it was compared.
        n_elements: Of its strands, `(4,)`.
        others: The recordings that the rows are about, which may be of its work.
        scores: Of the alignments by each layer, `(row, 4)`.
    """

    is_decoy: bool
    n_compared: int
    n_elements: NDArray[np.intp]
    others: tuple[str, ...]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """What is kept of a recording.

    Attributes:
        work_id: None if it names none.
        strands: Of the whole recording.
        null: What it and its decoys reached when it was added.
    """

    recording_id: str
    work_id: str | None
    strands: Strands
    null: tuple[NullQuery, ...] = ()

    @property
    def work(self) -> str:
        """The work; the recording itself if it names none."""
        return self.recording_id if self.work_id is None else self.work_id


def write_record(directory: Path, record: Record) -> None:
    """Write it, whole or not at all.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    names = sorted({name for query in record.null for name in query.others})
    number = {name: i for i, name in enumerate(names)}
    null = record.null
    arrays: dict[str, NDArray[Any]] = {
        "duration_s": np.array([record.strands.duration_s]),
        "null.is_decoy": np.array([q.is_decoy for q in null], np.uint8),
        "null.n_compared": np.array([q.n_compared for q in null], np.int64),
        "null.n_elements": np.array([q.n_elements for q in null], np.int64),
        "null.n_rows": np.array([len(q.others) for q in null], np.int64),
        "null.other": np.array([number[n] for q in null for n in q.others], np.int32),
        "null.scores": np.concatenate(
            [np.zeros((0, len(LAYERS)), np.float32), *(q.scores for q in null)]
        ),
    }
    for layer, strand in zip(LAYERS, record.strands.strands, strict=True):
        arrays[f"{layer.name}.start_s"] = strand.start_s
        arrays[f"{layer.name}.end_s"] = strand.end_s
        arrays[f"{layer.name}.values"] = strand.values
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    about = json.dumps([record.recording_id, record.work_id, names])
    header = {"format": FORMAT, "about": about, "checksum": checksum(arrays, about)}
    path = record_path(directory, record.recording_id)
    write_bytes(path, save(arrays, metadata=header))


def read_record(path: Path) -> Record:
    """Read a recording's file.

    Raises:
        MatchIndexError: If it is damaged, or of another version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header.get("format") != FORMAT:
            raise MatchIndexError(
                f"{path} is of the format {header.get('format')!r}, not {FORMAT!r}. "
                "Build the index anew."
            )
        if header["checksum"] != checksum(arrays, header["about"]):
            raise ValueError("its checksum is wrong")
        return _record(arrays, json.loads(header["about"]))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        if isinstance(error, MatchIndexError):
            raise
        raise MatchIndexError(
            f"{path} is damaged: {error}. Delete this file and add the recording again."
        ) from error


def _record(arrays: dict[str, NDArray[Any]], about: list[Any]) -> Record:
    recording_id, work_id, names = about
    parts = ("start_s", "end_s", "values")
    strands = tuple(
        Strand(*(arrays[f"{layer.name}.{part}"] for part in parts)) for layer in LAYERS
    )
    ends = np.cumsum(arrays["null.n_rows"])
    null = [
        NullQuery(
            is_decoy=bool(arrays["null.is_decoy"][i]),
            n_compared=int(arrays["null.n_compared"][i]),
            n_elements=arrays["null.n_elements"][i],
            others=tuple(str(names[k]) for k in arrays["null.other"][end - n : end]),
            scores=arrays["null.scores"][end - n : end],
        )
        for i, (end, n) in enumerate(zip(ends, arrays["null.n_rows"], strict=True))
    ]
    return Record(
        recording_id=str(recording_id),
        work_id=None if work_id is None else str(work_id),
        strands=Strands(float(arrays["duration_s"][0]), strands),
        null=tuple(null),
    )
