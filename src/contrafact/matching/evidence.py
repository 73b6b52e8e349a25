"""The layers of evidence told apart, and joined in one record.

A match of a recording is *the same recording* if it covers most of what was
listened to, and *partial reuse* if it covers a part: an excerpt, a loop, a mix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from contrafact.core.evidence import Evidence
from contrafact.core.matches import AspectMatch, AspectSpan, RecordingMatch, WorkMatch

__all__ = ["MOST", "coverage", "is_whole", "shifted", "split_reuse"]

MOST = 0.5
"""Part of the query from which a match counts as the same recording."""

Span = tuple[float, float]
_Timed = TypeVar("_Timed", RecordingMatch, AspectSpan)


def coverage(spans: Iterable[Span], start_s: float, end_s: float) -> float:
    """Return the part of a stretch that spans cover together, in [0, 1].

    Example:
        >>> coverage([(0, 4), (2, 5), (9, 20)], 0, 10)
        0.6
    """
    covered, reached = 0.0, start_s
    for start, end in sorted(spans):
        low, high = max(start, reached), min(end, end_s)
        covered += max(0.0, high - low)
        reached = max(reached, high)
    return covered / (end_s - start_s) if end_s > start_s else 0.0


def is_whole(match: RecordingMatch, evidence: Evidence) -> bool:
    """Tell whether a match is the same recording, not a part of it reused.

    All matches of the recording count together, so that one that was found in
    two pieces is whole too.
    """
    spans = [
        (m.query_start_s, m.query_end_s)
        for m in evidence.recordings or ()
        if m.recording_id == match.recording_id
    ]
    return coverage(spans, evidence.start_s, evidence.end_s) >= MOST


def split_reuse(
    evidence: Evidence,
) -> tuple[tuple[RecordingMatch, ...], tuple[RecordingMatch, ...]] | None:
    """Return the same recordings and the parts reused; None if not measured."""
    if evidence.recordings is None:
        return None
    whole = [is_whole(match, evidence) for match in evidence.recordings]
    pairs = list(zip(evidence.recordings, whole, strict=True))
    return tuple(m for m, w in pairs if w), tuple(m for m, w in pairs if not w)


def shifted(evidence: Evidence, by_s: float) -> Evidence:
    """Return the same with all times in the query later by `by_s`.

    For matches found in a part of a piece, whose times count from its start.
    """
    return replace(
        evidence,
        recordings=_moved(evidence.recordings, by_s),
        works=None
        if evidence.works is None
        else tuple(_moved_work(work, by_s) for work in evidence.works),
        encoders={
            name: tuple(replace(m, spans=_moved_spans(m.spans, by_s)) for m in matches)
            for name, matches in evidence.encoders.items()
        },
    )


def _moved(
    matches: Sequence[RecordingMatch] | None, by_s: float
) -> tuple[RecordingMatch, ...] | None:
    if matches is None:
        return None
    return tuple(
        replace(
            m, query_start_s=m.query_start_s + by_s, query_end_s=m.query_end_s + by_s
        )
        for m in matches
    )


def _moved_work(work: WorkMatch, by_s: float) -> WorkMatch:
    aspects = {name: _moved_aspect(one, by_s) for name, one in work.aspects.items()}
    return replace(work, aspects=aspects)


def _moved_aspect(aspect: AspectMatch, by_s: float) -> AspectMatch:
    return replace(aspect, spans=_moved_spans(aspect.spans, by_s))


def _moved_spans(spans: Iterable[AspectSpan], by_s: float) -> tuple[AspectSpan, ...]:
    return tuple(
        replace(
            s, query_start_s=s.query_start_s + by_s, query_end_s=s.query_end_s + by_s
        )
        for s in spans
    )
