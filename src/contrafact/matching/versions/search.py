"""Looks up segments in the index and gathers what they are like, work by work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.calibration import (
    JOINT,
    REAL,
    UNLABELLED,
    NullQuery,
    joined,
    normalised,
)
from contrafact.matching.versions.layers import Strands
from contrafact.matching.versions.records import Record
from contrafact.matching.versions.scoring import SegmentTable

__all__ = ["Finding", "Library"]

# Notes, frames of half a second, lengths, frames.
_LEAST_ELEMENTS = (12, 12, 16, 12)
_N_OUTSTANDING = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """The best segment of a recording for one segment of the query.

    Attributes:
        recording: Number of the recording.
        segment: Number of its segment.
        values: Normalised, by layer and last all together, `(5,)`.
        scores: Of the alignments, `(4,)`.
        shifts: Of the alignments, `(4,)`.
    """

    recording: int
    segment: int
    values: NDArray[np.float32]
    scores: NDArray[np.float32]
    shifts: NDArray[np.intp]

    @property
    def joint(self) -> float:
        """What all layers say together."""
        return float(self.values[JOINT])


class Library:
    """The recordings of an index, in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_kept: list[bool] = []
        self.table = SegmentTable()
        self.owner: list[int] = []

    def append(self, record: Record) -> None:
        """Add a recording."""
        for segment in record.strands.segments():
            self.table.append(segment)
            self.owner.append(len(self.records))
        self.records.append(record)
        self.is_kept.append(True)

    @property
    def n_works(self) -> int:
        """How many works there are."""
        return len({r.work for r in self.kept()})

    def kept(self) -> list[Record]:
        """Return the recordings that were not deleted, in order of addition."""
        return [r for r, kept in zip(self.records, self.is_kept, strict=True) if kept]

    def look_up(
        self, query: Strands, allow: Callable[[Record], bool] = lambda _: True
    ) -> list[Finding]:
        """Return what a segment is like, the best segment of each recording.

        Args:
            query: The segment.
            allow: Which recordings to look at.
        """
        allowed = [
            kept and allow(record)
            for record, kept in zip(self.records, self.is_kept, strict=True)
        ]
        mask = np.array([allowed[i] for i in self.owner], bool)
        query = _told(query)
        if not mask.any() or not any(len(s) for s in query.strands):
            return []
        found = self.table.compare(query, mask)
        lengths = np.array([len(strand) for strand in query.strands])
        values = normalised(found.scores, lengths)
        values = np.column_stack([values, joined(values)])
        best: dict[int, int] = {}
        for row in _outstanding(values):
            owner = self.owner[found.segments[row]]
            if owner not in best or values[row, JOINT] > values[best[owner], JOINT]:
                best[owner] = row
        return [
            Finding(
                recording=owner,
                segment=int(found.segments[row]),
                values=values[row],
                scores=found.scores[row],
                shifts=found.shifts[row],
            )
            for owner, row in best.items()
        ]

    def null_query(
        self, findings: Sequence[Finding], n_compared: int, *, kind: int, named: bool
    ) -> NullQuery:
        """Return what a query that is no version of anything reached, work by work.

        Args:
            findings: Of works that it is no version of.
            n_compared: How many such works there are.
            kind: `REAL` or `DECOY`.
            named: Whether the query names its work.
        """
        best: dict[str, NDArray[np.float32]] = {}
        unnamed: dict[str, bool] = {}
        for finding in findings:
            record = self.records[finding.recording]
            known = best.get(record.work, finding.values)
            best[record.work] = np.fmax(known, finding.values)
            unnamed[record.work] = record.work_id is None
        kinds = [
            UNLABELLED if kind == REAL and (unnamed[work] or not named) else kind
            for work in best
        ]
        values = np.array([*best.values()], np.float32).reshape(-1, 5)
        return NullQuery(n_compared, values, np.array(kinds, np.uint8))


def _outstanding(values: NDArray[np.float32]) -> list[int]:
    """Return the rows that are among the best of some column, in order."""
    ranked = np.argsort(-np.nan_to_num(values, nan=-1e9), axis=0, kind="stable")
    return sorted({int(row) for row in ranked[:_N_OUTSTANDING].ravel()})


def _told(query: Strands) -> Strands:
    """Leave out strands too short to tell one work from another."""
    strands = tuple(
        strand if np.count_nonzero(strand.values.any(axis=1)) >= least
        else strand.between(0, 0)
        for strand, least in zip(query.strands, _LEAST_ELEMENTS, strict=True)
    )  # fmt: skip
    return Strands(query.duration_s, strands)
