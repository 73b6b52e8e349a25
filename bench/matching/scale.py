"""Measure queries on an index as large as a label's: 10,000 hours of postings.

    python bench/matching/scale.py --index DIR [--audio DIR] [--hours 10000]

Beside the real index at DIR, of the catalog of the fingerprint benchmark, stands a
segment that is made up after its pattern, see `synthetic.py`. Asked are queries of the
half that is reported: is the right recording still found among so much else, what is
found that is not there, and what does it cost? It needs 17 GB of disk for a while.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from chromaprint import is_installed
from fingerprint import (
    KEPT,
    MAX_FALSE_MATCH,
    gather,
    leave_out_copies,
    peer_of,
    wilson,
)
from queries import Query, catalog_queries, mixed_queries, other_queries
from synthetic import Pattern, pattern_of, with_real_notes, write_synthetic
from yardstick import Cost, measured, summary_of

from contrafact.catalog.atomic import write_json
from contrafact.core.matches import RecordingMatch
from contrafact.matching.fingerprint import FingerprintIndex

RESULT = Path(__file__).parents[1] / "results" / "matching-fingerprint-scale.json"
_SYNTHETIC = "synthetic.segment"
Json = dict[str, Any]
Found = tuple[RecordingMatch, ...]


def make_large(large: Path, index: Path, pattern: Pattern, hours: float) -> int:
    """Write the real index and what is made up to a folder; return its postings."""
    shutil.rmtree(large, ignore_errors=True)
    shutil.copytree(index, large)
    n = write_synthetic(large / _SYNTHETIC, pattern, hours)
    document = json.loads((large / "manifest.json").read_text())
    document["segments"].append({"name": _SYNTHETIC, "deleted": []})
    write_json(large / "manifest.json", document)
    return n


def ask(index: FingerprintIndex, queries: Iterable[Query]) -> list[tuple[Found, Cost]]:
    """Return whatever is answered to each query, asked for the second time."""
    answers = []
    for query in queries:
        samples = query.samples
        index.identify(samples)  # so that what it reads is in memory
        answers.append(measured(lambda s=samples: index.identify(s, max_false_match=1)))
    return answers


def summary(
    queries: Sequence[Query], answers: Sequence[Found], copies: dict[str, set[str]]
) -> Json:
    """Return how many are found, how many come first, and how many are wrong."""
    found: dict[str, list[bool]] = {}
    first: list[bool] = []
    wrong: list[bool] = []
    for query, answer in zip(queries, answers, strict=True):
        ids = copies[query.piece.work] if query.kind == "catalog" else set()
        every = ids.union(*(c for c in copies.values() if query.also in c))
        accepted = [m for m in answer if m.false_match_probability <= MAX_FALSE_MATCH]
        wrong.append(any(m.recording_id not in every for m in accepted))
        if ids:
            is_found = any(m.recording_id in ids for m in accepted)
            found.setdefault(query.transform.group, []).append(is_found)
            first.append(bool(answer) and answer[0].recording_id in every)
    everything = [is_found for some in found.values() for is_found in some]
    return {
        "found": wilson(sum(everything), len(everything)),
        "found_by_group": {k: wilson(sum(v), len(v)) for k, v in found.items()},
        "best_answer_right_however_sure": wilson(sum(first), len(first)),
        "queries_with_a_wrong_answer": wilson(sum(wrong), len(wrong)),
    }


def measure(chosen: argparse.Namespace) -> Json:
    """Return what is found in the small and the large index, and at what cost."""
    pieces = gather(chosen.audio, chosen.folder, chosen.half)
    if is_installed():
        leave_out_copies(pieces, peer_of(pieces.catalog))
    known = list(catalog_queries(pieces.asked, chosen.each))
    known += mixed_queries(pieces.asked, 4 * chosen.each)
    others = pieces.others["other work"]
    unknown = list(other_queries(others, "other work", chosen.others))
    small = FingerprintIndex.open(chosen.index)
    pattern = pattern_of(small._parts, {piece.id for piece in pieces.asked})
    large = chosen.folder / "large"
    result: Json = {"hours": chosen.hours}
    result["postings"] = make_large(large, chosen.index, pattern, chosen.hours)
    for name, index in (("small", small), ("large", FingerprintIndex.open(large))):
        with_real_notes(index, _SYNTHETIC, pattern)
        of_known, of_unknown = ask(index, known), ask(index, unknown)
        result[name] = {
            "of_the_catalog": summary(known, [a for a, _ in of_known], pieces.copies),
            "of_no_catalog": summary(unknown, [a for a, _ in of_unknown], {}),
            "query": _costs([cost for _, cost in (*of_known, *of_unknown)]),
        }
    shutil.rmtree(large)
    return result


def _costs(costs: Sequence[Cost]) -> Json:
    highest = np.quantile([1000 * cost.processor_s for cost in costs], 0.9)
    return summary_of(costs) | {"processor_ms_90_%": round(float(highest), 1)}


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=10_000)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--half", choices=("tune", "report"), default="report")
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--others", type=int, default=400)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    result = measure(chosen)
    print(json.dumps(result, indent=1))
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
