"""Finds the recordings that are in a query: propose, compare, decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contrafact.core.matches import RecordingMatch
from contrafact.matching.fingerprint._calibration import (
    evidence,
    false_match_probability,
)
from contrafact.matching.fingerprint._hashes import (
    ASKED_PER_S,
    find_peaks,
    query_hashes,
)
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._pairing import APART, find_pairs
from contrafact.matching.fingerprint._segments import FRAMES_PER_ROW
from contrafact.matching.fingerprint._spectrum import (
    FRAMES_PER_S,
    PER_SEMITONE,
    Map,
    note_map,
)
from contrafact.matching.fingerprint._verification import Found, align
from contrafact.matching.fingerprint._voting import (
    Proposal,
    propose,
)

__all__ = ["find_matches"]

_WINDOW_S, _STEP_S = 12.0, 6.0
_N_PROPOSALS = 6
_SHORTEST_S = 2.5
_HIDDEN = 0.5  # of a match, from which it is part of a better one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    part: int
    owner: int
    proposal: Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    recording_id: str
    found: Found
    n_pairs: int
    evidence: float


def find_matches(
    parts: Sequence[Part], samples: NDArray[np.float32], max_false_match: float
) -> tuple[RecordingMatch, ...]:
    """Return what is found, best first, false ones at the rate allowed."""
    answers = find_answers(parts, note_map(samples))
    matches = [_match(answer) for answer in answers]
    return tuple(m for m in matches if m.false_match_probability <= max_false_match)


def find_answers(parts: Sequence[Part], query: Map) -> list[_Answer]:
    """Return all recordings that were compared, best first, each part once."""
    if len(query) < _SHORTEST_S * FRAMES_PER_S:
        return []
    answers = []
    for candidate in _merged(list(_candidates(parts, query))):
        segment = parts[candidate.part].segment
        first, last = segment.starts[candidate.owner], segment.ends[candidate.owner]
        rows = segment.notes[first // FRAMES_PER_ROW : last // FRAMES_PER_ROW]
        found = align(query, rows, candidate.proposal)
        if found is not None:
            n_pairs = candidate.proposal.n_pairs
            answers.append(
                _Answer(
                    recording_id=segment.recording_ids[candidate.owner],
                    found=found,
                    n_pairs=n_pairs,
                    evidence=evidence(found, n_pairs),
                )
            )
    answers.sort(key=lambda answer: -answer.evidence)
    kept: list[_Answer] = []
    for answer in answers:
        if not any(_is_hidden(answer, other) for other in kept):
            kept.append(answer)
    return kept


def _is_hidden(one: _Answer, other: _Answer) -> bool:
    """Tell whether one is only another way to lay the same recording there."""
    if one.recording_id != other.recording_id:
        return False
    common = min(one.found.last, other.found.last) - max(
        one.found.first, other.found.first
    )
    return common > _HIDDEN * (one.found.last - one.found.first)


def _candidates(parts: Sequence[Part], query: Map) -> Iterator[_Candidate]:
    """Yield what the hashes of each stretch of the query propose."""
    hashes = query_hashes(find_peaks(query, ASKED_PER_S))
    pairs = find_pairs(parts, hashes)
    bases = np.cumsum([0, *(len(p.segment.starts) for p in parts)])
    step, window = _STEP_S * FRAMES_PER_S, _WINDOW_S * FRAMES_PER_S
    first = 0.0
    while first == 0 or first + window - step < len(query):
        is_in = (pairs.query >= first) & (pairs.query < first + window)
        middle = min(first + window / 2, (first + len(query)) / 2)
        some = pairs.at(is_in)
        for proposal in propose(some, middle, n_most=_N_PROPOSALS):
            number = int((proposal.place(middle) + APART / 2) // APART)
            part = int(np.searchsorted(bases, number, side="right")) - 1
            if not 0 <= number < bases[-1]:
                continue
            yield _Candidate(
                part=part,
                owner=number - int(bases[part]),
                proposal=replace(proposal, start=proposal.start - number * APART),
            )
        first += step


def _merged(candidates: list[_Candidate]) -> list[_Candidate]:
    """Return the candidates, those on one line only once, with all their pairs."""
    kept: list[_Candidate] = []
    for one in sorted(candidates, key=lambda c: -c.proposal.n_pairs):
        if not any(_is_one_line(one, other) for other in kept):
            kept.append(one)
    return kept


def _is_one_line(one: _Candidate, other: _Candidate) -> bool:
    return (
        (one.part, one.owner) == (other.part, other.owner)
        and abs(one.proposal.start - other.proposal.start) < FRAMES_PER_S / 2
        and abs(one.proposal.semitones - other.proposal.semitones) < 1
        and abs(one.proposal.tempo / other.proposal.tempo - 1) < 0.03
    )


def _match(answer: _Answer) -> RecordingMatch:
    found, at = answer.found, answer.found.alignment
    return RecordingMatch(
        recording_id=answer.recording_id,
        query_start_s=found.first / FRAMES_PER_S,
        query_end_s=found.last / FRAMES_PER_S,
        reference_start_s=max(0.0, at.start + at.tempo * found.first) / FRAMES_PER_S,
        reference_end_s=(at.start + at.tempo * found.last) / FRAMES_PER_S,
        pitch_semitones=at.n_bins / PER_SEMITONE,
        tempo_ratio=at.tempo,
        false_match_probability=false_match_probability(answer.evidence),
    )
