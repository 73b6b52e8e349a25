"""Looks up the hashes of a query: which places of the index share which of them.

However large the index, no more than `MOST_PAIRS` pairs are read for a query: those
of hashes that are rare in it and likely to be the recording's own, which say most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint._hashes import Hashes
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._ordering import in_order
from contrafact.matching.fingerprint._segments import (
    PLACES_PER_FRAME,
    Segment,
    is_marked,
)
from contrafact.matching.fingerprint._spectrum import PER_SEMITONE
from contrafact.matching.fingerprint._voting import (
    LEAST_PAIRS,
    MAX_SEMITONES,
    MAX_STRETCH,
    PLACE,
    Pairs,
)

__all__ = ["APART", "MOST_PAIRS", "find_pairs", "keys_in"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

APART = 1 << 22
"""Frames by which recordings are set apart in the places of pairs: 37 hours."""
MOST_PAIRS = 1_000_000
_COMMON = 0.39
"""With this power of how often the index has a hash grows how likely it is that the
recording has it; by `bench/matching/fit_doubt.py`, as `Hashes.doubt`."""
_STEPS = 16.0  # for a factor of e in how much a pair tells
_SPARSE = 4.0  # places for each pair, from which it is rare that three agree


def keys_in(
    parts: Sequence[Part],
) -> Callable[[NDArray[np.int32]], NDArray[np.bool_]] | None:
    """Return what tells which keys an index has; None where it has nearly all."""
    marks = _marks(tuple(part.segment for part in parts))
    return None if marks is None else partial(is_marked, marks)


@lru_cache(maxsize=4)  # of the few indexes that one process asks
def _marks(segments: tuple[Segment, ...]) -> NDArray[np.uint8] | None:
    if not segments or any(len(segment.table) for segment in segments):
        return None
    marks = [segment.keys_there for segment in segments]
    return np.asarray(np.bitwise_or.reduce(marks), np.uint8)


def find_pairs(parts: Sequence[Part], hashes: Hashes, *, middle: float) -> Pairs:
    """Return the pairs of equal hashes, recordings numbered through all parts.

    Recording number `i` begins at the place `i * APART`. Pairs of deleted
    recordings, and of changes beyond what is looked for, are left out, and so may
    be those that too few others agree with to propose anything.

    Args:
        parts: Of the index.
        hashes: In order of their keys.
        middle: Of what is asked about, in frames; where pairs have to agree.
    """
    keys, begins = _distinct(hashes.key)
    n_alike = np.diff(begins, append=len(hashes.key))
    found = [_present(*part.segment.look_up(keys)) for part in parts]
    n_each = np.zeros(len(keys), np.int64)
    for there, _, n in found:
        n_each[there] += n
    is_asked, share = _telling(np.repeat(n_each, n_alike), hashes.doubt)
    pairs, base = [], 0
    for part, (there, low, n) in zip(parts, found, strict=True):
        again = n_alike[there]
        # Every hash with such a key, and where its postings begin.
        query = np.repeat(begins[there], again) + _counted(again)
        asked = is_asked[query]
        ranges = np.repeat(low, again)[asked], np.repeat(n, again)[asked]
        some = _pairs(part, hashes, query[asked], ranges, middle)
        pairs.append(replace(some, place=some.place + base * float(APART)))
        base += len(part.segment.starts)
    return _joined(pairs, share)


def _distinct(keys: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], Ints]:
    """Return keys in order once each, and where each begins among them."""
    is_new = np.ones(len(keys), bool)
    is_new[1:] = keys[1:] != keys[:-1]
    begins = np.flatnonzero(is_new)
    return keys[begins], begins


def _present(low: Ints, n_each: Ints) -> tuple[Ints, Ints, Ints]:
    """Return which keys have postings, where these begin, and how many they are."""
    there = np.flatnonzero(n_each)
    return there, low[there], n_each[there]


def _counted(n_each: Ints) -> Ints:
    """Return 0, 1, 2 and so on for each of some numbers, one after the other."""
    return np.arange(int(n_each.sum())) - np.repeat(np.cumsum(n_each) - n_each, n_each)


def _telling(n_each: Ints, doubt: NDArray[np.float32]) -> tuple[Bools, float]:
    """Return which hashes are asked for, so that not too much is read.

    Those of which one pair tells most. And what share of the pairs with the right
    recording should be among theirs.

    Args:
        n_each: How many pairs each has, `(n,)`.
        doubt: See `Hashes`.
    """
    if n_each.sum() <= MOST_PAIRS:
        return np.ones(len(n_each), bool), 1.0
    common = np.log(np.maximum(n_each, 1).astype(np.float32))
    likely = _COMMON * common - doubt
    # In steps, as that spares sorting them.
    cost = np.rint(_STEPS * (common - likely)).astype(np.int64)
    n_up_to = np.cumsum(np.bincount(cost, n_each))
    is_asked = cost < np.searchsorted(n_up_to, MOST_PAIRS, side="right")
    chances = np.exp(likely) * (n_each > 0)
    return is_asked, float(chances[is_asked].sum() / chances.sum())


def _pairs(
    part: Part, hashes: Hashes, there: Ints, ranges: tuple[Ints, Ints], middle: float
) -> Pairs:
    """Return the pairs of some hashes, with ranges of postings, in one segment."""
    segment, (low, n_each) = part.segment, ranges
    place = np.repeat(low - np.cumsum(n_each) + n_each, n_each)
    place += np.arange(len(place))
    # Bounds first, one after the other, as most pairs are of absurd changes.
    semitones = np.repeat(hashes.pitch[there], n_each) - segment.pitch[place]
    near = np.flatnonzero(np.abs(semitones) < MAX_SEMITONES * PER_SEMITONE)
    query = np.repeat(there, n_each)[near]
    place, semitones = place[near], semitones[near]
    span = np.maximum(segment.span[place], 0.5 * PLACES_PER_FRAME).astype(np.float32)
    ratio = span / (PLACES_PER_FRAME * hashes.span)[query]
    is_near = np.abs(ratio - np.cosh(MAX_STRETCH)) < np.sinh(MAX_STRETCH)
    # Whole numbers: the times of a large segment are beyond what float32 holds.
    frame = segment.place[place].astype(np.int64) / PLACES_PER_FRAME
    time = hashes.time[query]
    near = np.flatnonzero(is_near)
    near = near[_may_agree((frame + ratio * (middle - time))[near], segment.n_frames)]
    owner = segment.owner_of(frame[near])
    is_live = part.is_live[owner] if len(owner) else np.zeros(0, bool)
    begin = segment.starts[owner].astype(np.float64)
    return Pairs(
        query=time[near].astype(np.float64),
        place=frame[near] - begin + owner * float(APART),
        semitones=semitones[near].astype(np.float64) / PER_SEMITONE,
        stretch=np.log(ratio[near].astype(np.float64)),
        span=hashes.span[query[near]].astype(np.float64),
    ).at(is_live)


def _may_agree(where: NDArray[np.float64], n_frames: int) -> Ints:
    """Return which pairs have others nearby, enough for a proposal.

    All of them where that is nothing rare.
    """
    if _SPARSE * len(where) > n_frames / PLACE:
        return np.arange(len(where))
    ordered, order = in_order(np.floor(where))
    n_more = LEAST_PAIRS - 1
    # As far apart as what is counted together for a proposal, wherever that begins.
    is_near = ordered[n_more:] - ordered[:-n_more] <= 2 * PLACE
    may_agree = np.zeros(len(where), bool)
    for i in range(LEAST_PAIRS):
        may_agree[i : i + len(is_near)] |= is_near
    return np.sort(order[may_agree])


def _joined(pairs: Sequence[Pairs], share: float) -> Pairs:
    def all_of(name: str) -> NDArray[np.float64]:
        return np.concatenate([np.zeros(0), *(getattr(some, name) for some in pairs)])

    return Pairs(
        query=all_of("query"),
        place=all_of("place"),
        semitones=all_of("semitones"),
        stretch=all_of("stretch"),
        span=all_of("span"),
        share=share,
    )
