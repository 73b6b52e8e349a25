"""How right influence is, against models that were trained again without things.

Predictions are compared with rises of a query's loss: over random halves of the
corpus (the linear datamodeling score), and over sources that were left out one at
a time. Every figure comes with an interval that resamples queries and subsets
together, and with what two seeds of the same training agree on, above which no
prediction can be expected to come. Where there is too little truth for a figure
there is none, never a guess. Nothing here trains, and nothing needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Figure",
    "correlations",
    "datamodeling_scores",
    "ndcg",
    "positive_shares",
    "rank_correlations",
    "resampled",
    "same_first",
    "seed_ceiling",
    "share_errors",
]

Array = NDArray[np.float64]

MIN_SUBSETS = 8
"""Fewer subsets than this make no rank correlation worth printing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean over queries with its interval.

    Attributes:
        low: Lower end of the 90 % interval.
        high: Upper end.
        n_queries: Queries behind it.
        n_subsets: Retrained models, or sources left out, behind it.
    """

    mean: float
    low: float
    high: float
    n_queries: int
    n_subsets: int


def _ranks(values: Array) -> Array:
    """Ranks along the last axis, equal values sharing their mean rank."""
    order = values.argsort(-1, kind="stable")
    ranks = np.empty_like(values, dtype=np.float64)
    np.put_along_axis(ranks, order, np.arange(values.shape[-1], dtype=float), -1)
    for row, rank in zip(
        values.reshape(-1, values.shape[-1]),
        ranks.reshape(-1, values.shape[-1]),
        strict=True,
    ):
        _, group, count = np.unique(row, return_inverse=True, return_counts=True)
        if len(count) < len(row):
            rank[:] = (np.bincount(group, rank) / count)[group]
    return ranks


def correlations(found: Array, truth: Array) -> Array:
    """Return Pearson's correlation of each row, `(n_query,)`.

    A row that is constant on either side has correlation 0: it orders nothing.

    Args:
        found: `(n_query, n)`.
        truth: The same shape.
    """
    a = found - found.mean(-1, keepdims=True)
    b = truth - truth.mean(-1, keepdims=True)
    length = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    result: Array = np.divide(
        (a * b).sum(-1), length, out=np.zeros(len(a)), where=length > 0
    )
    return result


def rank_correlations(found: Array, truth: Array) -> Array:
    """Return Spearman's correlation of each row, `(n_query,)`; see `correlations`."""
    return correlations(_ranks(found), _ranks(truth))


def datamodeling_scores(scores: Array, left_out: Array, rises: Array) -> Array:
    """Return the linear datamodeling score of each query, `(n_query,)`, in [-1, 1].

    Args:
        scores: Influence of each recording, `(n_query, n_train)`.
        left_out: Which recordings each subset's model never saw,
            `(n_subset, n_train)`, 0 or 1.
        rises: Loss of each query under each subset's model, up to a constant,
            `(n_query, n_subset)`.

    References:
        Park et al., "TRAK: Attributing model behavior at scale", ICML 2023.
    """
    return rank_correlations(scores @ left_out.T, rises)


def positive_shares(influence: Array) -> Array:
    """Return positive influence over its sum, row by row; zeros where none is."""
    positive = np.clip(influence, 0, None)
    total = positive.sum(-1, keepdims=True)
    result: Array = np.divide(
        positive, total, out=np.zeros_like(positive), where=total > 0
    )
    return result


def share_errors(found: Array, truth: Array) -> Array:
    """Return the mean absolute error of shares of each query, `(n_query,)`."""
    result: Array = np.abs(positive_shares(found) - positive_shares(truth)).mean(-1)
    return result


def same_first(found: Array, truth: Array) -> Array:
    """Return 1 where the largest source is the same, else 0, `(n_query,)`."""
    result: Array = (found.argmax(-1) == truth.argmax(-1)).astype(np.float64)
    return result


def ndcg(found: Array, truth: Array, k: int = 3) -> Array:
    """Return NDCG at `k` of each query, gains being the true shares, `(n_query,)`.

    References:
        Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
        techniques", ACM TOIS 2002.
    """
    gains = positive_shares(truth)
    k = min(k, gains.shape[-1])
    discount = 1 / np.log2(np.arange(2, k + 2))
    order = np.argsort(-found, axis=-1, kind="stable")[:, :k]
    best = -np.sort(-gains, axis=-1)[:, :k]
    got = (np.take_along_axis(gains, order, -1) * discount).sum(-1)
    ideal = (best * discount).sum(-1)
    result: Array = np.divide(got, ideal, out=np.zeros(len(got)), where=ideal > 0)
    return result


def seed_ceiling(
    by_seed: Array,
    compare: Callable[[Array, Array], Array] = rank_correlations,
    *,
    n_averaged: float | None = None,
) -> Array:
    """Return what a perfect prediction could reach on each query, `(n_query,)`.

    Two seeds of one training agree in part. With `r` the mean agreement of two
    seeds and `R` of them averaged, the average agrees with another such average
    as `r_R = R r / (1 + (R - 1) r)` (Spearman and Brown), and with what both
    measure as its square root. Negative agreement counts as none.

    Args:
        by_seed: `(n_seed, n_query, n)`, the same things measured with each seed;
            two seeds or more.
        compare: How two measurements are compared, row by row.
        n_averaged: Seeds in the average that predictions are held against; all of
            them if None. Where some things are measured with more seeds than others,
            the harmonic mean of their numbers.
    """
    n = len(by_seed)
    pairs = [compare(by_seed[i], by_seed[j]) for i in range(n) for j in range(i)]
    # Over queries, for that of a single query is itself mostly noise.
    agreement = max(0.0, float(np.mean(pairs)))
    count = n if n_averaged is None else n_averaged
    averaged = count * agreement / (1 + (count - 1) * agreement)
    return np.full(by_seed.shape[1], np.sqrt(averaged))


def resampled(
    measure: Callable[[NDArray[np.intp], NDArray[np.intp]], Array],
    *,
    n_queries: int,
    n_subsets: int,
    n_resamples: int = 400,
    seed: int = 0,
) -> Figure:
    """Return a mean over queries with an interval over queries and subsets.

    Args:
        measure: Returns the figure of some queries, measured on some subsets,
            given the rows of both, `(n_query,)`.
        n_queries: Rows to choose from.
        n_subsets: Subsets to choose from; 1 for a figure that cannot be taken
            on some of the sources only.
        n_resamples: Of queries and subsets together.
        seed: Of the resampling.

    References:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics, 2007.
    """
    rng = np.random.default_rng(seed)
    queries, subsets = np.arange(n_queries), np.arange(n_subsets)
    mean = float(measure(queries, subsets).mean())
    drawn = [
        float(measure(rng.choice(queries, n_queries), _subsets(rng, subsets)).mean())
        for _ in range(n_resamples)
    ]
    low, high = np.quantile(drawn, [0.05, 0.95])
    return Figure(
        mean=mean,
        low=float(low),
        high=float(high),
        n_queries=n_queries,
        n_subsets=n_subsets,
    )


def _subsets(rng: np.random.Generator, subsets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Draw subsets again, never one alone: that would order nothing."""
    while True:
        drawn = rng.choice(subsets, len(subsets))
        if len(subsets) == 1 or len(set(drawn.tolist())) > 1:
            return drawn
