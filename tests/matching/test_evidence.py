from __future__ import annotations

import pytest

from contrafact.core.evidence import Evidence
from contrafact.core.matches import (
    AspectMatch,
    AspectSpan,
    RecordingMatch,
    WorkMatch,
)
from contrafact.matching.evidence import coverage, shifted, split_reuse


def _match(name: str, start_s: float, end_s: float) -> RecordingMatch:
    return RecordingMatch(
        recording_id=name, query_start_s=start_s, query_end_s=end_s,
        reference_start_s=5.0, reference_end_s=5.0 + end_s - start_s,
        pitch_semitones=0.0, tempo_ratio=1.0, false_match_probability=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "part"),
    [([], 0.0), ([(-5, 30)], 1.0), ([(0, 2), (1, 3)], 0.3), ([(8, 12), (0, 1)], 0.3)],
)
def test_coverage_counts_every_moment_once(
    spans: list[tuple[float, float]], part: float
) -> None:
    """Overlaps count once, and what lies outside does not."""
    assert coverage(spans, 0.0, 10.0) == pytest.approx(part)


def test_a_recording_in_two_pieces_is_the_same_recording() -> None:
    """Pieces count together; another that covers a fifth is reused in part."""
    matches = (_match("a", 0, 3), _match("b", 3, 5), _match("a", 6, 9))
    evidence = Evidence(file="x", start_s=0.0, end_s=10.0, recordings=matches)
    found = split_reuse(evidence)
    assert found == ((matches[0], matches[2]), (matches[1],))


def test_what_was_not_measured_is_not_an_empty_list() -> None:
    """Nobody looked: neither the same recording nor a part of one."""
    assert split_reuse(Evidence(file="x")) is None


def test_times_count_from_the_start_of_the_piece() -> None:
    """Matches in a part are moved to where the part lies; the reference stays."""
    span = AspectSpan(
        query_start_s=1.0,
        query_end_s=2.0,
        reference_start_s=3.0,
        reference_end_s=4.0,
        tempo_map=((1.0, 3.0), (2.0, 4.0)),
    )
    melody = AspectMatch(score=1.0, p_value=0.01, spans=(span,))
    work = WorkMatch(
        work_id="W", recording_id="a", joint=0.01, aspects={"melody": melody},
        transposition_semitones=0.0,
    )  # fmt: skip
    found = shifted(
        Evidence(file="x", recordings=(_match("a", 0, 3),), works=(work,)), 30.0
    )
    assert found.recordings is not None
    assert found.works is not None
    moved = found.works[0].aspects["melody"].spans[0]
    assert (found.recordings[0].query_start_s, moved.query_start_s) == (30.0, 31.0)
    assert (found.recordings[0].reference_start_s, moved.reference_start_s) == (
        5.0,
        3.0,
    )
