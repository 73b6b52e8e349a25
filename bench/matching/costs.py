"""Measure what adding and asking cost, on the 5 hours of the fingerprint benchmark.

    python bench/matching/costs.py [--audio DIR] [--index DIR]

Queries of the half that is reported, each asked four times in this process; what
counts is the least, as others who use the processor only add to it. Beside it stands
a fixed piece of work, see `yardstick.py`. Writes bench/results/matching-costs.json.
With `--index` an index of the same catalog is asked that is there, and nothing added.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from asking import Pieces
from fingerprint import KEPT, build, gather, ingest_from_mp3
from queries import Query, catalog_queries, mixed_queries
from yardstick import Cost, measured, summary_of

from contrafact.matching.fingerprint import FingerprintIndex

RESULT = Path(__file__).parents[1] / "results" / "matching-costs.json"
_N_TIMES = 4
_N_MIXES = 8


def queries_of(pieces: Pieces, n_each: int) -> list[Query]:
    """Return queries of every transformation, and mixes."""
    return [
        *catalog_queries(pieces.asked, n_each),
        *mixed_queries(pieces.asked, _N_MIXES),
    ]


def asking(index: FingerprintIndex, queries: Sequence[Query]) -> dict[str, Any]:
    """Return what queries cost at their least, and the 90th percentile."""
    index.identify(queries[0].samples)  # what is made once for an index
    costs = []
    for query in queries:
        samples = query.samples

        def ask(samples: Any = samples) -> Any:
            return index.identify(samples)

        tried: list[Cost] = [measured(ask)[1] for _ in range(_N_TIMES)]
        costs.append(min(tried, key=lambda cost: cost.processor_s))
    highest = np.quantile([1000 * cost.processor_s for cost in costs], 0.9)
    return {
        "n_queries": len(costs),
        **summary_of(costs),
        "processor_ms_90_%": round(float(highest), 1),
        "duration_s": round(float(np.mean([q.duration_s for q in queries])), 2),
    }


def main(
    audio: Path | None, kept: Path, index: Path | None, n_each: int
) -> dict[str, Any]:
    """Return the costs; those of adding only where no index is given."""
    pieces = gather(audio, kept, "report")
    queries = queries_of(pieces, n_each)
    if index is not None:
        return {"query": asking(FingerprintIndex.open(index), queries)}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        cost = build(place / "index", pieces.catalog)
        cost["from_mp3"] = ingest_from_mp3(place / "mp3", pieces.catalog[::10])
        opened = FingerprintIndex.open(place / "index")
        return {"index": cost, "query": asking(opened, queries)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--each", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    known = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    found = known | main(chosen.audio, chosen.folder, chosen.index, chosen.each)
    chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
