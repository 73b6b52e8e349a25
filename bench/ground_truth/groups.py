"""Does influence agree with leaving out whole collections, and training again?

    python bench/ground_truth/groups.py --corpus scores

For every query and collection, truth is the rise of the query's loss when the
model is trained without that collection. Compared with it: the sum of the scores
of the collection's recordings, and the influence of leaving them out together
(`attribution/overlap.py`), at several ridges; similarity in sound; captions.
Half of the queries chose the settings (even rows), the other half is reported
beside it. The truth read is what is committed in `results`, whole or begun.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import pyarrow.parquet as pq
import torch
from queries import KINDS, QuerySet

from common import Bench, mean_interval, say, write_result
from contrafact.attribution.base import Queries, Scores
from contrafact.attribution.estimators import make_estimator
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.solve import FisherSolve

RESULTS = Path(__file__).parent / "results"
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
TRUSTS = (0.5, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Truth:
    """Rises of loss, `(n_query, n_collection)`, and how often each was measured."""

    collections: tuple[str, ...]
    rises: np.ndarray
    by_seed: dict[int, np.ndarray]


def read_truth(folder: Path) -> Truth:
    """Read the committed runs that leave out a collection."""
    losses: dict[tuple[str, str, int], np.ndarray] = {}
    for row in pq.read_table(folder / "truth.parquet").to_pylist():
        found = np.array(row["losses"], dtype=np.float64).reshape(-1, 8).mean(1)
        losses[row["kind"], row["name"], row["seed"]] = found
    names = tuple(sorted({name for kind, name, _ in losses if kind == "collection"}))
    by_seed: dict[int, np.ndarray] = {}
    every: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for (kind, name, seed), found in losses.items():
        if kind == "collection" and ("full", "all", seed) in losses:
            every[name].append(found - losses["full", "all", seed])
    for seed in (0, 1):
        if all(("collection", name, seed) in losses for name in names):
            full = losses["full", "all", seed]
            rows = [losses["collection", name, seed] - full for name in names]
            by_seed[seed] = np.array(rows).T
    rises = np.array([np.mean(every[name], axis=0) for name in names]).T
    return Truth(names, rises, by_seed)


def shares(values: np.ndarray) -> np.ndarray:
    """Positive parts over their sum."""
    positive = np.clip(values, 0, None)
    return positive / np.maximum(positive.sum(1, keepdims=True), 1e-12)


def compare(found: np.ndarray, truth: np.ndarray) -> dict[str, object]:
    """Return correlation, share error and agreement on the first, over queries."""
    alike = [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(found, truth, strict=True)]
    error = np.abs(shares(found) - shares(truth)).mean(1)
    first = found.argmax(1) == truth.argmax(1)
    return {
        "correlation": mean_interval(alike),
        "share_error": mean_interval(error.tolist()),
        "same_first": mean_interval(first.astype(float).tolist()),
    }


def by_kind(
    found: np.ndarray, truth: np.ndarray, queries: QuerySet
) -> dict[str, object]:
    """Compare for each kind of query, on either half."""
    report: dict[str, object] = {}
    for kind in KINDS:
        rows = np.array(queries.rows((kind,)))
        halves = {"choosing": rows[::2], "reporting": rows[1::2]}
        report[kind] = {
            name: compare(found[half], truth[half]) for name, half in halves.items()
        }
    return report


def influence(
    scores: Scores, overlap: Overlap | None, owner: list[str], names: tuple[str, ...]
) -> np.ndarray:
    """Return the influence of each collection, `(n_query, n_collection)`."""
    columns = []
    for name in names:
        parts = {
            r: 1.0
            for r, o in zip(scores.recording_ids, owner, strict=True)
            if o == name
        }
        weights = parts if overlap is None else overlap.weights(parts)
        column = torch.tensor([weights.get(r, 0.0) for r in scores.recording_ids])
        columns.append((scores.values.double() @ column.double()).numpy())
    return np.array(columns).T


def asked_one_by_one(queries: QuerySet) -> list[Queries]:
    """Return the queries, each as long as it is."""
    found = []
    for row in range(len(queries.queries)):
        length = int(queries.mask[row].sum())
        part = QuerySet(
            (queries.queries[row],),
            queries.latents[row : row + 1, :, :length],
            queries.mask[row : row + 1, :length],
        )
        found.append(part.asked())
    return found


def without_gradients(
    bench: Bench, truth: Truth, queries: QuerySet, folder: Path
) -> dict[str, object]:
    """Compare what looks at no gradient."""
    owner = [bench.collection[r] for r in bench.data.recording_ids]
    result: dict[str, object] = {}
    for name in ("similarity", "captions", "random"):
        method = make_estimator(name, n_panel=0)
        method = method.fit(bench.task, folder / name, progress=lambda a, b: None)
        rows = [method.score(one).values for one in asked_one_by_one(queries)]
        scores = Scores(torch.cat(rows), bench.data.recording_ids)
        found = influence(scores, None, owner, truth.collections)
        result[name] = by_kind(found, truth.rises, queries)
    return result


def with_gradients(
    bench: Bench, truth: Truth, queries: QuerySet, folder: Path
) -> dict[str, object]:
    """Compare one index at several ridges, with and without what is in common."""
    ids = bench.data.recording_ids
    owner = [bench.collection[r] for r in ids]
    index = IndexEstimator(IndexSettings(ridge=0.0, n_panel=1)).fit(
        bench.task, folder / "index", progress=lambda a, b: say("indexing", a, b)
    )
    asked = [index.features(one) for one in asked_one_by_one(queries)]
    features, counts = torch.cat(asked), torch.ones(len(ids), dtype=torch.long)
    result: dict[str, object] = {}
    for ridge in (0.0, *RIDGES):
        solve = FisherSolve.of(index.store, ridge=ridge) if ridge else None
        products = (solve or index.store).products(features)
        values = products.mean(1) / len(bench.data)
        scores = Scores(values, ids)
        overlaps: dict[float, Overlap | None] = {0.0: None}
        if solve is not None:
            hat = solve.hat(torch.arange(len(counts)), counts)
            overlaps |= {t: Overlap(ids, hat, counts, t) for t in TRUSTS}
        for trust, overlap in overlaps.items():
            found = influence(scores, overlap, owner, truth.collections)
            name = f"index, ridge {ridge}, overlap {trust}"
            result[name] = by_kind(found, truth.rises, queries)
    return result


def main() -> None:
    """Write `bench/results/groups-CORPUS.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    bench = Bench(chosen.folder, chosen.corpus)
    source = RESULTS / chosen.corpus
    facts = json.loads((source / "manifest.json").read_text())
    if facts["model"] != bench.record.digest:
        raise SystemExit(
            f"The truth in {source} is of model {facts['model'][:12]}, this machine "
            f"trained {bench.record.digest[:12]}. Make the truth anew."
        )
    truth, queries = read_truth(source), QuerySet.load(source)
    folder = chosen.folder / f"{chosen.corpus}-groups"
    result: dict[str, object] = {
        "corpus": chosen.corpus,
        "collections": list(truth.collections),
        "model": bench.record.digest,
    }
    if len(truth.by_seed) == 2:
        seeds = by_kind(truth.by_seed[0], truth.by_seed[1], queries)
        result["seed 0 against seed 1"] = seeds
    result |= without_gradients(bench, truth, queries, folder)
    result |= with_gradients(bench, truth, queries, folder)
    write_result(f"groups-{chosen.corpus}", result)


if __name__ == "__main__":
    main()
