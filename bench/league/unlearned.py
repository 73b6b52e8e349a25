"""Groups unlearned, and what that does to songs: kept, with what it cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from world import World

from common import processor_s, say
from contrafact.attribution.group_unlearning import (
    GroupUnlearning,
    GroupUnlearningSettings,
)
from contrafact.attribution.shares import Source

__all__ = ["Unlearned"]

Array = NDArray[np.float64]


class Unlearned:
    """Some groups, unlearned one by one with some settings.

    Adapters, costs and rises lie in a folder of the world and the settings: what is
    there is not computed again, and its cost is what it was when it was.

    Args:
        world: Model and corpus.
        folder: Where the league keeps what it computes.
        settings: How to unlearn.
    """

    def __init__(
        self, world: World, folder: Path, settings: GroupUnlearningSettings
    ) -> None:
        self._world, self._settings = world, settings
        facts = {k: v for k, v in asdict(settings).items() if k != "n_draws"}
        self._folder = folder / _digest([facts, world.task.generator.digest])
        self._folder.mkdir(parents=True, exist_ok=True)

    def cost(self, groups: Sequence[Source]) -> float | None:
        """Return the mean processor seconds a group took; None if not all are known."""
        costs = self._known()
        if any(group.name not in costs for group in groups):
            return None
        return round(float(np.mean([costs[group.name] for group in groups])), 1)

    def rises(self, groups: Sequence[Source], rows: Sequence[int]) -> Array:
        """Return rises of the losses of queries, `(n_query, n_group)`."""
        found = []
        for done, group in enumerate(groups):
            say("unlearning", done, len(groups))
            found.append(self._rise(group, rows))
        say("unlearning", len(groups), len(groups))
        return np.array(found).T

    def _rise(self, group: Source, rows: Sequence[int]) -> list[float]:
        members = sorted(group.parts)
        kept = self._folder / f"rises-{_digest([members, self._settings.n_draws])}.json"
        known = json.loads(kept.read_text()) if kept.exists() else {}
        missing = [row for row in rows if str(row) not in known]
        if missing:
            method = self._fitted(group.name, members)
            for row in missing:
                known[str(row)] = float(method.influence(self._world.query(row)))
            kept.write_text(json.dumps(known))
        return [known[str(row)] for row in rows]

    def _fitted(self, name: str, members: list[str]) -> GroupUnlearning:
        """Return the group unlearned, and note what it cost if it was not yet."""
        before, started = self._n_files(), processor_s()
        method = GroupUnlearning(self._settings)
        method.fit(self._world.task, self._folder, {name: members})
        if self._n_files() > before:
            costs = self._known() | {name: processor_s() - started}
            (self._folder / "cost.json").write_text(json.dumps(costs))
        return method

    def _n_files(self) -> int:
        return len(list(self._folder.glob("*.safetensors")))

    def _known(self) -> dict[str, float]:
        path = self._folder / "cost.json"
        found: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
        return found


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
