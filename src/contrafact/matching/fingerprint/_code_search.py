"""Proposes alignments by codes: places that sound like the query, unchanged in pitch.

What shares the high bits of a few codes, some uncertain ones flipped, is looked at
along all of the query; what differs in few enough bits is worth a closer look.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint._codes import FRAMES_PER_CODE, N_BITS, Codes
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._segments import Segment

__all__ = ["Heard", "propose_by_codes"]

Ints = NDArray[np.int64]

_KEY_BITS, _WEAKEST, _MOST_FLIPS = 24, 6, 2
_MOST_HITS = 100_000  # places looked at for a window, of the rarest keys
_N_LINES, _N_KEPT = 24, 3
_LEAST_CODES = 12
_MOST_WRONG = 0.36  # of the bits; of unrelated sounds half are
_FLIPS = np.array(
    [
        sum(1 << i for i in chosen)
        for n in range(_MOST_FLIPS + 1)
        for chosen in itertools.combinations(range(_WEAKEST), n)
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A place of the index that sounds like the query.

    Attributes:
        part: Number of the part.
        owner: Number of the recording in it.
        start: Where in the recording frame 0 of the query would lie, in frames.
        agreement: From 0, half of the bits are equal, to 1, all are.
    """

    part: int
    owner: int
    start: float
    agreement: float


def propose_by_codes(parts: Sequence[Part], codes: Codes, span: slice) -> list[Heard]:
    """Return the places that sound most like a part of the query, best first.

    Args:
        parts: Of the index.
        codes: Of the whole query.
        span: Which of them are asked about.
    """
    asked = np.flatnonzero(codes.is_heard[span]) + span.start
    if len(asked) < _LEAST_CODES:
        return []
    probes, of = _probes(codes.value[asked], codes.margin[asked])
    ranges = [_ranges(part.segment, probes) for part in parts]
    n_each = sum((high - low for low, high in ranges), np.zeros(len(probes), np.int64))
    order = np.argsort(n_each, kind="stable")
    is_read = np.zeros(len(probes), bool)
    is_read[order[np.cumsum(n_each[order]) <= _MOST_HITS]] = True
    found = []
    for number, (part, (low, high)) in enumerate(zip(parts, ranges, strict=True)):
        n = np.where(is_read, high - low, 0)
        which = np.repeat(np.arange(len(probes)), n)
        within = np.arange(len(which)) - np.repeat(np.cumsum(n) - n, n)
        place = part.segment.code_order[low[which] + within].astype(np.int64)
        lines = _lines(place - asked[of[which]])
        found += _heard(number, part, codes, asked, lines)
    found.sort(key=lambda one: -one.agreement)
    return found[:_N_KEPT]


def _probes(
    values: NDArray[np.uint32], margin: NDArray[np.float32]
) -> tuple[NDArray[np.uint32], Ints]:
    """Return the lowest code of each key that is tried, and whose it is."""
    weak = np.argsort(margin[:, :_KEY_BITS], axis=1)[:, :_WEAKEST]
    masks = np.uint32(1) << (N_BITS - 1 - weak).astype(np.uint32)
    is_flipped = (_FLIPS[:, None] >> np.arange(_WEAKEST)) & 1
    flips = (masks[:, None, :] * is_flipped.astype(np.uint32)).sum(2, dtype=np.uint32)
    keys = (values[:, None] ^ flips) >> np.uint32(N_BITS - _KEY_BITS)
    keys = (keys << np.uint32(N_BITS - _KEY_BITS)).ravel()
    of = np.repeat(np.arange(len(values)), len(_FLIPS))
    order = np.argsort(keys)
    return keys[order], of[order]


def _ranges(segment: Segment, probes: NDArray[np.uint32]) -> tuple[Ints, Ints]:
    """Return from where to where in `code_order` codes have each key."""
    last = probes | np.uint32((1 << (N_BITS - _KEY_BITS)) - 1)
    return (
        segment.codes_up_to(probes, including=False),
        segment.codes_up_to(last, including=True),
    )


def _lines(offsets: Ints) -> Ints:
    """Return the offsets that most hits share, with the next one."""
    if not len(offsets):
        return offsets
    value, count = np.unique(offsets, return_counts=True)
    is_next = np.append(value[1:] == value[:-1] + 1, False)
    both = count + np.where(is_next, np.append(count[1:], 0), 0)
    return value[np.argsort(-both, kind="stable")[:_N_LINES]]


def _heard(
    number: int, part: Part, codes: Codes, asked: Ints, lines: Ints
) -> list[Heard]:
    """Return what of some lines sounds alike, each recording's best."""
    segment = part.segment
    begins = np.append(segment.code_begins, len(segment.code))
    middle = lines + asked[len(asked) // 2]
    owner = np.searchsorted(begins, middle, side="right") - 1
    is_there = (owner >= 0) & (owner < len(segment.starts))
    is_there[is_there] = part.is_live[owner[is_there]]
    # Each line, and its two neighbours.
    lines = (lines[is_there, None] + np.arange(-1, 2)).ravel()
    owner = np.repeat(owner[is_there], 3)
    place = asked + lines[:, None]
    is_in = (place >= begins[owner, None]) & (place < begins[owner + 1, None])
    differ = segment.code[np.where(is_in, place, 0)] ^ codes.value[asked]
    n_in = is_in.sum(1)
    n_wrong = np.where(is_in, np.bitwise_count(differ), 0).sum(1)
    wrong = n_wrong / np.maximum(n_in * N_BITS, 1)
    best: dict[int, Heard] = {}
    for i in np.flatnonzero((n_in >= _LEAST_CODES) & (wrong <= _MOST_WRONG)):
        mine, agreement = int(owner[i]), float(1 - 2 * wrong[i])
        if mine not in best or agreement > best[mine].agreement:
            start = float((lines[i] - begins[mine]) * FRAMES_PER_CODE)
            best[mine] = Heard(
                part=number, owner=mine, start=start, agreement=agreement
            )
    return list(best.values())
