"""Influence by chance: the floor that every estimator has to be above."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
        task = self._task
        windows = [_content(x, x.shape[-1]) for x in task.train.latents]
        rows = []
        for row, n_tokens in enumerate(queries.batch.n_tokens):
            asked = _content(queries.batch.latents[row], n_tokens)
            key = f"{task.seed}/{asked}/{queries.prompts[row]}"
            rows.append([_normal(f"{key}/{window}") for window in windows])
            progress(row + 1, len(queries))
        values = sum_windows(torch.tensor(rows, dtype=torch.float32), task.train)
        return Scores(values=values, recording_ids=task.train.recording_ids)


def _content(latents: Tensor, n_tokens: int) -> str:
    """Return a digest of latents that their padding does not change."""
    data = np.ascontiguousarray(latents[:, :n_tokens].numpy()).tobytes()
    return hashlib.sha256(data).hexdigest()


def _normal(key: str) -> float:
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big")
    return NormalDist().inv_cdf((number + 0.5) / 2**48)
