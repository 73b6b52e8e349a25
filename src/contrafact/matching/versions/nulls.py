"""The null of a catalog: what its recordings reach with works that they are not of.

Two kinds of music are a version of nothing that they are compared with: the
catalog's own recordings, against all other works; and decoys. What they reach is
kept as it was measured, and set against the levels of the catalog as it is now.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.calibration import (
    JOINT,
    PRIOR_LEVELS,
    Floats,
    Null,
    levels_of,
    normalised,
)
from contrafact.matching.versions.decoys import decoy
from contrafact.matching.versions.layers import segment_bounds, strands_of
from contrafact.matching.versions.notes import Notes
from contrafact.matching.versions.records import NullQuery, Record
from contrafact.matching.versions.search import Compared, Library

__all__ = [
    "Calibrated",
    "calibrated",
    "decoy_queries",
    "linked",
    "own_queries",
    "unsuspected",
]

# Comparisons with decoys for each recording, for small catalogs.
_N_DECOY_COMPARISONS = 150
_LEAST_DECOYS = 1
_ENOUGH = 200  # comparisons of recordings, from which decoys count less and less
_N_OWN_SEGMENTS = 4  # of a recording that are looked up when it is added


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A null query, with the numbers of those recordings that are still there."""

    query: NullQuery
    asker: int
    others: NDArray[np.intp]
    scores: Floats
    n_compared: int
    share: float  # what each of its comparisons counts

    def scaled(self) -> Floats:
        root = np.sqrt(np.maximum(self.query.n_elements, 1))
        return (self.scores / root).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibrated:
    """What p-values rest on.

    Attributes:
        null: What unrelated music reaches.
        rows: The null queries that are there.
    """

    null: Null
    rows: Sequence[_Rows]


def own_queries(library: Library, record: Record) -> list[NullQuery]:
    """Look up segments of a new recording among those that are there."""
    segments = record.strands.segments()
    chosen = np.linspace(0, len(segments) - 1, _N_OWN_SEGMENTS).round()
    others = {r.work for r in library.kept()} - {record.work}
    queries = []
    for i in sorted({int(k) for k in chosen}):
        compared = library.compare(segments[i])
        if compared is not None:
            queries.append(_query(library, compared, len(others), is_decoy=False))
    return queries


def decoy_queries(library: Library, record: Record, notes: Notes) -> list[NullQuery]:
    """Look up decoys of a recording among other works, if there are any."""
    works = {r.work for r in library.kept()}
    others = works - {record.work} or works
    n_decoys = max(_LEAST_DECOYS, -(-_N_DECOY_COMPARISONS // len(others)))
    rng = np.random.default_rng(zlib.crc32(record.recording_id.encode()))
    bounds = segment_bounds(record.strands.duration_s)
    queries = []
    for _ in range(n_decoys if len(notes) else 0):
        start, end = bounds[rng.integers(len(bounds))]
        shuffled = decoy(notes.between(start, end).shifted(-start), end - start, rng)
        segment = strands_of(shuffled, end - start)
        compared = library.compare(segment, lambda r: r.work in others)
        if compared is not None:
            queries.append(_query(library, compared, len(others), is_decoy=True))
    return queries


def _query(
    library: Library, compared: Compared, n_works: int, *, is_decoy: bool
) -> NullQuery:
    return NullQuery(
        is_decoy=is_decoy,
        n_compared=n_works,
        n_elements=compared.n_elements,
        others=tuple(library.records[i].recording_id for i in compared.owners),
        scores=compared.found.scores,
    )


def calibrated(library: Library) -> Calibrated:
    """Return what the p-values of an index rest on, and set the library's levels."""
    works = _numbers([record.work for record in library.records])
    rows = _rows(library, works)
    library.levels = _levels(rows, works)
    named = np.array([record.work_id is not None for record in library.records], bool)
    parts = [_by_work(one, _values(library, one), works, named) for one in rows]
    return Calibrated(null=_null(rows, parts), rows=rows)


def linked(
    library: Library, known: Calibrated, max_p: float
) -> Iterator[tuple[int, int]]:
    """Yield pairs of recordings that were alike when the later one was added.

    Args:
        library: The recordings.
        known: What `calibrated` returned of it.
        max_p: The largest p-value of a pair.
    """
    for one in known.rows:
        if one.query.is_decoy:
            continue
        joint = _values(library, one)[:, JOINT]
        for place in np.argsort(-joint, kind="stable"):
            if known.null.p_value(JOINT, float(joint[place])) > max_p:
                break
            yield one.asker, int(one.others[place])


def _values(library: Library, one: _Rows) -> Floats:
    levels = library.levels_at(one.others)
    return normalised(one.scores, one.query.n_elements, levels)


def _rows(library: Library, works: NDArray[np.intp]) -> list[_Rows]:
    """Return the null queries of the recordings that are there.

    Decoys count as much as recordings, until there are enough of those.
    """
    number = {
        record.recording_id: i
        for i, record in enumerate(library.records)
        if library.is_kept[i]
    }
    found = [
        rows
        for asker in number.values()
        for rows in _rows_of(library, asker, number, works)
    ]
    n_real = sum(r.share * r.n_compared for r in found if not r.query.is_decoy)
    less = min(1.0, _ENOUGH / max(n_real, 1.0))
    return [
        replace(rows, share=rows.share * less) if rows.query.is_decoy else rows
        for rows in found
    ]


def _rows_of(
    library: Library, asker: int, number: dict[str, int], works: NDArray[np.intp]
) -> list[_Rows]:
    """Return the null queries of one recording.

    Decoys of the first recording were compared with itself, which they resemble;
    they count only in an index of a single work.
    """
    n_most = max(1, library.n_works - 1)
    rows = []
    for query in library.records[asker].null:
        there = np.array([number.get(name, -1) for name in query.others], np.intp)
        kept = there >= 0
        is_own = bool(kept.any()) and bool((works[there[kept]] == works[asker]).all())
        if not (query.is_decoy and is_own and library.n_works > 1):
            n = min(query.n_compared, n_most)
            rows.append(_Rows(query, asker, there[kept], query.scores[kept], n, 1.0))
    n_decoys = sum(r.query.is_decoy for r in rows)
    n_each = {True: n_decoys, False: len(rows) - n_decoys}
    return [replace(r, share=1 / n_each[r.query.is_decoy]) for r in rows]


def _numbers(names: list[str]) -> NDArray[np.intp]:
    """Return a number for each name, the same for the same."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(n, len(known)) for n in names], np.intp)


def _levels(rows: list[_Rows], works: NDArray[np.intp]) -> Floats:
    """Return what each recording reaches with unrelated music.

    Asked and asking: a score is the same both ways but for the lengths.
    """
    result = np.tile(PRIOR_LEVELS, (len(works), 1, 1))
    owners, scores = [], []
    for one in rows:
        unrelated = works[one.others] != works[one.asker]
        scaled = one.scaled()[unrelated]
        owners.append(one.others[unrelated])
        scores.append(scaled)
        if not one.query.is_decoy:
            owners.append(np.full(len(scaled), one.asker))
            scores.append(scaled)
    if not owners:
        return result
    owner, score = np.concatenate(owners), np.concatenate(scores)
    order = np.argsort(owner, kind="stable")
    names, first = np.unique(owner[order], return_index=True)
    for name, part in zip(names, np.split(score[order], first[1:]), strict=True):
        result[name] = levels_of(part)
    return result


def _by_work(
    one: _Rows, values: Floats, works: NDArray[np.intp], named: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the highest of each other work, and whether the two are told apart."""
    unrelated = works[one.others] != works[one.asker]
    unrelated |= one.query.is_decoy
    names, first, place = np.unique(
        works[one.others[unrelated]], return_index=True, return_inverse=True
    )
    best = np.full((len(names), values.shape[1]), np.nan, np.float32)
    np.fmax.at(best, place, values[unrelated])
    is_told = named[one.others[unrelated][first]] & named[one.asker]
    return best, is_told | one.query.is_decoy


def _null(rows: list[_Rows], parts: list[tuple[Floats, NDArray[np.bool_]]]) -> Null:
    """Return the null; comparisons of the same two works share one weight."""
    n_compared = np.zeros(JOINT + 1, np.float32)
    for one in rows:
        was_told = np.append(one.query.n_elements > 0, True)
        n_compared += one.share * one.n_compared * was_told
    if not parts:
        nothing = np.zeros((0, JOINT + 1), np.float32)
        return Null(nothing, nothing[:, 0], n_compared)
    values = np.concatenate([best for best, _ in parts])
    weights = np.repeat(
        np.array([one.share for one in rows], np.float32),
        [len(best) for best, _ in parts],
    )
    kept = unsuspected(values, np.concatenate([named for _, named in parts]))
    return Null(values[kept], weights[kept], n_compared)


def unsuspected(values: Floats, is_known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which comparisons are not of versions of one work that nobody named.

    Those are left out of which a recording names no work and that reach more than
    anything that is known to be unrelated.

    Args:
        values: What was reached, `(comparison, 5)`.
        is_known: Whether the two are known to be of different works, or one is a
            decoy, `(comparison,)`.
    """
    known = values[is_known, JOINT]
    limit = known.max(initial=-np.inf) if len(known) else np.inf
    result: NDArray[np.bool_] = is_known | ~(values[:, JOINT] > limit)
    return result
