"""Classes on disk: one JSON and one NumPy file each, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.atomic import storage_errors, write_bytes, write_json
from contrafact.core.errors import MatchIndexError
from contrafact.core.units import Seconds
from contrafact.matching.origin.calibration import Rows
from contrafact.matching.origin.residual import AXIS

__all__ = [
    "Enrolled",
    "Source",
    "now",
    "read_classes",
    "remove_class",
    "write_class",
]

FORMAT = 4
"""4: residuals of each second, pulses with the change of the spectrum. Older classes
are enrolled again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A recording that a class was enrolled with.

    Attributes:
        digest: SHA-256 of the file.
        name: Of the file, without folders.
        band_limit_hz: Above which there is next to nothing, up to 8 kHz.
        path: Where it was, to be listened to again by models that are held.
    """

    digest: str
    name: str
    native_rate: int
    duration_s: Seconds
    band_limit_hz: float
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Enrolled:
    """A class: a generator, or people.

    Attributes:
        source: Where its recordings are from, in words.
        model: Digest of the model that made them, if it is held.
        date: Of the first enrolment, RFC 3339.
        values: Residuals and pulses, `(n_rows, 2, len(AXIS))`.
        groups: Which source each row is of.
        comb_scores: Of each row, with `comb_spacings` in Hz.
    """

    name: str
    is_human: bool
    source: str
    model: str
    date: str
    sources: tuple[Source, ...]
    values: NDArray[np.float32]
    groups: NDArray[np.int64]
    comb_scores: tuple[float, ...]
    comb_spacings: tuple[float, ...]

    @classmethod
    def empty(
        cls, name: str, *, is_human: bool, source: str, model: str, date: str
    ) -> Self:
        """Return a class without recordings."""
        return cls(
            name=name, is_human=is_human, source=source, model=model, date=date,
            sources=(), values=np.zeros((0, 2, len(AXIS)), np.float32),
            groups=np.zeros(0, np.int64), comb_scores=(), comb_spacings=(),
        )  # fmt: skip

    @property
    def digest(self) -> str:
        """SHA-256 over its recordings, in their order."""
        state = hashlib.sha256()
        for source in self.sources:
            state.update(source.digest.encode())
        return state.hexdigest()

    @property
    def duration_s(self) -> Seconds:
        """Of all that was listened to."""
        return sum(s.duration_s for s in self.sources)

    def rows(self) -> Rows:
        """Return the residuals with their sources."""
        return Rows(values=self.values.astype(np.float64), sources=self.groups)

    def with_rows(
        self,
        *,
        sources: Sequence[Source],
        values: NDArray[np.float32],
        groups: NDArray[np.int64],
        comb_scores: Sequence[float],
        comb_spacings: Sequence[float],
    ) -> Enrolled:
        """Return the class with recordings added."""
        return replace(
            self,
            sources=(*self.sources, *sources),
            values=np.concatenate([self.values, values]),
            groups=np.concatenate([self.groups, groups]),
            comb_scores=(*self.comb_scores, *comb_scores),
            comb_spacings=(*self.comb_spacings, *comb_spacings),
        )


def now() -> str:
    """Return the time in UTC, RFC 3339."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _stem(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def write_class(directory: Path, enrolled: Enrolled) -> None:
    """Write a class; the JSON last, which makes it count.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        values=enrolled.values.astype(np.float16),
        groups=enrolled.groups,
        comb_scores=np.array(enrolled.comb_scores),
        comb_spacings=np.array(enrolled.comb_spacings),
    )
    data = buffer.getvalue()
    rows = hashlib.sha256(data).hexdigest()
    stem = directory / _stem(enrolled.name)
    write_bytes(stem.with_name(f"{stem.name}-{rows[:12]}.npz"), data)
    about = {
        "format": FORMAT,
        "name": enrolled.name,
        "is_human": enrolled.is_human,
        "source": enrolled.source,
        "model": enrolled.model,
        "date": enrolled.date,
        "digest": enrolled.digest,
        "sources": [asdict(s) for s in enrolled.sources],
        "rows": rows,
    }
    write_json(stem.with_suffix(".json"), about)
    _remove_rows(directory, enrolled.name, but=rows)


def _remove_rows(directory: Path, name: str, *, but: str = "") -> None:
    for path in directory.glob(f"{_stem(name)}-*.npz"):
        if not but or not path.stem.endswith(but[:12]):
            with storage_errors(path):
                path.unlink(missing_ok=True)


def remove_class(directory: Path, name: str) -> None:
    """Remove the files of a class, the JSON first.

    Raises:
        StorageError: If they cannot be removed.
    """
    path = directory / f"{_stem(name)}.json"
    with storage_errors(path):
        path.unlink(missing_ok=True)
    _remove_rows(directory, name)


def read_classes(directory: Path) -> dict[str, Enrolled]:
    """Return all classes in a folder, by name.

    Raises:
        MatchIndexError: If a file is damaged or of a newer version.
    """
    found = [_read(path) for path in sorted(directory.glob("*.json"))]
    return {enrolled.name: enrolled for enrolled in found}


def _read(path: Path) -> Enrolled:
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise MatchIndexError(_other_format(path, about))
        rows = path.with_name(f"{path.stem}-{about['rows'][:12]}.npz").read_bytes()
        if hashlib.sha256(rows).hexdigest() != about["rows"]:
            raise ValueError("its residuals were altered")
        return _enrolled(about, rows)
    except MatchIndexError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MatchIndexError(
            f"{path} is damaged: {error}. Remove its files and enrol the class again."
        ) from error


def _other_format(path: Path, about: dict[str, Any]) -> str:
    """Return what to do about a class of another format."""
    name, found = about.get("name", "a class"), about["format"]
    if isinstance(found, int) and found < FORMAT:
        return (
            f"{path} holds {name} in format {found}, which heard less; this version "
            f"reads {FORMAT}. Remove the folder {path.parent} and enrol again."
        )
    return (
        f"{path} holds {name} in format {found}; this version reads {FORMAT}. "
        "Upgrade contrafact."
    )


def _enrolled(about: dict[str, Any], rows: bytes) -> Enrolled:
    with np.load(io.BytesIO(rows), allow_pickle=False) as arrays:
        values = arrays["values"].astype(np.float32)
        if values.shape[1:] != (2, len(AXIS)):
            raise ValueError(f"its residuals have shape {values.shape}")
        return Enrolled(
            name=about["name"],
            is_human=about["is_human"],
            source=about["source"],
            model=about["model"],
            date=about["date"],
            sources=tuple(Source(**s) for s in about["sources"]),
            values=values,
            groups=arrays["groups"],
            comb_scores=tuple(arrays["comb_scores"].tolist()),
            comb_spacings=tuple(arrays["comb_spacings"].tolist()),
        )
