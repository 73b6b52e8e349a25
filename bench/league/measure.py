"""How the scores of one estimator agree with retraining."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from fit import fitted_shares
from numpy.typing import NDArray
from scoring import Scored, epoch_processor_s, scored
from truth import GENERATED, Half, LeagueTruth, Sources
from world import World

from contrafact.attribution.base import Scores
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


def kinds_of(truth: LeagueTruth) -> dict[str, tuple[str, ...]]:
    """Return the kinds of queries that this truth has."""
    return {k: some for k, some in KINDS.items() if set(some) <= set(truth.kinds)}


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
    counts = truth.seeds_of_subsets(subset, names)
    seeds = len(counts) / sum(1 / n for n in counts)

    def measure(queries: Rows, subsets: Rows) -> Array:
        some = by_seed[:, rows[queries]][:, :, subsets]
        return seed_ceiling(some, n_averaged=seeds)

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
    return _with_shares(truth, found, shares, sources)


def _with_shares(
    truth: LeagueTruth, found: Array, shares: Array, sources: Sources
) -> dict[str, Any]:
    """Return comparisons of influences as they are, and of shares as printed."""
    result = compared(truth, found, sources.others)
    for asked, kinds in kinds_of(truth).items():
        rows, figures = truth.rows(kinds, "reporting"), result[asked]
        figures["share_error_unfitted"] = figures["share_error"]
        figures["share_error"] = share_error(
            shares[..., rows, :], sources.others[:, rows]
        )
    return result


def share_error(shares: Array, rises: Array) -> dict[str, Any]:
    """Return the mean absolute error of shares against those that rises make.

    Args:
        shares: `(n_query, n_source)`, or one such for each of the rises.
        rises: The same, or several of them: `(n_measured, n_query, n_source)`.
    """
    return _figure(_mean_over(share_errors, shares, rises), n_subsets=rises.shape[-1])


def seeds_against_each_other(
    truth: LeagueTruth, sources: Sources, sizes: Array
) -> dict[str, Any]:
    """Return what one more training would score, held against the same as estimates.

    Its shares are fitted as those of an estimator are, to what it is held against.

    Args:
        truth: What was retrained.
        sources: Rises without each.
        sizes: What part of the catalog each source has.
    """
    if len(sources.by_seed) < 2:
        return {"omitted": "only one seed is trained without every source"}
    pairs = zip(sources.by_seed, sources.others, strict=True)
    shares = np.array(
        [
            fitted_shares(truth, one, Sources(sources.names, rest[None]), sizes)
            for one, rest in pairs
        ]
    )
    found = _with_shares(truth, sources.by_seed, shares, sources)
    for kind, kinds in kinds_of(truth).items():
        by_seed = sources.by_seed[:, truth.rows(kinds, "reporting")]
        n_averaged = max(1, len(by_seed) - 1)
        limit = seed_ceiling(by_seed, correlations, n_averaged=n_averaged)
        found[kind]["correlation_ceiling"] = round(float(limit[0]), 4)
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
    """Return every comparison of influences over some kinds of queries in a half.

    Args:
        truth: What was retrained.
        found: Influences, `(n_query, n_source)`, or one such for each of `measured`.
        measured: Rises, the same, or several: `(n_measured, n_query, n_source)`.
        kinds: Of queries.
        half: Of queries.
    """
    rows = truth.rows(kinds, half)
    a, b = found[..., rows, :], measured[..., rows, :]
    return {
        name: _figure(_mean_over(compare, a, b), n_subsets=measured.shape[-1])
        for name, compare in _COMPARISONS.items()
    }


def _mean_over(
    compare: Callable[[Array, Array], Array], found: Array, measured: Array
) -> Array:
    """Compare with each of what was measured; return the mean of each query."""
    shape = (max(a.shape[0] if a.ndim == 3 else 1 for a in (found, measured)),)
    a, b = (np.broadcast_to(x, shape + x.shape[-2:]) for x in (found, measured))
    each = [compare(x, y) for x, y in zip(a, b, strict=True)]
    mean: Array = np.mean(each, 0)
    return mean


def _figure(values: Array, *, n_subsets: int) -> dict[str, Any]:
    """Return the mean of a value of each query, resampled over queries."""
    found = resampled(lambda q, _: values[q], n_queries=len(values), n_subsets=1)
    return plain(found) | {"n_subsets": n_subsets}
