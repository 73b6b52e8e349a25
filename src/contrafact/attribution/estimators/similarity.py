"""Influence by likeness: which recordings sound like the song?

It knows nothing of the model's training. Two kinds of statistics: of the
latents, which cost nothing, or of the decoded audio's spectrum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    no_progress,
    sum_windows,
)
from contrafact.attribution.estimators._fitted import check_fitted, facts_of
from contrafact.attribution.estimators._mel import log_mel
from contrafact.attribution.store import read_tensors, write_manifest
from contrafact.catalog.atomic import atomic_path
from contrafact.core.errors import ConfigError, NotFittedError
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
    """

    kind: Literal["latent", "spectral"] = "latent"

    def __post_init__(self) -> None:
        """Check the kind.

        Raises:
            ConfigError: If it is unknown.
        """
        if self.kind not in ("latent", "spectral"):
            raise ConfigError(f"kind must be latent or spectral; found {self.kind!r}.")


class SimilarityEstimator:
    """Cosine of statistics, each standardised over the corpus.

    Args:
        settings: What is compared.
    """

    name = "similarity"

    def __init__(self, settings: SimilaritySettings | None = None) -> None:
        self._settings = settings or SimilaritySettings()
        self._fitted: tuple[AttributionTask, Tensor] | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the estimator runs with."""
        return asdict(self._settings)

    def fit(
        self, task: AttributionTask, directory: Path, *, progress: Progress
    ) -> SimilarityEstimator:
        """Measure the statistics of every training window.

        Raises:
            IndexMismatchError: If the directory holds what was fitted to
                another model or corpus, or with other settings.
        """
        write_manifest(directory, facts_of(self.name, self.settings, task))
        if (directory / _FILE).exists():
            progress(len(task.train), len(task.train))
        else:
            rows = []
            for done, latents in enumerate(task.train.latents, start=1):
                rows.append(self._statistics(task.generator, latents))
                progress(done, len(task.train))
            with atomic_path(directory / _FILE) as part:
                save_file({"statistics": torch.stack(rows)}, part)
        return self.open(task, directory)

    def open(self, task: AttributionTask, directory: Path) -> SimilarityEstimator:
        """Use what `fit` saved; see `Estimator.open`."""
        check_fitted(directory, facts_of(self.name, self.settings, task))
        self._fitted = task, read_tensors(directory / _FILE)["statistics"]
        return self

    def score(self, queries: Queries, *, progress: Progress = no_progress) -> Scores:
        """See `Estimator.score`; a window's score is in [-1, 1]."""
        if self._fitted is None:
            raise NotFittedError("The similarity is not fitted; call `fit`.")
        task, known = self._fitted
        rows = []
        for row, n_tokens in enumerate(queries.batch.n_tokens):
            latents = queries.batch.latents[row, :, :n_tokens]
            rows.append(self._statistics(task.generator, latents))
            progress(row + 1, len(queries))
        mean = known.mean(0)
        scale = known.std(0, correction=0).clamp_min(_SMALLEST)
        asked = functional.normalize((torch.stack(rows) - mean) / scale)
        found = functional.normalize((known - mean) / scale)
        values = sum_windows((asked @ found.T).float(), task.train)
        return Scores(values=values, recording_ids=task.train.recording_ids)

    def _statistics(self, generator: Generator, latents: Tensor) -> Tensor:
        """Return mean and deviation of each row over time, float64."""
        rows = latents
        if self._settings.kind == "spectral":
            audio = generator.decode(latents[None])[0].mean(0)
            rows = log_mel(audio, sample_rate=generator.sample_rate)
        rows = rows.double()
        return torch.cat([rows.mean(1), rows.std(1, correction=0)])
