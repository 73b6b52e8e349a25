"""Finds the recordings that are in a query: propose, compare, decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contrafact.core.matches import RecordingMatch
from contrafact.matching.fingerprint._calibration import (
    evidence,
    false_match_probability,
    strict_evidence,
)
from contrafact.matching.fingerprint._code_search import propose_by_codes
from contrafact.matching.fingerprint._codes import (
    FRAMES_PER_CODE,
    WIDTH,
    Codes,
    codes_of,
)
from contrafact.matching.fingerprint._hashes import (
    ASKED_PER_S,
    find_peaks,
    query_hashes,
)
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._overlay import Asked, Window
from contrafact.matching.fingerprint._pairing import APART, find_pairs, keys_in
from contrafact.matching.fingerprint._segments import FRAMES_PER_ROW
from contrafact.matching.fingerprint._spectrum import (
    FRAMES_PER_S,
    PER_SEMITONE,
    Map,
    note_blocks,
)
from contrafact.matching.fingerprint._verification import (
    Approach,
    Found,
    approach,
    compare,
    strong_places,
)
from contrafact.matching.fingerprint._voting import (
    Proposal,
    propose,
)

__all__ = ["Answer", "find_answers", "find_matches"]

_WINDOW_S, _STEP_S = 12.0, 9.0
_N_PROPOSALS = 7
_N_COMPARED = 4  # of what was proposed for a window, those that look most alike
_SHORTEST_S = 2.5
_HIDDEN = 0.5  # of a match, from which it is part of a better one
_ALONE, _BEHIND = 0.88, 0.08  # likeness of what sounds alone, and lead over others
_LAYER, _ALL_OF_IT = 3.2, 0.95  # strength of a match that may have another beside
# it, and how much of what stands out in a query is its own if nothing else is there
_GAP_S = 1.0  # over which a match may go on from one part of a query to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    part: int
    owner: int
    proposal: Proposal
    window: Window


_Laid = tuple[_Candidate, Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A recording that was laid upon the query, whether it is there or not."""

    recording_id: str
    found: Found
    proposal: Proposal
    evidence: float


def find_matches(
    parts: Sequence[Part], samples: NDArray[np.float32], max_false_match: float
) -> tuple[RecordingMatch, ...]:
    """Return what is found, best first, false ones at the rate allowed."""
    matches: list[RecordingMatch] = []
    hours = sum(part.n_frames for part in parts) / FRAMES_PER_S / 3600
    for block in note_blocks(samples):
        for answer in find_answers(parts, block.notes, codes_of(block.power)):
            match = _match(answer, block.first, hours)
            if match.false_match_probability <= max_false_match:
                _join(matches, match)
    return tuple(sorted(matches, key=lambda m: m.false_match_probability))


def find_answers(
    parts: Sequence[Part],
    query: Map,
    codes: Codes,
    judge: Callable[[Found, Proposal], float] = evidence,
) -> list[Answer]:
    """Return all recordings that were compared, best first, each place once.

    Args:
        parts: Of the index.
        query: Map of a query of ten minutes or so at most.
        codes: Of the same.
        judge: What makes one number of a comparison, higher for better ones.
    """
    if len(query) < _SHORTEST_S * FRAMES_PER_S:
        return []
    by_codes = list(_by_codes(parts, len(query), codes))
    asked = Asked(query)
    laid = _laid(parts, asked, [*_candidates(parts, query), *by_codes])
    if layers := _layers(laid):
        laid += _beneath(parts, query, layers, by_codes)
    answers = [
        Answer(
            recording_id=parts[one.part].segment.recording_ids[one.owner],
            found=found,
            proposal=one.proposal,
            evidence=judge(found, one.proposal),
        )
        for one, found in _closest(laid)
    ]
    answers.sort(key=lambda answer: -answer.evidence)
    kept: list[Answer] = []
    for answer in answers:
        if not any(_is_hidden(answer, other) for other in kept):
            kept.append(answer)
    return kept


def _laid(
    parts: Sequence[Part], asked: Asked, candidates: Iterable[_Candidate]
) -> list[_Laid]:
    """Return what was compared of the candidates: those that look most alike."""
    near = [
        (seen, one)
        for one in _merged(candidates)
        if (seen := _approach(parts[one.part], one, asked)) is not None
    ]
    near.sort(key=lambda both: -both[0].likeness)
    most = _N_COMPARED * len(list(_windows(asked.n_frames)))
    return [
        (one, found)
        for seen, one in near[:most]
        if (found := compare(seen)) is not None
    ]


def _layers(laid: Sequence[_Laid]) -> list[_Laid]:
    """Return what lies closest at each place that seems to hold something beside it."""
    return [
        (candidate, found)
        for candidate, found in _strongest(laid)
        if found.strength > _LAYER and found.covered < _ALL_OF_IT
    ]


def _strongest(laid: Sequence[_Laid]) -> list[_Laid]:
    """Return what was compared, what lies closest at each place and nothing else."""
    kept: list[_Laid] = []
    for one in sorted(laid, key=lambda one: -one[1].strength):
        if not any(_is_over(one[1], other[1]) for other in kept):
            kept.append(one)
    return kept


def _beneath(
    parts: Sequence[Part],
    query: Map,
    layers: Sequence[_Laid],
    by_codes: Iterable[_Candidate],
) -> list[_Laid]:
    """Return what lies on the rest of a query, where first recordings are left out.

    And those recordings once more, without what lies beneath them.
    """
    hidden = _places_of(parts, layers, query)
    rest = np.where(hidden, np.float32(0), query)
    above = {_whose(layer) for layer in layers}
    candidates = [*_candidates(parts, rest), *by_codes]
    others = [c for c in candidates if (c.part, c.owner) not in above]
    laid = _laid(parts, Asked(query, hidden), others)
    if below := [one for one in _strongest(laid) if one[1].strength > _LAYER]:
        turned = Asked(query, _places_of(parts, below, query))
        laid += _laid(parts, turned, [candidate for candidate, _ in layers])
    return laid


def _whose(laid: _Laid) -> tuple[int, int]:
    return laid[0].part, laid[0].owner


def _places_of(
    parts: Sequence[Part], laid: Sequence[_Laid], query: Map
) -> NDArray[np.bool_]:
    """Return where in a query the strongest notes of what lies on it are."""
    places = np.zeros(query.shape, bool)
    for one, found in laid:
        rows = _rows_of(parts[one.part], one.owner)
        places |= strong_places(rows, found, query.shape)
    return places


def _closest(laid: Sequence[_Laid]) -> list[_Laid]:
    """Return what was compared, each recording once where several lines overlap."""
    kept: list[_Laid] = []
    for one in sorted(laid, key=lambda one: -one[1].strength):
        mine = (other[1] for other in kept if _whose(other) == _whose(one))
        if not any(_is_over(one[1], other) for other in mine):
            kept.append(one)
    return kept


def _is_over(one: Found, other: Found) -> bool:
    """Tell whether another match holds most of one."""
    common = min(one.last, other.last) - max(one.first, other.first)
    return common > _HIDDEN * (one.last - one.first)


def _rows_of(part: Part, owner: int) -> NDArray[np.uint8]:
    first, last = part.segment.starts[owner], part.segment.ends[owner]
    return part.segment.notes[first // FRAMES_PER_ROW : last // FRAMES_PER_ROW]


def _approach(part: Part, candidate: _Candidate, query: Asked) -> Approach | None:
    rows = _rows_of(part, candidate.owner)
    return approach(query, rows, candidate.proposal, candidate.window)


def _is_hidden(one: Answer, other: Answer) -> bool:
    """Tell whether a better answer is all there is to another.

    It is if it lies there so closely that no second recording can sound at the
    same time, and the other does not: a work that begins alike, say. Two copies of
    one recording both stay, and so does what lies beneath another.
    """
    behind = other.found.likeness - one.found.likeness
    is_alone = other.found.likeness > _ALONE and behind > _BEHIND
    return one.found.hidden == 0 and is_alone and _is_over(one.found, other.found)


def _candidates(parts: Sequence[Part], query: Map) -> Iterator[_Candidate]:
    """Yield what the hashes of each window of the query propose."""
    peaks, is_there = find_peaks(query, ASKED_PER_S), keys_in(parts)
    bases = np.cumsum([0, *(len(p.segment.starts) for p in parts)])
    for window in _windows(len(query)):
        some = peaks.between(window.first, window.last)
        hashes = query_hashes(some, is_there)
        pairs = find_pairs(parts, hashes, middle=window.middle)
        for proposal in propose(pairs, window.middle, n_most=_N_PROPOSALS):
            number = int((proposal.place(window.middle) + APART / 2) // APART)
            if not 0 <= number < bases[-1]:
                continue
            part = int(np.searchsorted(bases, number, side="right")) - 1
            yield _Candidate(
                part=part,
                owner=number - int(bases[part]),
                proposal=replace(proposal, start=proposal.start - number * APART),
                window=window,
            )


def _by_codes(
    parts: Sequence[Part], n_frames: int, codes: Codes
) -> Iterator[_Candidate]:
    """Yield what sounds like each window of the query as it is."""
    for window in _windows(n_frames):
        first = int(window.first) // FRAMES_PER_CODE
        last = int(window.last) // FRAMES_PER_CODE - WIDTH
        for heard in propose_by_codes(parts, codes, slice(first, last)):
            yield _Candidate(
                part=heard.part,
                owner=heard.owner,
                proposal=Proposal(
                    start=heard.start,
                    tempo=1.0,
                    semitones=0.0,
                    n_pairs=0,
                    agreement=heard.agreement,
                ),
                window=window,
            )


def _windows(n_frames: int) -> Iterator[Window]:
    step, length = _STEP_S * FRAMES_PER_S, _WINDOW_S * FRAMES_PER_S
    n = max(1, int(np.ceil((n_frames - length) / step)) + 1)
    for i in range(n):
        last = min(i * step + length, float(n_frames))
        yield Window(max(0.0, last - length), last)


def _merged(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """Return the candidates, those on one line of a recording only once."""
    kept: dict[tuple[int, int], list[_Candidate]] = {}
    for one in sorted(candidates, key=lambda c: -c.proposal.n_pairs):
        known = kept.setdefault((one.part, one.owner), [])
        same = (i for i, other in enumerate(known) if _is_one_line(one, other))
        if (i := next(same, None)) is None:
            known.append(one)
        elif one.proposal.agreement > known[i].proposal.agreement:
            proposal = replace(known[i].proposal, agreement=one.proposal.agreement)
            known[i] = replace(known[i], proposal=proposal)
    return [one for known in kept.values() for one in known]


def _is_one_line(one: _Candidate, other: _Candidate) -> bool:
    ahead = one.proposal.place(one.window.middle)
    return (
        abs(other.proposal.place(one.window.middle) - ahead) < FRAMES_PER_S / 2
        and abs(one.proposal.semitones - other.proposal.semitones) < 1
        and abs(one.proposal.tempo / other.proposal.tempo - 1) < 0.03
    )


def _join(matches: list[RecordingMatch], new: RecordingMatch) -> None:
    """Add a match, or make an earlier one longer that it goes on from."""
    for i, old in enumerate(matches):
        if old.recording_id != new.recording_id:
            continue
        behind_s = new.query_start_s - old.query_start_s
        expected_s = old.reference_start_s + old.tempo_ratio * behind_s
        is_line = abs(expected_s - new.reference_start_s) < _GAP_S
        if is_line and 0 <= behind_s <= old.query_end_s - old.query_start_s + _GAP_S:
            matches[i] = replace(
                old
                if old.false_match_probability <= new.false_match_probability
                else new,
                query_start_s=old.query_start_s,
                reference_start_s=old.reference_start_s,
                query_end_s=max(old.query_end_s, new.query_end_s),
                reference_end_s=max(old.reference_end_s, new.reference_end_s),
            )
            return
    matches.append(new)


def _match(answer: Answer, begin: int, hours: float) -> RecordingMatch:
    found, at = answer.found, answer.found.alignment
    return RecordingMatch(
        recording_id=answer.recording_id,
        query_start_s=(begin + found.first) / FRAMES_PER_S,
        query_end_s=(begin + found.last) / FRAMES_PER_S,
        reference_start_s=max(0.0, at.start + at.tempo * found.first) / FRAMES_PER_S,
        reference_end_s=(at.start + at.tempo * found.last) / FRAMES_PER_S,
        pitch_semitones=at.bins / PER_SEMITONE,
        tempo_ratio=at.tempo,
        false_match_probability=false_match_probability(
            answer.evidence, strict_evidence(found, answer.proposal), hours
        ),
    )
