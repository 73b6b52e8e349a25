"""Measure how wrong answers grow with the index: the same queries, more recordings.

    python bench/matching/growth.py --index DIR [--audio DIR]

Queries of works that are not in the index at DIR, of the half for tuning, are put to an
eighth, a quarter, half and all of its recordings, drawn anew for each. Counted is how
many reach each level of evidence with a wrong answer, and with what power of the size
that grows; intervals are of works drawn again and again. Twice as often as that, for
twice the hours, would be what recordings do that are wrong independently.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from fingerprint import KEPT, gather
from numpy.typing import NDArray
from queries import other_queries

from contrafact.matching.fingerprint import FingerprintIndex
from contrafact.matching.fingerprint._codes import codes_of
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._search import find_answers
from contrafact.matching.fingerprint._spectrum import notes_of, power_map

RESULT = Path(__file__).parents[1] / "results" / "matching-fingerprint-growth.json"
_SHARES = (8, 4, 2, 1)  # one recording of so many
_LEVELS = (-2.0, -1.0, 0.0)
_N_DRAWN = 1_000
Floats = NDArray[np.float64]


def highest(index: FingerprintIndex, samples: NDArray[np.float32], seed: int) -> Floats:
    """Return the highest evidence of an answer for each share of the recordings."""
    power = power_map(samples)
    notes, codes = notes_of(power), codes_of(power)
    order = np.random.default_rng(seed).permutation(index.recording_ids)
    found = []
    for share in _SHARES:
        gone = frozenset(order[len(order) // share :].tolist())
        parts = [Part(part.segment, gone) for part in index._parts]
        answers = find_answers(parts, notes, codes)
        found.append(max((a.evidence for a in answers), default=-np.inf))
    return np.array(found)


def power_of(counts: Floats) -> float:
    """Return the power of the size with which counts grow, by least squares."""
    size = -np.log(_SHARES)
    away = size - size.mean()
    return float(away @ np.log(np.maximum(counts, 0.5)) / (away @ away))


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--others", type=int, default=800)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    others = gather(chosen.audio, chosen.folder, "tune").others["other work"]
    index = FingerprintIndex.open(chosen.index)
    rows, works = [], []
    for i, query in enumerate(other_queries(others, "other work", chosen.others)):
        rows.append(highest(index, query.samples, i))
        works.append(query.piece.work)
    table, of = np.array(rows), np.unique(works, return_inverse=True)[1]
    result: dict[str, Any] = {"n": len(rows), "one_in": _SHARES}
    result["reached"] = {str(level): _reached(table, of, level) for level in _LEVELS}
    print(json.dumps(result, indent=1))
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")


def _reached(table: Floats, of: NDArray[np.int64], level: float) -> dict[str, Any]:
    """Return how many reach a level, by share, and the power with its interval."""
    by_work = np.zeros((of.max() + 1, table.shape[1]))
    np.add.at(by_work, of, table > level)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(by_work), (_N_DRAWN, len(by_work)))
    powers = [power_of(by_work[some].sum(0)) for some in drawn]
    bounds = np.quantile(powers, [0.025, 0.975])
    return {
        "counts": by_work.sum(0).astype(int).tolist(),
        "power": round(power_of(by_work.sum(0)), 2),
        "interval": [round(float(b), 2) for b in bounds],
    }


if __name__ == "__main__":
    main()
