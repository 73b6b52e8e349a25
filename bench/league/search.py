"""Which ridge, and how much overlap? Every try, on both halves of the songs.

    python bench/league/search.py --keep

From the stored features of the league's index, without a gradient: the ridge of the
matrix between kept coordinates, how much of what recordings have in common is
believed, and scores divided by the length of a recording's features. The default is
to be what the choosing half says; the reporting half stands beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from asked import features_of, fitted_index
from numpy.typing import NDArray
from truth import GENERATED, LeagueTruth
from world import TRUTH, World

from common import RESULTS, say
from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import correlations, same_first, share_errors
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.shares import influence_of_sources
from contrafact.attribution.solve import FisherSolve

RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
TRUSTS = (0.0, 0.5, 0.9, 1.0)


def main() -> None:
    """Try all, print, and with `--keep` write `bench/results`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    world = World(chosen.folder, chosen.corpus)
    truth, rows = LeagueTruth.read(TRUTH / chosen.corpus).only(GENERATED)
    sources = truth.sources("collection")
    if sources is None:
        sys.exit("The truth does not yet leave out every collection.")
    index = fitted_index(world, chosen.folder, chosen.corpus)
    kept = chosen.folder / f"{chosen.corpus}-league"
    asked = features_of(index, [world.query(r) for r in rows], kept)
    groups = world.groups("collection", sources.names)
    tries: list[dict[str, Any]] = []
    for name, scores in _variants(world, index.store, asked):
        found = influence_of_sources(scores, groups)
        tries.append({"settings": name} | _halves(truth, found, sources.mean))
        say("tries", len(tries), len(RIDGES) * len(TRUSTS) + 2)
    best = min(tries, key=lambda t: t["choosing"]["share_error"])
    document = {
        "command": "python bench/league/search.py --keep",
        "best_by_share_error_on_the_choosing_half": best["settings"],
        "tries": tries,
    }
    text = json.dumps(document, indent=1)
    if chosen.keep:
        (RESULTS / f"search-{chosen.corpus}.json").write_text(text + "\n")
    print(text)


def _variants(world: World, store: Any, asked: torch.Tensor) -> Any:
    """Yield the name and the scores of each try."""
    ids, n = world.data.recording_ids, len(world.data)
    counts = torch.ones(len(ids), dtype=torch.long)
    plain = store.products(asked).mean(1) / n
    yield "no matrix between coordinates", Scores(plain, ids)
    lengths = store.read(slice(0, n)).flatten(1).norm(dim=1)
    yield "no matrix, divided by length", Scores(plain / lengths, ids)
    for ridge in RIDGES:
        solve = FisherSolve.of(store, ridge=ridge)
        values = solve.products(asked).mean(1) / n
        hat = solve.hat(torch.arange(len(ids)), counts)
        for trust in TRUSTS:
            overlap = Overlap(ids, hat, counts, trust)
            yield (
                f"ridge {ridge}, overlap {trust}",
                Scores(values, ids, overlap=overlap),
            )


def _halves(
    truth: LeagueTruth, found: NDArray[np.float64], real: NDArray[np.float64]
) -> dict[str, Any]:
    """Return three figures on both halves of the songs."""
    result: dict[str, Any] = {}
    for half in ("choosing", "reporting"):
        rows = truth.rows(GENERATED, half)  # type: ignore[arg-type]
        a, b = found[rows], real[rows]
        result[half] = {
            "share_error": round(float(share_errors(a, b).mean()), 4),
            "correlation": round(float(correlations(a, b).mean()), 4),
            "top1": round(float(same_first(a, b).mean()), 4),
        }
    return result


if __name__ == "__main__":
    main()
