"""Groups that a benchmark unlearned are kept, with what they cost at first."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from contrafact.attribution.base import AttributionTask, Queries
from contrafact.attribution.group_unlearning import GroupUnlearningSettings
from contrafact.attribution.shares import Source

BENCH = Path(__file__).parents[2] / "bench"
SMALL = GroupUnlearningSettings(
    n_steps=2, batch_size=4, n_neighbours=3, n_draws=8, rank=2
)


def test_what_is_kept_costs_what_it_cost(
    task: AttributionTask,
    queries: Queries,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked again, and for more songs, nothing is unlearned and the cost stays."""
    for folder in (BENCH, BENCH / "ground_truth", BENCH / "league"):
        monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    kept = importlib.import_module("unlearned").Unlearned
    world = SimpleNamespace(task=task, query=queries.select)
    groups = [
        Source(id=name, name=name, parts={name: 1.0})
        for name in task.train.recording_ids[:2]
    ]
    first = kept(world, tmp_path, SMALL).rises(groups, [0])
    (costs,) = tmp_path.rglob("cost.json")
    assert set(json.loads(costs.read_text())) == {group.name for group in groups}
    costs.write_text(json.dumps({group.name: 123.0 for group in groups}))
    again = kept(world, tmp_path, SMALL)
    every = again.rises(groups, list(range(len(queries))))
    np.testing.assert_array_equal(every[:1], first)
    assert every.shape == (len(queries), 2)
    assert again.cost(groups) == 123.0
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
