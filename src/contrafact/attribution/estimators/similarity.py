"""Influence by likeness: which recordings sound like the song?

It knows nothing of the model's training. Two kinds of statistics: of the
latents, which cost nothing, or of the decoded audio's spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    sum_windows,
)
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.attribution.estimators._mel import log_mel
from contrafact.attribution.panel import check_panel, panel_of, panel_rows
from contrafact.attribution.store import read_tensors
from contrafact.catalog.atomic import atomic_path
from contrafact.core.errors import ConfigError
from contrafact.generators.base import Generator

__all__ = ["SimilarityEstimator", "SimilaritySettings"]

_FILE = "statistics.safetensors"
_SMALLEST = 1e-6  # of a standard deviation; below, a statistic says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilaritySettings:
    """What is compared.

    Attributes:
        kind: Mean and deviation over time of each channel of the latents
            ("latent"), or of each mel band of the decoded audio ("spectral").
        n_panel: Recordings that stand for "any other song" when a query is
            compared with what is common; 0 for no comparison.
    """

    kind: Literal["latent", "spectral"] = "latent"
    n_panel: int = 64

    def __post_init__(self) -> None:
        """Check the kind and the panel.

        Raises:
            ConfigError: If the kind is unknown, or the panel negative.
        """
        check_panel(self.n_panel)
        if self.kind not in ("latent", "spectral"):
            raise ConfigError(f"kind must be latent or spectral; found {self.kind!r}.")


class SimilarityEstimator(FittedEstimator[SimilaritySettings, Tensor]):
    """Cosine of statistics, each standardised over the corpus.

    A window's score is in [-1, 1]. Fitting costs a pass over the latents, and
    for "spectral" decoding each once; no training step.

    Args:
        settings: What is compared.
    """

    name = "similarity"
    asked_later = frozenset({"n_panel"})

    def __init__(self, settings: SimilaritySettings | None = None) -> None:
        super().__init__(settings or SimilaritySettings())

    def _measure(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> None:
        if (directory / _FILE).exists():
            progress(len(task.train), len(task.train))
            return
        rows = []
        for done, latents in enumerate(task.train.latents, start=1):
            rows.append(self._statistics(task.generator, latents))
            progress(done, len(task.train))
        with atomic_path(directory / _FILE) as part:
            save_file({"statistics": torch.stack(rows)}, part)

    def _read(self, task: AttributionTask, directory: Path) -> Tensor:
        return read_tensors(directory / _FILE)["statistics"]

    def _score(
        self, task: AttributionTask, state: Tensor, queries: Queries, progress: Progress
    ) -> Scores:
        rows = []
        for row, n_tokens in enumerate(queries.batch.n_tokens):
            latents = queries.batch.latents[row, :, :n_tokens]
            rows.append(self._statistics(task.generator, latents))
            progress(row + 1, len(queries))
        mean = state.mean(0)
        scale = state.std(0, correction=0).clamp_min(_SMALLEST)
        asked = functional.normalize((torch.stack(rows) - mean) / scale)
        known = functional.normalize((state - mean) / scale)
        chosen = panel_rows(task.train, self._settings.n_panel)
        return Scores(
            values=sum_windows((asked @ known.T).float(), task.train),
            recording_ids=task.train.recording_ids,
            panel=panel_of(known[chosen] @ known.T, task.train, chosen),
        )

    def _statistics(self, generator: Generator, latents: Tensor) -> Tensor:
        """Return mean and deviation of each row over time, float64."""
        rows = latents
        if self._settings.kind == "spectral":
            audio = generator.decode(latents[None])[0].mean(0)
            rows = log_mel(audio, sample_rate=generator.sample_rate)
        rows = rows.double()
        return torch.cat([rows.mean(1), rows.std(1, correction=0)])
