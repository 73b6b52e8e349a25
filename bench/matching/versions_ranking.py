"""How well versions of a work are ranked, with intervals over works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from versions_data import N_VERSIONS, Item

__all__ = ["Ranking", "interval", "ranked"]

N_BOOTSTRAP = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Average precision and whether the first is right, one each a query."""

    precision: NDArray[np.float64]
    is_first: NDArray[np.float64]
    works: list[str]

    def summary(self) -> dict[str, Any]:
        """Return means with intervals, works drawn again as a whole."""
        return {
            "map": interval(self.precision, self.works),
            "top_1": interval(self.is_first, self.works),
            "n_queries": len(self.precision),
        }


def interval(values: Sequence[float], groups: Sequence[str]) -> list[float]:
    """Return the mean and its 95 % interval by bootstrap over groups."""
    rng = np.random.default_rng(0)
    names = sorted(set(groups))
    members = [np.flatnonzero(np.array(groups) == name) for name in names]
    numbers = np.asarray(values, float)
    sums = np.array([[numbers[m].sum(), len(m)] for m in members])
    drawn = sums[rng.integers(len(names), size=(N_BOOTSTRAP, len(names)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    return [round(float(x), 4) for x in (numbers.mean(), low, high)]


def ranked(queries: Sequence[Item], orders: Sequence[Sequence[str]]) -> Ranking:
    """Return how well other versions of each query's work are ranked.

    Args:
        queries: Recordings named `v...`.
        orders: For each, the works of all that was ranked, best first; what the
            coarse index left out does not occur, and counts as never found.
    """
    precisions, firsts = [], []
    for query, order in zip(queries, orders, strict=True):
        places = 1 + np.flatnonzero([work == query.work for work in order])
        hits = np.arange(1, len(places) + 1) / places
        precisions.append(hits.sum() / (N_VERSIONS - 1))
        firsts.append(float(bool(order) and order[0] == query.work))
    return Ranking(np.array(precisions), np.array(firsts), [q.work for q in queries])
