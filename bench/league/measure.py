"""The figures of one estimator: what it cost, and how it agrees with retraining."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from asked import features_of
from fit import fitted_shares
from numpy.typing import NDArray
from peer import PeerEstimator
from peers import make_peer
from truth import GENERATED, Half, LeagueTruth, Sources
from world import World

from common import processor_s, say
from contrafact.attribution.base import Estimator, Queries, Scores
from contrafact.attribution.estimators import make_estimator
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.attribution.evaluation import (
    MIN_SUBSETS,
    correlations,
    datamodeling_scores,
    ndcg,
    rank_correlations,
    resampled,
    same_first,
    seed_ceiling,
    share_errors,
)
from contrafact.attribution.shares import influence_of_sources, sizes_of
from contrafact.generators.studio.training import Trainer
from contrafact.workflows.recipes import find_recipe

__all__ = [
    "KINDS",
    "Scored",
    "ceiling",
    "compared",
    "comparisons",
    "epoch_processor_s",
    "group_figures",
    "kinds_of",
    "lds",
    "scored",
    "seeds_against_each_other",
]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

KINDS: dict[str, tuple[str, ...]] = {
    "generated": GENERATED,
    "named": ("named",),
    "unnamed": ("unnamed",),
    "heldout": ("heldout",),
    "training": ("training",),
}
"""Kinds of queries that figures are printed for; `generated` is both kinds of songs."""

_COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "share_error": share_errors,
    "correlation": correlations,
    "top1": same_first,
    "ndcg3": ndcg,
    "spearman": rank_correlations,
}
_N_TIMED = 5  # queries whose processor seconds are taken
_CONSTANT = {
    "manifest.json",
    "factors.safetensors",
    "components.safetensors",
    "solve.safetensors",
    "cost.json",
    "kronfluence",
}


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores of all queries, and what they cost.

    Attributes:
        settings: Of the estimator.
        bytes_per_recording: Of the files that grow with the catalog.
    """

    scores: Scores
    build_processor_s: float
    query_s: float
    bytes_per_recording: float
    settings: dict[str, Any]


def kinds_of(truth: LeagueTruth) -> dict[str, tuple[str, ...]]:
    """Return the kinds of queries that this truth has."""
    return {k: some for k, some in KINDS.items() if set(some) <= set(truth.kinds)}


def scored(
    world: World, name: str, folder: Path, rows: list[int], **settings: Any
) -> Scored:
    """Fit an estimator, or open what was fitted, and score some of the queries."""
    started = processor_s()
    peer = make_peer(name)
    method = peer or make_estimator(name, **settings)
    method = method.fit(world.task, folder, progress=lambda a, b: say(name, a, b))
    spent = _build_cost(folder / "cost.json", processor_s() - started)
    if peer is not None:
        return _scored_together(peer, world, folder, rows, spent)
    parts = []
    for done, row in enumerate(rows, start=1):
        parts.append(_score(method, world.query(row), folder.parent))
        say(f"{name}: query", done, len(rows))
    started = time.process_time()
    for row in rows[:_N_TIMED]:
        method.score(world.query(row))
    return Scored(
        joined(parts),
        spent,
        (time.process_time() - started) / len(rows[:_N_TIMED]),
        _bytes_per_recording(folder, world),
        dict(method.settings),
    )


def _scored_together(
    peer: PeerEstimator, world: World, folder: Path, rows: list[int], spent: float
) -> Scored:
    """Score all queries in one call: every call costs a pass over the catalog.

    What a package measures once and what it measures for every call are not always
    apart; all of it that is not `fit` counts for the queries. The scores are kept.
    """
    settings = dict(peer.settings)
    kept = folder / f"asked-{hashlib.sha256(repr(rows).encode()).hexdigest()[:12]}.npz"
    if not kept.exists():
        started = processor_s()
        found = peer.score(world.asked(rows)).values.numpy()
        each = (processor_s() - started) / len(rows)
        np.savez(kept, values=found, query_s=each)
    with np.load(kept) as known:
        values, each = torch.from_numpy(known["values"]), float(known["query_s"])
    scores = Scores(values=values, recording_ids=world.data.recording_ids)
    return Scored(scores, spent, each, _bytes_per_recording(folder, world), settings)


def _bytes_per_recording(folder: Path, world: World) -> float:
    """Return the size of the files that grow with the catalog."""
    grown = [
        p
        for p in folder.rglob("*")
        # Of kronfluence there are factors only, which are of the model.
        if p.is_file()
        and not _CONSTANT & set(p.relative_to(folder).parts)
        and p.suffix != ".npz"
    ]
    return sum(p.stat().st_size for p in grown) / len(world.data.recording_ids)


def _score(method: Estimator, query: Queries, kept: Path) -> Scores:
    """Score a query; what an index takes of it is kept for the other benchmarks."""
    if isinstance(method, IndexEstimator):
        return method.scores_of(features_of(method, [query], kept))
    return method.score(query)


def _build_cost(path: Path, spent: float) -> float:
    """Return what the fit cost; what is opened again cost what it cost at first."""
    if not path.exists():
        path.write_text(json.dumps({"processor_s": spent}))
    found: float = json.loads(path.read_text())["processor_s"]
    return found


def joined(parts: list[Scores]) -> Scores:
    """Return the scores of several queries as one."""
    first, replicates = parts[0], None
    if first.replicates is not None:
        replicates = torch.cat(
            [p.replicates for p in parts if p.replicates is not None]
        )
    return Scores(
        values=torch.cat([p.values for p in parts]),
        recording_ids=first.recording_ids,
        replicates=replicates,
        panel=first.panel,
        overlap=first.overlap,
        null=first.null,
    )


def epoch_processor_s(world: World) -> float:
    """Return the processor seconds of one epoch of training on this corpus."""
    recipe = find_recipe("quick")
    trainer = Trainer(world.data, recipe.network, recipe.training)
    steps = max(1, len(world.data) // recipe.training.batch_size)
    trainer.run(until=2, on_step=lambda *_: None)
    started = processor_s()
    trainer.run(until=2 + steps, on_step=lambda *_: None)
    return processor_s() - started


def plain(figure: Any) -> dict[str, Any]:
    """Return a figure as JSON has it."""
    found = asdict(figure)
    return {
        "mean": round(found["mean"], 4),
        "interval_90": [round(found["low"], 4), round(found["high"], 4)],
        "n_queries": found["n_queries"],
        "n_subsets": found["n_subsets"],
    }


def lds(
    truth: LeagueTruth,
    scores: Scores,
    kinds: tuple[str, ...],
    *,
    subset: str = "half",
    less: Scores | None = None,
) -> dict[str, Any]:
    """Return the linear datamodeling score on the reporting halves, or why not.

    Args:
        truth: What was retrained.
        scores: Of all queries.
        kinds: Of queries.
        subset: Kind of the subsets.
        less: Scores of another estimator; the figure then is by how much the first
            is better, on the same songs and subsets drawn together.
    """
    names = truth.subsets(subset, "reporting")
    if len(names) < MIN_SUBSETS:
        return {"omitted": _too_few(len(names), subset)}
    rows = truth.rows(kinds, "reporting")
    left_out = truth.left_out_matrix(subset, names)
    rises = truth.subset_losses(subset, names)[rows]
    every = [s.values.double().numpy()[rows] for s in (scores, less) if s is not None]

    def measure(queries: Rows, subsets: Rows) -> Array:
        some = rises[np.ix_(queries, subsets)]
        found = [
            datamodeling_scores(values[queries], left_out[subsets], some)
            for values in every
        ]
        return found[0] - sum(found[1:])

    figure = resampled(measure, n_queries=len(rows), n_subsets=len(names))
    return plain(figure)


def ceiling(
    truth: LeagueTruth, kinds: tuple[str, ...], *, subset: str = "half"
) -> dict[str, Any]:
    """Return what two seeds allow a perfect prediction, or why it is not known."""
    names = truth.subsets(subset, "reporting")
    by_seed = truth.subset_losses_by_seed(subset, names)
    n_done = 0 if by_seed is None else by_seed.shape[2]
    if by_seed is None or n_done < MIN_SUBSETS:
        return {
            "omitted": f"{n_done} of the subsets set aside for reporting are trained "
            f"with two seeds; {MIN_SUBSETS} are needed"
        }
    rows = truth.rows(kinds, "reporting")

    def measure(queries: Rows, subsets: Rows) -> Array:
        return seed_ceiling(by_seed[:, rows[queries]][:, :, subsets])

    return plain(resampled(measure, n_queries=len(rows), n_subsets=n_done))


def _too_few(count: int, subset: str) -> str:
    return (
        f"{count} random {subset} subsets set aside for reporting are trained; "
        f"{MIN_SUBSETS} are needed"
    )


def group_figures(
    truth: LeagueTruth, world: World, scores: Scores, kind: str
) -> dict[str, Any] | None:
    """Return agreement with leaving out each source, by kind of query."""
    sources = truth.sources(kind)
    if sources is None:
        return None
    groups = world.groups(kind, sources.names)
    found = influence_of_sources(scores, groups)
    shares = fitted_shares(truth, found, sources, sizes_of(scores, groups))
    result = compared(truth, found, sources.mean)
    # Influences are compared as they are, shares as they are printed.
    for asked, kinds in kinds_of(truth).items():
        rows = truth.rows(kinds, "reporting")
        result[asked]["share_error_unfitted"] = result[asked]["share_error"]
        result[asked]["share_error"] = share_error(shares[rows], sources.mean[rows])
    return result


def share_error(shares: Array, rises: Array) -> dict[str, Any]:
    """Return the mean absolute error of shares against those that rises make."""
    return _figure(share_errors(shares, rises), n_subsets=rises.shape[1])


def seeds_against_each_other(truth: LeagueTruth, sources: Sources) -> dict[str, Any]:
    """Return how far the first two seeds agree: what a second training would score."""
    if len(sources.by_seed) < 2:
        return {"omitted": "only one seed is trained without every source"}
    found = compared(truth, sources.by_seed[0], sources.by_seed[1])
    for kind, kinds in kinds_of(truth).items():
        by_seed = sources.by_seed[:, truth.rows(kinds, "reporting")]
        limit = float(seed_ceiling(by_seed, correlations)[0])
        found[kind]["correlation_ceiling"] = round(limit, 4)
    return found


def compared(truth: LeagueTruth, found: Array, measured: Array) -> dict[str, Any]:
    """Return every comparison of influences, by kind of query, reporting half."""
    return {
        kind: comparisons(truth, found, measured, kinds, "reporting")
        for kind, kinds in kinds_of(truth).items()
    }


def comparisons(
    truth: LeagueTruth, found: Array, measured: Array, kinds: tuple[str, ...],
    half: Half,
) -> dict[str, Any]:  # fmt: skip
    """Return every comparison of influences over some kinds of queries in a half."""
    rows = truth.rows(kinds, half)
    a, b = found[rows], measured[rows]
    return {
        name: _figure(compare(a, b), n_subsets=measured.shape[1])
        for name, compare in _COMPARISONS.items()
    }


def _figure(values: Array, *, n_subsets: int) -> dict[str, Any]:
    """Return the mean of a value of each query, resampled over queries."""
    found = resampled(lambda q, _: values[q], n_queries=len(values), n_subsets=1)
    return plain(found) | {"n_subsets": n_subsets}
