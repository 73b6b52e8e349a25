"""The committed ground truth, read: what was retrained without what, and the losses.

Choosing and reporting are halves of both: queries by even and odd place within
their kind, subsets by even and odd number. Settings may look at the first halves,
every printed figure comes from the second.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["GENERATED", "SEED_OF_SONGS", "Half", "LeagueTruth", "Sources"]

Array = NDArray[np.float64]
Half = Literal["choosing", "reporting"]

GENERATED = ("named", "unnamed")
SEED_OF_SONGS = 0
"""Of the training whose model made the songs. It knows them better than any other
training does, and without one source it is another training in part: what is left out
seems to matter by a part that all sources have in common."""
_FIRST: dict[str, int] = {"choosing": 0, "reporting": 1}


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Rises of loss where one source was left out.

    Attributes:
        names: Those left out with every seed in `by_seed`.
        by_seed: `(n_seed, n_query, n_source)`; each against the full model of the
            same seed.
        seeds: Of the trainings, in this order.
    """

    names: tuple[str, ...]
    by_seed: Array
    seeds: tuple[int, ...] = ()

    @property
    def mean(self) -> Array:
        """The mean over seeds, `(n_query, n_source)`."""
        mean: Array = self.by_seed.mean(0)
        return mean

    @property
    def others(self) -> Array:
        """The mean over all seeds but one, for each, `(n_seed, n_query, n_source)`.

        What an estimate and one more training are both held against, so that they can
        be compared. With one seed only it is that one.
        """
        n = len(self.by_seed)
        if n == 1:
            return self.by_seed
        others: Array = (self.by_seed.sum(0) - self.by_seed) / (n - 1)
        return others


@dataclass(frozen=True, slots=True, eq=False)
class LeagueTruth:
    """The table of losses, whole or begun.

    Attributes:
        facts: The manifest.
        losses: By kind, name and seed: `(n_query,)`.
        left_out: By kind and name: places of the recordings never shown.
        kinds: The kind of each query.
    """

    facts: dict[str, Any]
    losses: dict[tuple[str, str, int], Array]
    left_out: dict[tuple[str, str], list[int]]
    kinds: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> LeagueTruth:
        """Read `manifest.json`, `queries.json` and `truth.parquet`."""
        facts = json.loads((folder / "manifest.json").read_text())
        kinds = tuple(
            q["kind"] for q in json.loads((folder / "queries.json").read_text())
        )
        losses, left_out = {}, {}
        for row in pq.read_table(folder / "truth.parquet").to_pylist():
            found = np.array(row["losses"], dtype=np.float64)
            mean = found.reshape(-1, facts["n_strata"]).mean(1)
            losses[row["kind"], row["name"], row["seed"]] = mean
            left_out[row["kind"], row["name"]] = row["left_out"]
        return cls(facts, losses, left_out, kinds)

    def only(self, kinds: tuple[str, ...]) -> tuple[LeagueTruth, list[int]]:
        """Return the truth of some kinds of queries, and where they stood before."""
        kept = [i for i, kind in enumerate(self.kinds) if kind in kinds]
        losses = {key: found[kept] for key, found in self.losses.items()}
        some = tuple(self.kinds[i] for i in kept)
        return LeagueTruth(self.facts, losses, self.left_out, some), kept

    def rise_when_left_out(self, folder: Path) -> float:
        """Return how much higher the loss on a recording is where it was left out.

        The mean over the queries that are recordings of the catalog, and over the
        random halves, as part of the loss where it was kept.
        """
        asked = json.loads((folder / "queries.json").read_text())
        place = {r: i for i, r in enumerate(self.facts["recordings"])}
        found = []
        for row, query in enumerate(asked):
            if query["kind"] != "training":
                continue
            kept: dict[bool, list[float]] = {False: [], True: []}
            for (kind, name, _), losses in self.losses.items():
                if kind == "half":
                    gone = place[query["source"]] in self.left_out[kind, name]
                    kept[gone].append(float(losses[row]))
            found.append(np.mean(kept[True]) / np.mean(kept[False]) - 1)
        return float(np.mean(found))

    @property
    def runs(self) -> dict[str, int]:
        """How many models of each kind the figures stand on."""
        found = Counter(kind for kind, _, _ in self.losses)
        return dict(sorted(found.items())) | {"planned": self.facts["n_runs_planned"]}

    def rows(self, kinds: tuple[str, ...], half: Half) -> NDArray[np.intp]:
        """Return the queries of some kinds in one half."""
        found: list[int] = []
        for kind in kinds:
            found += [i for i, k in enumerate(self.kinds) if k == kind][
                _FIRST[half] :: 2
            ]
        return np.array(found)

    def subsets(self, kind: str, half: Half) -> list[str]:
        """Return the numbers of the random subsets of one half that are done."""
        found = {name for k, name, _ in self.losses if k == kind}
        return [n for n in sorted(found, key=int) if int(n) % 2 == _FIRST[half]]

    def left_out_matrix(self, kind: str, names: list[str]) -> Array:
        """Return which recordings each subset lacks, `(n_subset, n_train)`."""
        matrix = np.zeros((len(names), len(self.facts["recordings"])))
        for row, name in enumerate(names):
            matrix[row, self.left_out[kind, name]] = 1
        return matrix

    def subset_losses(self, kind: str, names: list[str]) -> Array:
        """Return losses under the subsets, mean over seeds, `(n_query, n_subset)`.

        Some seeds know a query better than others whatever they lack; where subsets
        are trained with different seeds, that is taken off first.
        """
        found = {(n, s): x for (k, n, s), x in self.losses.items() if k == kind}
        level = self._levels(found)
        columns = [
            np.mean([x - level[s] for (n, s), x in found.items() if n == name], 0)
            for name in names
        ]
        return np.array(columns).T

    def seeds_of_subsets(self, kind: str, names: list[str]) -> list[int]:
        """Return with how many seeds each subset was trained."""
        found = Counter(n for k, n, _ in self.losses if k == kind)
        return [found[name] for name in names]

    @staticmethod
    def _levels(found: dict[tuple[str, int], Array]) -> dict[int, Array]:
        """Return how much higher each seed's losses are, on subsets that all share."""
        seeds = sorted({s for _, s in found})
        names = {n for n, _ in found}
        shared = [n for n in names if all((n, s) in found for s in seeds)]
        none = np.zeros_like(next(iter(found.values())))
        if len(seeds) == 1 or not shared:
            return dict.fromkeys(seeds, none)
        means = {s: np.mean([found[n, s] for n in sorted(shared)], 0) for s in seeds}
        middle = np.mean(list(means.values()), 0)
        return {s: mean - middle for s, mean in means.items()}

    def subset_losses_by_seed(self, kind: str, names: list[str]) -> Array | None:
        """Return the same seed by seed, or None where fewer than two seeds are done.

        Returns:
            `(n_seed, n_query, n_subset)`, the subsets being those done with both.
        """
        both = [n for n in names if all((kind, n, s) in self.losses for s in (0, 1))]
        if len(both) < 2:
            return None
        return np.array(
            [np.array([self.losses[kind, n, s] for n in both]).T for s in (0, 1)]
        )

    def sources(self, kind: str) -> Sources | None:
        """Return the rises without each collection or artist; None if none is whole.

        A seed counts when every source that seed 0 left out was left out with it. That
        of the training that made the songs counts only where there is no other.
        """
        names = tuple(sorted({n for k, n, s in self.losses if k == kind and s == 0}))
        owners = set(self.facts[f"{kind}s"])
        if set(names) != owners:
            return None
        seeds = [
            seed
            for k, _, seed in sorted(self.losses)
            if k == "full" and all((kind, n, seed) in self.losses for n in names)
        ]
        seeds = [s for s in seeds if s != SEED_OF_SONGS] or seeds
        by_seed = [
            [self.losses[kind, n, s] - self.losses["full", "all", s] for n in names]
            for s in seeds
        ]
        if not seeds:
            return None
        return Sources(names, np.array(by_seed).transpose(0, 2, 1), tuple(seeds))
