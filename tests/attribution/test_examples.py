"""What the page on estimators shows to readers runs, and does what it says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import AttributionTask, Queries, no_progress

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"


def shown(heading: str) -> dict[str, Any]:
    """What the first example below a heading defines."""
    text = PAGE.read_text(encoding="utf-8").partition(f"### {heading}\n")[2]
    block = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    defined: dict[str, Any] = {}
    exec(block[1], defined)  # our own page
    return defined


@pytest.fixture
def settings(settings_of: Any) -> dict[str, Any]:
    """Settings of a small index with fewer numbers than the corpus has windows."""
    return {**settings_of("index"), "n_components": 6}


def test_a_corrected_list_needs_no_index_built_anew(
    task: AttributionTask, queries: Queries, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Without a recording that was no part of the training, it gets no score."""
    make_estimator("index", **settings).fit(
        task, tmp_path / "older", progress=no_progress
    )
    left = task.train.without({"R-05"})
    found = shown("When the catalog changes")["corrected"](
        replace(task, train=left), task.train, settings=settings,
        older=tmp_path / "older", newer=tmp_path / "newer",
    )  # fmt: skip
    scores = found.score(queries)
    assert scores.recording_ids == left.recording_ids
    assert "R-05" not in scores.recording_ids
    assert bool(torch.isfinite(scores.values).all())


def test_first_windows_are_those_of_the_largest_scores(
    task: AttributionTask, queries: Queries, settings: dict[str, Any], tmp_path: Path
) -> None:
    """A search in memory finds what scores would have put first."""
    index = make_estimator("index", **settings)
    index.fit(task, tmp_path, progress=no_progress)
    first = shown("Many songs against a large catalog")["first_windows"]
    slow = index.store.products(index.solved(index.features(queries))).mean(1)
    for row, best in enumerate(first(index, queries, 3)):
        assert [w for w, _ in best] == slow[row].topk(3).indices.tolist()
    scores = index.score(queries).values * len(task.train)
    per_recording = torch.cat([slow[:, :2].sum(1, keepdim=True), slow[:, 2:]], 1)
    torch.testing.assert_close(per_recording, scores, rtol=1e-4, atol=1e-5)
