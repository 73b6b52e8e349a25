"""Puts a corpus on the disk: levels, FLAC files, and the table beside them.

Every file appears whole or not at all, and one that is there is not rendered
again. What the audio holds is decided elsewhere.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from contrafact.catalog.atomic import storage_errors, write_bytes
from contrafact.catalog.corpora.base import COLUMNS, SAMPLE_RATE, Entry, Progress
from contrafact.core.errors import CorpusError
from contrafact.core.parallel import map_in_order

__all__ = ["Plan", "file_name", "finish", "n_frames_of", "write_corpus"]

_LOUDNESS = 10 ** (-20 / 20)
_PEAK = 10 ** (-1 / 20)
_FADE_S = 0.010
_CHUNK = 8


class Plan(Protocol):
    """A recording that is not yet rendered.

    The name of its file must tell everything that the bytes depend on, so that
    a file of that name and length is the right one.
    """

    @property
    def entry(self) -> Entry:
        """Its row of metadata."""
        ...

    @property
    def n_frames(self) -> int:
        """Its length at `SAMPLE_RATE`."""
        ...


_Plan = TypeVar("_Plan", bound=Plan)


def file_name(artist: str, *content: object) -> str:
    """Return a name that tells all that the bytes depend on.

    Args:
        artist: Who is heard; the name begins with it.
        content: Whatever decides the bytes, such as a version and a plan.

    Example:
        >>> file_name("Bach (choir)", "corpus-1", 7)
        'bach-choir-07b69cb358e6.flac'
    """
    digest = hashlib.sha256("".join(map(str, content)).encode()).hexdigest()[:12]
    words = "".join(c if c.isalnum() else " " for c in artist.casefold()).split()
    return f"{'-'.join(words)}-{digest}.flac"


def n_frames_of(duration_s: float) -> int:
    """Return how many frames last so long, at `SAMPLE_RATE`."""
    return round(duration_s * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class _Chunk(Generic[_Plan]):
    """Some recordings that one process renders without a break."""

    perform: Callable[[_Plan], NDArray[np.float32]]
    todo: list[tuple[Path, _Plan]]


def write_corpus(
    folders: Mapping[Path, Sequence[_Plan]],
    perform: Callable[[_Plan], NDArray[np.float32]],
    *,
    n_workers: int,
    progress: Progress | None,
) -> None:
    """Render what is missing, then write a `metadata.csv` in each folder.

    Args:
        folders: What each folder is to hold; folders without any are left out.
        perform: A function of a module, since other processes call it; returns
            audio, `(time,)`, of `n_frames`.
        n_workers: Processes.
        progress: Called with (files done, files in all).

    Raises:
        CorpusError: If a folder holds audio that is not of this corpus.
        StorageError: If the disk is full or not writable.
    """
    folders = {folder: plans for folder, plans in folders.items() if plans}
    for folder, plans in folders.items():
        _refuse_strangers(folder, {plan.entry.file for plan in plans})
    wanted = [(f / plan.entry.file, plan) for f, ps in folders.items() for plan in ps]
    todo = [(path, plan) for path, plan in wanted if not _is_written(path, plan)]
    n_done = len(wanted) - len(todo)
    starts = range(0, len(todo), _CHUNK)
    chunks = [_Chunk(perform, todo[i : i + _CHUNK]) for i in starts]
    for n_rendered in map_in_order(_render, chunks, n_workers):
        n_done += n_rendered
        if progress:
            progress(n_done, len(wanted))
    for folder, plans in folders.items():
        _write_table(folder / "metadata.csv", [plan.entry for plan in plans])


def _refuse_strangers(folder: Path, names: set[str]) -> None:
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    strangers = sorted({path.name for path in folder.glob("*.flac")} - names)
    if strangers:
        raise CorpusError(
            f"{folder} holds {len(strangers)} FLAC file(s) that are not of this "
            f"corpus, such as {strangers[0]}. Choose another folder or empty it."
        )


def _is_written(path: Path, plan: Plan) -> bool:
    """Tell whether the file is there to its last frame; its header may lie."""
    try:
        audio, sample_rate = soundfile.read(str(path), dtype="int16")
    except (OSError, soundfile.LibsndfileError):
        return False
    return bool(audio.shape == (plan.n_frames,) and sample_rate == SAMPLE_RATE)


def _render(chunk: _Chunk[_Plan]) -> int:
    for path, plan in chunk.todo:
        _write_flac(path, chunk.perform(plan))
    return len(chunk.todo)


def _write_flac(path: Path, audio: NDArray[np.float32]) -> None:
    """Write `audio` as mono 16-bit FLAC, whole or not at all.

    It is not flushed to the disk, which can take longer than rendering it; a
    file that a power cut spoilt is found by `_is_written`.
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    temporary = path.with_name(f".{path.name}.part")
    with storage_errors(path):
        temporary.write_bytes(buffer.getvalue())
        os.replace(temporary, path)


def _write_table(path: Path, entries: Iterable[Entry]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(entry.row() for entry in entries)
    write_bytes(path, text.getvalue().encode())


def finish(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring `audio`, `(time,)`, to -20 dBFS RMS and fade its ends.

    The peak stays at or below -1 dBFS; where both cannot be had, the recording
    is quieter. Fades last 10 ms.

    Raises:
        CorpusError: If the audio is silent or not finite.
    """
    rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    if not np.isfinite(rms) or rms == 0:
        raise CorpusError(f"Rendered audio has level {rms}: nothing can be heard.")
    peak = float(np.abs(audio).max())
    result = audio * np.float32(min(_LOUDNESS / rms, _PEAK / peak))
    n_fade = round(_FADE_S * SAMPLE_RATE)
    ramp = np.linspace(0, 1, n_fade, dtype=np.float32)
    result[:n_fade] *= ramp
    result[-n_fade:] *= ramp[::-1]
    return result
