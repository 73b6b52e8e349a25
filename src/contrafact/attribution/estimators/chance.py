"""Influence by chance: the floor that every estimator has to be above."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    no_progress,
    sum_windows,
)
from contrafact.attribution.estimators._fitted import check_fitted, facts_of
from contrafact.attribution.store import write_manifest
from contrafact.core.errors import NotFittedError
from contrafact.generators.latents import LatentWindow

__all__ = ["ChanceEstimator"]


class ChanceEstimator:
    """Standard normal numbers that depend on seed, query and window alone."""

    name = "random"

    def __init__(self) -> None:
        self._task: AttributionTask | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """There are none; the seed is the task's."""
        return {}

    def fit(
        self, task: AttributionTask, directory: Path, *, progress: Progress
    ) -> ChanceEstimator:
        """Note which model and corpus are meant; there is nothing to measure."""
        write_manifest(directory, facts_of(self.name, self.settings, task))
        progress(len(task.train), len(task.train))
        self._task = task
        return self

    def open(self, task: AttributionTask, directory: Path) -> ChanceEstimator:
        """See `Estimator.open`."""
        check_fitted(directory, facts_of(self.name, self.settings, task))
        self._task = task
        return self

    def score(self, queries: Queries, *, progress: Progress = no_progress) -> Scores:
        """See `Estimator.score`."""
        if self._task is None:
            raise NotFittedError("Chance is not fitted to a corpus; call `fit`.")
        train, rows = self._task.train, []
        for row in range(len(queries)):
            key = f"{self._task.seed}/{_content(queries.select(row))}"
            rows.append([_normal(key, window) for window in train.windows])
            progress(row + 1, len(queries))
        values = sum_windows(torch.tensor(rows, dtype=torch.float32), train)
        return Scores(values=values, recording_ids=train.recording_ids)


def _content(query: Queries) -> str:
    """Return a digest of one query that its padding does not change."""
    latents = query.batch.latents[0, :, : query.batch.n_tokens[0]]
    data = np.ascontiguousarray(latents.numpy()).tobytes()
    return hashlib.sha256(data + query.prompts[0].encode()).hexdigest()


def _normal(key: str, window: LatentWindow) -> float:
    place = f"{key}/{window.recording_id}/{window.start_s!r}"
    number = int.from_bytes(hashlib.sha256(place.encode()).digest()[:6], "big")
    return NormalDist().inv_cdf((number + 0.5) / 2**48)
