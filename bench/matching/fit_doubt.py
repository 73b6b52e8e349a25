"""Fit which hashes of a query tell most, on the half of works for tuning.

    python bench/matching/fit_doubt.py --index DIR [--audio DIR]

A hash of a query is right if the recording in the index at DIR has it too, where the
query lies, shifted and stretched as the query was. A logistic regression says how
likely that is by three numbers: the square of the sum of how many peaks are stronger
than each of its own; in how many of its numbers it differs from what the peaks say, as
uncertain ones are tried both ways; and the logarithm of how often such a hash is in ten
thousand hours. The first two make `Hashes.doubt`, the third is `_COMMON` of the search.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from calibrate import fit_weights
from fingerprint import KEPT, gather
from numpy.typing import NDArray
from queries import Query, catalog_queries
from synthetic import key_shares, pattern_of

from contrafact.matching.fingerprint import FingerprintIndex, _hashes
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._segments import PLACES_PER_FRAME
from contrafact.matching.fingerprint._spectrum import (
    FRAMES_PER_S,
    PER_SEMITONE,
    note_map,
)

RESULT = Path(__file__).parents[1] / "results" / "matching-fingerprint-doubt.json"
_FRAMES, _SEMITONES, _STRETCH = 8, 0.8, 0.06
_HOURS = 10_000
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Tried(NamedTuple):
    """Hashes that a query tries, in ascending order of their keys."""

    key: NDArray[np.uint32]
    rank: Ints
    n_other: Ints
    time: Floats
    pitch: Floats
    span: Floats


def tried(query: Query) -> Tried:
    """Return the hashes of a query, with what the doubt of each is made of."""
    peaks = _hashes.find_peaks(note_map(query.samples), _hashes.ASKED_PER_S)
    chosen = [
        _hashes._strongest(
            peaks, low / _hashes._FASTEST, high / _hashes._SLOWEST, _hashes._PER_WINDOW
        )
        for low, high in _hashes._WINDOWS_S
    ]
    quads, rank = _hashes._possible_quads(peaks.time, chosen)
    keys, whose, n_other = _hashes._with_neighbours(_hashes._values(peaks, quads))
    order = np.argsort(keys, kind="stable")
    whose = whose[order]
    first, last = quads[whose, 0], quads[whose, 3]
    return Tried(
        key=keys[order].astype(np.uint32),
        rank=rank[whose],
        n_other=n_other[order].astype(np.int64),
        time=peaks.time[first].astype(np.float64),
        pitch=peaks.pitch[first].astype(np.float64),
        span=(peaks.time[last] - peaks.time[first]).astype(np.float64),
    )


def are_right(
    hashes: Tried, query: Query, parts: Sequence[Part], copies: set[str]
) -> NDArray[np.bool_]:
    """Return which hashes the recording has where the query lies on it."""
    right = np.zeros(len(hashes.key), bool)
    for segment in (part.segment for part in parts):
        low, n_each = segment.look_up(hashes.key)
        of = np.repeat(np.arange(len(n_each)), n_each)
        place = np.repeat(low - np.cumsum(n_each) + n_each, n_each) + np.arange(len(of))
        frame = segment.place[place] / PLACES_PER_FRAME
        owner = segment.owner_of(frame)
        is_it = np.isin(np.array(segment.recording_ids), list(copies))[owner]
        begin = query.start_s * FRAMES_PER_S
        expected = begin + query.transform.tempo_ratio * hashes.time[of]
        off = frame - segment.starts[owner] - expected
        shift = (hashes.pitch[of] - segment.pitch[place]) / PER_SEMITONE
        longer = segment.span[place] / (PLACES_PER_FRAME * hashes.span[of])
        stretch = np.log(longer / query.transform.tempo_ratio)
        is_it &= (np.abs(off) < _FRAMES) & (np.abs(stretch) < _STRETCH)
        is_it &= np.abs(shift - query.transform.pitch_semitones) < _SEMITONES
        right[of[is_it]] = True
    return right


def main() -> None:
    """Fit, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    pieces = gather(chosen.audio, chosen.folder, "tune")
    parts = FingerprintIndex.open(chosen.index)._parts
    pattern = pattern_of(parts, {piece.id for piece in pieces.asked})
    rate = len(pattern.key) / pattern.n_frames * FRAMES_PER_S * 3600
    n_in = key_shares(pattern.key, pattern.recording) * np.float32(rate * _HOURS)
    values, rights = [], []
    for query in catalog_queries(pieces.asked, chosen.each):
        hashes = tried(query)
        copies = pieces.copies[query.piece.work]
        rights.append(are_right(hashes, query, parts, copies))
        common = np.log(n_in[hashes.key] + 1.0)
        values.append(np.stack([hashes.rank**2, hashes.n_other, common], 1))
    result = fitted(np.concatenate(values), np.concatenate(rights))
    print(json.dumps(result, indent=1))
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")


def fitted(values: Floats, is_right: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the weights, and how many hashes are right of the surest and others."""
    shares = np.full(len(values), 1 / len(values))
    weights = fit_weights(values, is_right, shares, 0.0)
    n_other = values[:, 1]
    of_sure = is_right[(n_other == 0) & (values[:, 0] <= 4)]
    return {
        "n_hashes": len(values),
        "doubt_of_rank_squared": round(-float(weights[1]), 4),
        "doubt_of_number": round(-float(weights[2]), 4),
        "power_of_common": round(float(weights[3]), 4),
        "right_of_strongest_and_certain": round(float(of_sure.mean()), 5),
        "right_by_other_numbers": [
            round(float(is_right[n_other == n].mean()), 6) for n in range(4)
        ],
    }


if __name__ == "__main__":
    main()
