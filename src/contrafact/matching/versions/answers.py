"""From findings to answers: one p-value a work, and where the two are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.core.matches import ASPECTS, Aspect, AspectMatch, AspectSpan, WorkMatch
from contrafact.core.units import Seconds
from contrafact.matching.versions.base import Strand
from contrafact.matching.versions.calibration import JOINT, Null, simes
from contrafact.matching.versions.layers import LAYERS, Strands
from contrafact.matching.versions.search import Finding, Library

__all__ = ["WorkFinding", "describe_match", "grouped", "query_segments"]

_TEXTURE = len(ASPECTS)
_ALIKE_P = 0.01  # of an aspect in a segment whose span is given
_N_POINTS = 12  # of a tempo map
_SAME_DRIFT_S = 2.0  # between alignments that continue one another


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkFinding:
    """A work, and what the segments of the query reach with its best recording.

    Attributes:
        joint: The p-value over the whole catalog.
        strength: What the best segment reaches with all layers.
        findings: One for each segment of the query, None where nothing was found.
    """

    work: str
    joint: float
    strength: float
    findings: tuple[Finding | None, ...]


def query_segments(query: Strands) -> list[Strands]:
    """Return the segments of a query that are looked up one by one."""
    return query.segments()


def grouped(
    library: Library,
    findings: Sequence[Sequence[Finding]],
    null: Null,
    *,
    n_works: int,
) -> list[WorkFinding]:
    """Return the works found, best first.

    Args:
        library: The recordings.
        findings: For each segment of the query, what it is like.
        null: What unrelated music reaches.
        n_works: How many works could have been found.
    """
    by_recording: dict[int, list[Finding | None]] = {}
    for i, found in enumerate(findings):
        for finding in found:
            row = by_recording.setdefault(finding.recording, [None] * len(findings))
            row[i] = finding
    best: dict[str, WorkFinding] = {}
    for recording, row in by_recording.items():
        strength = max(finding.joint for finding in row if finding)
        work = library.records[recording].work
        if work not in best or strength > best[work].strength:
            p_values = [null.p_value(JOINT, f.joint) if f else 1.0 for f in row]
            joint = simes(min(1.0, n_works * p) for p in p_values)
            best[work] = WorkFinding(
                work=work, joint=joint, strength=strength, findings=tuple(row)
            )
    return sorted(best.values(), key=lambda w: (w.joint, -w.strength, w.work))


def describe_match(
    library: Library, found: WorkFinding, query: Sequence[Strands], null: Null
) -> WorkMatch:
    """Return a work that was found with all its aspects and spans."""
    rows = [(s, f) for s, f in zip(query, found.findings, strict=True) if f is not None]
    aspects: dict[Aspect, AspectMatch] = {}
    for k, aspect in enumerate(ASPECTS):
        measured = [(s, f) for s, f in rows if not np.isnan(f.values[k])]
        if measured:
            aspects[aspect] = _aspect(library, measured, k, null)
    segment, best = max(rows, key=lambda row: row[1].joint)
    return WorkMatch(
        work_id=found.work,
        recording_id=library.records[best.recording].recording_id,
        joint=found.joint,
        aspects=aspects,
        transposition_semitones=_transposition(best, null),
        tempo_ratio=_tempo_ratio(library, segment, best),
    )


def _aspect(
    library: Library, rows: Sequence[tuple[Strands, Finding]], k: int, null: Null
) -> AspectMatch:
    p_values = [null.p_value(k, float(f.values[k])) for _, f in rows]
    alike = sorted(
        (-float(f.values[k]), i)
        for i, ((_, f), p) in enumerate(zip(rows, p_values, strict=True))
        if p <= _ALIKE_P
    )
    spans = [_span(library, *rows[i], k) for _, i in alike]
    return AspectMatch(
        score=max(float(f.values[k]) for _, f in rows),
        p_value=simes(p_values),
        spans=_merged([span for span in spans if span is not None]),
    )


def _aligned(
    library: Library, segment: Strands, finding: Finding, k: int
) -> tuple[Strand, Strand, NDArray[np.intp]]:
    """Return both strands and the pairs of elements of their alignment."""
    query = segment.strands[k]
    reference = library.table.segments[finding.segment].strands[k]
    return query, reference, LAYERS[k].path(query, reference, int(finding.shifts[k]))


def _span(
    library: Library, segment: Strands, finding: Finding, k: int
) -> AspectSpan | None:
    query, reference, steps = _aligned(library, segment, finding, k)
    if not len(steps):
        return None
    points = steps[np.linspace(0, len(steps) - 1, _N_POINTS).round().astype(int)]
    (first_q, first_r), (last_q, last_r) = steps[0], steps[-1]
    times = [(float(query.start_s[i]), float(reference.start_s[j])) for i, j in points]
    return AspectSpan(
        query_start_s=float(query.start_s[first_q]),
        query_end_s=float(query.end_s[last_q]),
        reference_start_s=float(reference.start_s[first_r]),
        reference_end_s=float(reference.end_s[last_r]),
        tempo_map=tuple(dict.fromkeys(times)),
    )


def _merged(spans: Sequence[AspectSpan]) -> tuple[AspectSpan, ...]:
    """Join spans of overlapping segments that continue one another, best first."""
    result: list[AspectSpan] = []
    for span in spans:
        for i, other in enumerate(result):
            if _continues(span, other):
                result[i] = _union(other, span)
                break
        else:
            result.append(span)
    return tuple(result)


def _continues(one: AspectSpan, other: AspectSpan) -> bool:
    first, second = sorted((one, other), key=lambda s: s.query_start_s)
    if second.query_start_s > first.query_end_s:
        return False
    known = np.array(first.tempo_map)
    expected = np.interp(second.query_start_s, known[:, 0], known[:, 1])
    return bool(abs(expected - second.reference_start_s) < _SAME_DRIFT_S)


def _union(one: AspectSpan, other: AspectSpan) -> AspectSpan:
    return AspectSpan(
        query_start_s=min(one.query_start_s, other.query_start_s),
        query_end_s=max(one.query_end_s, other.query_end_s),
        reference_start_s=min(one.reference_start_s, other.reference_start_s),
        reference_end_s=max(one.reference_end_s, other.reference_end_s),
        tempo_map=tuple(sorted({*one.tempo_map, *other.tempo_map})),
    )


def _transposition(finding: Finding, null: Null) -> float:
    """Return semitones: the melody's, if it is alike, else within half an octave."""
    values = finding.values
    if not np.isnan(values[0]) and null.p_value(0, float(values[0])) <= _ALIKE_P:
        half = LAYERS[0].n_shifts // 2
        return float((int(finding.shifts[0]) + half) % LAYERS[0].n_shifts - half)
    harmony = _TEXTURE if np.nan_to_num(values[1], nan=-9.0) < values[_TEXTURE] else 1
    return float((int(finding.shifts[harmony]) + 5) % 12 - 5)


def _tempo_ratio(library: Library, segment: Strands, finding: Finding) -> float:
    """Return how much faster the query is, by what is aligned best."""
    layer = int(np.nanargmax(finding.values[: len(LAYERS)]))
    span = _span(library, segment, finding, layer)
    if span is None:
        return 1.0
    there: Seconds = span.reference_end_s - span.reference_start_s
    return float(there / (span.query_end_s - span.query_start_s))
