"""The index of an encoder: a catalog's vectors, and what is like a piece."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.atomic import remove_leftovers, storage_errors, write_json
from contrafact.core.errors import MatchIndexError, MatchingError, StorageError
from contrafact.core.evidence import EncoderMatch
from contrafact.core.matches import AspectSpan
from contrafact.matching.encoders._records import (
    Record,
    read_cohort,
    read_record,
    write_cohort,
    write_record,
)
from contrafact.matching.encoders.base import Embedding, Encoder
from contrafact.matching.encoders.scoring import (
    Cohort,
    Pairs,
    best_pairs,
    cohort_of,
    nearness_between,
    unit,
)
from contrafact.matching.record_files import record_path

__all__ = ["EncoderIndex"]

_FORMAT = "encoder-1"
_MANIFEST = "index.json"
_RECORDINGS, _COHORTS = "recordings", "cohorts"
_N_COHORT = 128
_N_SPANS = 5
# Windows of a query that a cohort is made for; between two, the smaller.
_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)

Floats = NDArray[np.float32]


class EncoderIndex:
    """Which recordings a piece is like to the ear of one encoder.

    Open it with `create` or `open`. One process may write while many read what they
    found when they opened it.
    """

    def __init__(self, directory: Path, encoder: Encoder, *, is_writable: bool) -> None:
        self._directory, self._encoder = directory, encoder
        self._is_writable = is_writable
        self._records: dict[str, Record] = {}

    @classmethod
    def create(cls, directory: str | Path, encoder: Encoder) -> Self:
        """Open an index to write to; make it if there is none.

        Raises:
            MatchIndexError: If something else is there, it is damaged, or it was made
                by other weights.
            StorageError: If the disk is full or not writable.
        """
        directory = Path(directory)
        if not (directory / _MANIFEST).exists():
            if directory.exists() and any(directory.iterdir()):
                raise MatchIndexError(
                    f"{directory} holds something that is no index of an encoder. "
                    "Choose an empty folder."
                )
            write_json(directory / _MANIFEST, _kind(encoder))
        for name in (_RECORDINGS, _COHORTS):
            with storage_errors(directory):
                (directory / name).mkdir(exist_ok=True)
            remove_leftovers(directory / name)
        return cls(directory, encoder, is_writable=True)._load()

    @classmethod
    def open(cls, directory: str | Path, encoder: Encoder) -> Self:
        """Open an index to read from.

        Raises:
            MatchIndexError: If there is none, it is damaged, or it was made by other
                weights.
        """
        return cls(Path(directory), encoder, is_writable=False)._load()

    def _load(self) -> Self:
        path = self._directory / _MANIFEST
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise MatchIndexError(
                f"{self._directory} is no index of an encoder: {path.name} cannot be "
                "read. Name the folder of an index, or build one."
            ) from error
        if found != _kind(self._encoder):
            raise MatchIndexError(
                f"{path} is of another encoder, or of other weights or another "
                "version. Delete that folder and build the index anew."
            )
        for file in sorted((self._directory / _RECORDINGS).glob("*.safetensors")):
            record = read_record(file, dimension=self._encoder.dimension)
            self._records[record.recording_id] = record
        return self

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """The recordings in the index, in order."""
        return tuple(sorted(self._records))

    @property
    def works(self) -> dict[str, str]:
        """The work of every recording, in order of the recordings' ids."""
        return {name: self._records[name].work_id for name in self.recording_ids}

    def add(self, recording_id: str, work_id: str, embedding: Embedding) -> None:
        """Add a recording; one of this name is replaced.

        Args:
            recording_id: Any text.
            work_id: The work, or what stands for it.
            embedding: What this index's encoder made of it; see `heard_windows`.

        Raises:
            MatchingError: If it is of another encoder.
            MatchIndexError: If the index was opened to read from.
            StorageError: If the disk is full or not writable.
        """
        self._require_writable()
        self._check(embedding)
        record = Record(recording_id=recording_id, work_id=work_id, embedding=embedding)
        write_record(self._directory / _RECORDINGS, record)
        self._records[recording_id] = record
        self._forget()

    def delete(self, recording_id: str) -> None:
        """Delete a recording.

        Raises:
            MatchingError: If it is not in the index.
            MatchIndexError: If the index was opened to read from.
            StorageError: If the place is not writable.
        """
        self._require_writable()
        if recording_id not in self._records:
            raise MatchingError(
                f"There is no recording {recording_id!r} in {self._directory}. Name "
                "one of those that are."
            )
        path = record_path(self._directory / _RECORDINGS, recording_id)
        with storage_errors(path):
            path.unlink(missing_ok=True)
        del self._records[recording_id]
        self._forget()

    def identify(
        self,
        query: Embedding,
        *,
        max_p: float = 0.05,
        n_best: int = 10,
        without: Collection[str] = (),
    ) -> tuple[EncoderMatch, ...]:
        """Return the recordings that a piece is like, best first.

        Args:
            query: What this index's encoder made of the piece.
            max_p: The largest p-value that is answered. It counts the whole catalog:
                of pieces that are like nothing in it, this share gets an answer. With
                fewer than 19 other works nothing is certain enough.
            n_best: Return at most so many.
            without: Recordings that are not looked at.

        Raises:
            MatchingError: If the piece is of another encoder.
        """
        self._check(query)
        if not self._records:
            return ()
        pairs, cohort = self._pairs(query), self._cohort(len(query))
        heights = cohort.heights(self._distances(pairs))
        p_values = cohort.p_values(heights)
        order = [
            i
            for i in np.argsort(-heights, kind="stable")
            if p_values[i] <= max_p and self._all[i].recording_id not in without
        ]
        return tuple(
            EncoderMatch(
                recording_id=self._all[i].recording_id,
                score=round(float(pairs.score[i]), 4) + 0.0,  # not -0
                p_value=float(p_values[i]),
                spans=self._spans(query, pairs, int(i)),
            )
            for i in order[:n_best]
        )

    def rank(
        self, query: Embedding, *, without: Collection[str] = ()
    ) -> list[tuple[str, float]]:
        """Return all recordings with what they reach, best first, certain or not."""
        self._check(query)
        if not self._records:
            return []
        cohort = self._cohort(len(query))
        heights = cohort.heights(self._distances(self._pairs(query)))
        found = {
            record.recording_id: float(height)
            for record, height in zip(self._all, heights, strict=True)
            if record.recording_id not in without
        }
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

    @cached_property
    def _all(self) -> list[Record]:
        return [self._records[name] for name in self.recording_ids]

    @cached_property
    def _vectors(self) -> Floats:
        """The vectors of all recordings, one after the other."""
        return np.concatenate([record.embedding.vectors for record in self._all])

    @cached_property
    def _rows(self) -> Floats:
        """The same, ready to be compared."""
        return self._ready(self._vectors)

    def _ready(self, vectors: Floats) -> Floats:
        """Return vectors without what all have in common, which says nothing.

        Distances are not changed by that, and their lengths are not to be.
        """
        if self._encoder.nearness != "cosine":
            return vectors
        middle = self._vectors.mean(axis=0) if len(self._all) > 1 else np.float32(0)
        return unit(vectors - middle)

    def _pairs(self, query: Embedding) -> Pairs:
        asked = self._ready(query.vectors.astype(np.float32))
        near = nearness_between(asked, self._rows, self._encoder.nearness)
        ends = np.cumsum([len(record.embedding) for record in self._all])
        return best_pairs(np.split(near, ends[:-1], axis=1))

    def _distances(self, pairs: Pairs) -> Floats:
        is_cosine = self._encoder.nearness == "cosine"
        return 1 - pairs.score if is_cosine else -pairs.score

    def _spans(
        self, query: Embedding, pairs: Pairs, number: int
    ) -> tuple[AspectSpan, ...]:
        found = []
        reference = self._all[number].embedding
        for here, there in zip(
            pairs.query[number][:_N_SPANS],
            pairs.reference[number][:_N_SPANS],
            strict=True,
        ):
            if here >= 0:
                found.append(_span(query.span_s(here), reference.span_s(there)))
        return tuple(found)

    def _cohort(self, n_windows: int) -> Cohort:
        """Return what pieces of other works, about as long, reach with everything."""
        length = max(n for n in _LENGTHS if n <= n_windows)
        path = self._directory / _COHORTS / f"{length}-{self._digest[:16]}.safetensors"
        if (known := read_cohort(path, n_recordings=len(self._all))) is not None:
            return known
        made = self._made_cohort(length)
        with suppress(StorageError):  # it saves time, and is not needed
            write_cohort(path, made)
        return made

    def _made_cohort(self, length: int) -> Cohort:
        rng = np.random.default_rng(length)
        chosen = rng.permutation(len(self._all))[:_N_COHORT]
        scores = np.stack(
            [self._distances(self._pairs(_cut(self._all[i].embedding, length, rng)))
             for i in chosen]
        )  # fmt: skip
        works = np.array([record.work_id for record in self._all])
        return cohort_of(scores, works[chosen][:, None] != works[None])

    @cached_property
    def _digest(self) -> str:
        """SHA-256 of which recordings are there, of which works, how long."""
        lines = [
            [record.recording_id, record.work_id, record.checksum]
            for record in self._all
        ]
        return hashlib.sha256(json.dumps(lines).encode()).hexdigest()

    def _forget(self) -> None:
        """Forget what was counted of the recordings as they were."""
        for name in ("_all", "_vectors", "_rows", "_digest"):
            self.__dict__.pop(name, None)
        for path in (self._directory / _COHORTS).glob("*.safetensors"):
            with storage_errors(path):
                path.unlink(missing_ok=True)

    def _check(self, embedding: Embedding) -> None:
        shape = embedding.vectors.shape
        if shape != (len(embedding), self._encoder.dimension) or not len(embedding):
            raise MatchingError(
                f"Vectors of shape {shape} are not those of {self._encoder.name}: they "
                f"have {self._encoder.dimension} numbers. Encode the audio with it."
            )

    def _require_writable(self) -> None:
        if not self._is_writable:
            raise MatchIndexError(
                f"{self._directory} was opened to read from. Open it with `create`."
            )


def _kind(encoder: Encoder) -> dict[str, Any]:
    return {
        "kind": "contrafact index of an encoder",
        "format": _FORMAT,
        "encoder": encoder.name,
        "digest": encoder.digest,
        "dimension": encoder.dimension,
        "window_s": encoder.window_s,
        "hop_s": encoder.hop_s,
    }


def _cut(embedding: Embedding, length: int, rng: np.random.Generator) -> Embedding:
    """Return some windows that follow each other, or all if there are fewer."""
    first = int(rng.integers(0, max(1, len(embedding) - length + 1)))
    which = slice(first, first + length)
    return Embedding(
        start_s=embedding.start_s[which],
        vectors=embedding.vectors[which],
        window_s=embedding.window_s,
        duration_s=embedding.duration_s,
    )


def _span(query: tuple[float, float], reference: tuple[float, float]) -> AspectSpan:
    return AspectSpan(
        query_start_s=query[0],
        query_end_s=query[1],
        reference_start_s=reference[0],
        reference_end_s=reference[1],
    )
