"""One recording a hundred times over: the copies share one part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import AttributionTask, Queries, no_progress
from contrafact.attribution.estimators.updating import update_index
from contrafact.attribution.shares import Source, influence_of_sources
from contrafact.generators.latents import LatentSet

N_COPIES = 100
COPIED = 5
"""Row of the window that is copied."""
NO_GAIN = 1.01
# Copies are taken out of the mean over draws of the hat matrix, not draw by draw.
NEAR = 0.1


@pytest.fixture
def crowded(task: AttributionTask) -> AttributionTask:
    """The corpus with ninety-nine more copies of one recording, under other names."""
    train, original = task.train, task.train.windows[COPIED]
    copies = [
        replace(original, recording_id=f"{original.recording_id}-{i:02d}")
        for i in range(1, N_COPIES)
    ]
    latents = (train.latents[COPIED].clone() for _ in copies)
    whole = LatentSet((*train.windows, *copies), (*train.latents, *latents))
    return replace(task, train=whole)


@pytest.fixture
def song(task: AttributionTask) -> Queries:
    """A song that owes most to the copied recording."""
    batch = task.train.batch([COPIED])
    return Queries(batch, (task.train.windows[COPIED].caption,))


def test_a_hundred_copies_have_the_influence_of_one(
    task: AttributionTask,
    crowded: AttributionTask,
    song: Queries,
    settings_of: Callable[[str], dict[str, Any]],
    tmp_path: Path,
) -> None:
    """All scores are finite, copies get equal parts, together what one had alone."""
    settings = settings_of("index")
    once = make_estimator("index", **settings)
    once.fit(task, tmp_path / "once", progress=no_progress)
    # With the same factors, so that what differs is the copies.
    many = update_index(
        make_estimator("index", **settings), crowded, tmp_path / "many",
        source=tmp_path / "once", before=task.train, progress=no_progress,
    )  # fmt: skip
    influence = {}
    for name, index in (("once", once), ("many", many)):
        scores = index.score(song)
        assert bool(torch.isfinite(scores.values).all())
        assert bool(torch.isfinite(scores.overlap.hat).all())
        groups = [Source(id=r, name=r, parts={r: 1.0}) for r in scores.recording_ids]
        found = influence_of_sources(scores, groups)
        influence[name] = dict(zip(scores.recording_ids, found[0], strict=True))
    original = task.train.windows[COPIED].recording_id
    alone = influence["once"][original]
    copies = [v for r, v in influence["many"].items() if r.startswith(original)]
    assert len(copies) == N_COPIES
    assert copies == pytest.approx([copies[0]] * N_COPIES)
    assert 0 < sum(copies) < NO_GAIN * alone
    shares = [
        of / sum(max(v, 0.0) for v in influence[name].values())
        for name, of in (("once", alone), ("many", sum(copies)))
    ]
    assert shares[1] == pytest.approx(shares[0], abs=NEAR)
