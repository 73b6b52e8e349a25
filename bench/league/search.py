"""Which ridge, how much overlap, how many components? On both halves of the songs.

    python bench/league/search.py --keep

From an index that keeps all its numbers: the ridge of each draw's matrix, how much of
what recordings have in common is believed, principal components or fewer sums a draw,
and what comes of comparing means over the draws instead of draw by draw. Held against
leaving out collections, and, where enough random halves are trained, against those of
the same half (LDS). The default is to be what the choosing half says; the reporting
half stands beside it.
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
from fit import fitted_shares
from numpy.typing import NDArray
from truth import GENERATED, LeagueTruth, Sources
from world import TRUTH, World

from common import RESULTS
from contrafact.attribution.base import Scores
from contrafact.attribution.estimators.index import IndexSettings
from contrafact.attribution.evaluation import (
    MIN_SUBSETS,
    correlations,
    datamodeling_scores,
    same_first,
    share_errors,
)
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.principal import principal_components, project
from contrafact.attribution.shares import influence_of_sources, sizes_of
from contrafact.attribution.store import dequantised, quantise

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)
TRUSTS = (0.0, 0.5, 0.9)
COMPONENTS = (384, 256, 192, 128, 64)
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
    index = fitted_index(
        world, chosen.folder, chosen.corpus, name="numbers", n_components=0
    )
    kept = chosen.folder / f"{chosen.corpus}-league"
    asked = features_of(index, [world.query(r) for r in rows], kept)
    groups = world.groups("collection", sources.names)
    tries: list[dict[str, Any]] = []
    for name, scores in _variants(world, index.store, asked):
        found = influence_of_sources(scores, groups)
        figures = figures_by_half(
            truth, scores, found, sources, sizes_of(scores, groups)
        )
        tries.append({"settings": name} | figures)
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
        values, hat = solved(asked, rows, ridge)
        for trust in TRUSTS:
            name = f"ridge {ridge}, overlap {trust}"
            yield name, scores_with(values, hat, ids, trust)
    means = (asked.mean(1, keepdim=True), rows.mean(1, keepdim=True))
    values, hat = solved(*means, default.ridge)
    yield "means over draws compared", scores_with(values, hat, ids, default.overlap)
    for count in COMPONENTS:
        components = principal_components(store, count)
        some = [dequantised(*quantise(project(x, components))) for x in (asked, rows)]
        for ridge in (default.ridge, 3.0):
            values, hat = solved(*some, ridge)
            name = f"{count} components, ridge {ridge}"
            yield name, scores_with(values, hat, ids, default.overlap)
    for count in FEWER:
        values, hat = solved(_fewer(asked, count), _fewer(rows, count), default.ridge)
        yield f"{count} sums a draw", scores_with(values, hat, ids, default.overlap)


def scores_with(
    values: torch.Tensor, hat: torch.Tensor, ids: tuple[str, ...], trust: float
) -> Scores:
    """Return scores with how far recordings teach the same, believed in part."""
    counts = torch.ones(len(ids), dtype=torch.long)
    return Scores(values, ids, overlap=Overlap(ids, hat, counts, trust))


def _fewer(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Add up some of the numbers, whose signs are random already."""
    return rows.unflatten(-1, (count, -1)).sum(-1)


def solved(
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


def figures_by_half(
    truth: LeagueTruth,
    scores: Scores,
    found: NDArray[np.float64],
    sources: Sources,
    sizes: NDArray[np.float64],
) -> dict[str, Any]:
    """Return the figures of both halves of the songs, and of subsets."""
    result: dict[str, Any] = {}
    real = sources.mean
    shares = fitted_shares(truth, found, sources, sizes)
    for half in ("choosing", "reporting"):
        rows = truth.rows(GENERATED, half)  # type: ignore[arg-type]
        a, b = found[rows], real[rows]
        result[half] = {
            "share_error": round(float(share_errors(shares[rows], b).mean()), 4),
            "correlation": round(float(correlations(a, b).mean()), 4),
            "top1": round(float(same_first(a, b).mean()), 4),
        }
        names = truth.subsets("half", half)  # type: ignore[arg-type]
        if len(names) >= MIN_SUBSETS:
            lds = datamodeling_scores(
                scores.values.double().numpy()[rows],
                truth.left_out_matrix("half", names),
                truth.subset_losses("half", names)[rows],
            )
            result[half]["lds"] = round(float(lds.mean()), 4)
    return result


if __name__ == "__main__":
    main()
