"""Influence by chance: the floor that every estimator has to be above."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    sum_windows,
)
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.attribution.panel import check_panel, panel_of, panel_rows

__all__ = ["ChanceEstimator", "ChanceSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChanceSettings:
    """How chance is compared with itself; the seed is the task's.

    Attributes:
        n_panel: Recordings that stand for "any other song"; 0 for none.
    """

    n_panel: int = 64

    def __post_init__(self) -> None:
        """Check the panel."""
        check_panel(self.n_panel)


class ChanceEstimator(FittedEstimator[ChanceSettings, list[str]]):
    """Standard normal numbers that depend on seed, query and window alone.

    Costs nothing, assumes nothing and has found nothing.

    Args:
        settings: How chance is compared with itself.
    """

    name = "random"
    asked_later = frozenset({"n_panel"})

    def __init__(self, settings: ChanceSettings | None = None) -> None:
        super().__init__(settings or ChanceSettings())

    def _read(self, task: AttributionTask, directory: Path) -> list[str]:
        return [_content(x, x.shape[-1]) for x in task.train.latents]

    def _score(
        self,
        task: AttributionTask,
        state: list[str],
        queries: Queries,
        progress: Progress,
    ) -> Scores:
        train, batch = task.train, queries.batch
        asked = [
            f"{_content(batch.latents[i], n_tokens)}/{queries.prompts[i]}"
            for i, n_tokens in enumerate(batch.n_tokens)
        ]
        rows = panel_rows(train, self._settings.n_panel)
        others = [f"{state[row]}/{train.windows[row].caption}" for row in rows]
        values = _drawn(task.seed, asked, state)
        progress(len(queries), len(queries))
        return Scores(
            values=sum_windows(values, train),
            recording_ids=train.recording_ids,
            panel=panel_of(_drawn(task.seed, others, state), train, rows),
        )


def _drawn(seed: int, asked: Sequence[str], windows: Sequence[str]) -> Tensor:
    """Return `(n_asked, n_window)`, float32."""
    table = [[_normal(f"{seed}/{one}/{w}") for w in windows] for one in asked]
    return torch.tensor(table, dtype=torch.float32).reshape(len(asked), len(windows))


def _content(latents: Tensor, n_tokens: int) -> str:
    """Return a digest of latents that their padding does not change."""
    data = np.ascontiguousarray(latents[:, :n_tokens].numpy()).tobytes()
    return hashlib.sha256(data).hexdigest()


def _normal(key: str) -> float:
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big")
    return NormalDist().inv_cdf((number + 0.5) / 2**48)
