"""Which ridge, how much overlap, how many numbers? On both halves of the songs.

    python bench/league/search.py --keep

From the stored features of the league's index, without a gradient: the ridge of each
draw's matrix, how much of what recordings have in common is believed, fewer numbers a
draw, and what comes of comparing means over the draws instead of draw by draw. The
default is to be what the choosing half says; the reporting half stands beside it.
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
from contrafact.attribution.estimators.index import IndexSettings
from contrafact.attribution.evaluation import correlations, same_first, share_errors
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.shares import influence_of_sources

RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
TRUSTS = (0.0, 0.5, 0.9, 1.0)
FEWER = (2048, 1024, 512, 256)  # of 4,096


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
        say("tries", len(tries), len(RIDGES) * len(TRUSTS) + len(FEWER) + 3)
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
    rows, default = store.read(slice(0, n)), IndexSettings()
    plain = torch.einsum("qkf,wkf->qw", asked, rows) / n / rows.shape[1]
    yield "no matrix between coordinates", Scores(plain, ids)
    yield (
        "no matrix, divided by length",
        Scores(plain / rows.flatten(1).norm(dim=1), ids),
    )
    for ridge in RIDGES:
        values, hat = _solved(asked, rows, ridge)
        for trust in TRUSTS:
            name = f"ridge {ridge}, overlap {trust}"
            yield name, _scores(values, hat, ids, trust)
    means = (asked.mean(1, keepdim=True), rows.mean(1, keepdim=True))
    values, hat = _solved(*means, default.ridge)
    yield "means over draws compared", _scores(values, hat, ids, default.overlap)
    for count in FEWER:
        values, hat = _solved(_fewer(asked, count), _fewer(rows, count), default.ridge)
        yield f"{count} numbers a draw", _scores(values, hat, ids, default.overlap)


def _scores(
    values: torch.Tensor, hat: torch.Tensor, ids: tuple[str, ...], trust: float
) -> Scores:
    counts = torch.ones(len(ids), dtype=torch.long)
    return Scores(values, ids, overlap=Overlap(ids, hat, counts, trust))


def _fewer(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Add up some of the numbers, whose signs are random already."""
    return rows.unflatten(-1, (count, -1)).sum(-1)


def _solved(
    asked: torch.Tensor, rows: torch.Tensor, ridge: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores and hat matrix through each draw's inverse, windows as they are."""
    n, n_draws = rows.shape[:2]
    values, hat = torch.zeros(len(asked), n), torch.zeros(n, n)
    for songs, windows in zip(asked.unbind(1), rows.unbind(1), strict=True):
        gram = (windows @ windows.T).double()
        floor = ridge * gram.diagonal().mean()
        inverse = torch.linalg.inv(gram + floor * torch.eye(n)).float()
        values += songs @ windows.T @ inverse / n_draws
        hat += gram.float() @ inverse / n_draws
    return values, (hat + hat.T) / 2


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
