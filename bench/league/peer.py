"""What the packages of other projects are given: losses of examples, by number."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    sum_windows,
)
from contrafact.attribution.draws import Draws
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.core.errors import ConfigError
from contrafact.generators import Conditioning, LatentBatch
from contrafact.generators.studio.generator import StudioGenerator
from contrafact.generators.studio.training import flow_loss

__all__ = ["Examples", "PeerEstimator", "PeerSettings"]

_N_DRAWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """Which checkpoint is asked, and at how many noise draws."""

    checkpoint: str = "final"
    n_draws: int = _N_DRAWS


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Examples of one kind that a package names by number.

    Attributes:
        batch: All of them, as long as the longest.
        said: A row each.
        draws: Shared by all.
    """

    generator: StudioGenerator
    batch: LatentBatch
    said: Conditioning
    draws: Draws

    def losses(self, rows: Tensor, draws: Tensor) -> Tensor:
        """Return the loss of each example at its own draw, `(batch,)`."""
        length = self.batch.latents.shape[-1]
        # Not `Generator.loss`, whose checks of its arguments dattri cannot map over.
        return flow_loss(
            self.generator.network,
            self.batch.select(rows),
            self.said.select(rows),
            self.draws.times[draws],
            self.draws.noise[draws][..., :length],
        )

    def means(self, rows: Tensor) -> Tensor:
        """Return the mean loss over all draws of each example, `(batch,)`."""
        n = len(self.draws)
        each = self.losses(rows.repeat_interleave(n), torch.arange(n).repeat(len(rows)))
        return each.reshape(len(rows), n).mean(1)

    @property
    def pairs(self) -> TensorDataset:
        """Every example at every draw, by their numbers."""
        n = len(self.draws)
        rows = torch.arange(len(self.batch)).repeat_interleave(n)
        return TensorDataset(rows, torch.arange(n).repeat(len(self.batch)))


class PeerEstimator(FittedEstimator[PeerSettings, Examples]):
    """What the packages have in common: examples in, scores of windows out."""

    packages: ClassVar[tuple[str, ...]]

    def __init__(self, settings: PeerSettings | None = None) -> None:
        super().__init__(settings or PeerSettings())
        self._directory = Path()

    def _measure(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> None:
        with task.at_checkpoint(self._settings.checkpoint):
            self._prepare(self._train(task), directory)
        progress(1, 1)

    def _read(self, task: AttributionTask, directory: Path) -> Examples:
        self._directory = directory
        return self._train(task)

    def _score(
        self,
        task: AttributionTask,
        state: Examples,
        queries: Queries,
        progress: Progress,
    ) -> Scores:
        """Return scores of recordings, `(n_query, n_train)`, float32."""
        said = task.generator.condition(
            queries.prompts, n_tokens=queries.batch.n_tokens
        )
        asked = Examples(state.generator, queries.batch, said, state.draws)
        with task.at_checkpoint(self._settings.checkpoint):
            windows = self._products(state, asked, self._directory)
        progress(len(queries), len(queries))
        return Scores(
            values=sum_windows(windows.float(), task.train),
            recording_ids=task.train.recording_ids,
        )

    def _train(self, task: AttributionTask) -> Examples:
        every = range(len(task.train))
        batch, said = task.train_batch(list(every))
        n = self._settings.n_draws
        draws = Draws.make(task.generator, n_draws=n, n_strata=n, seed=task.seed)
        if not isinstance(task.generator, StudioGenerator):
            raise ConfigError(f"{self.name} is asked about models of the studio only.")
        return Examples(task.generator, batch, said, draws)

    def _prepare(self, train: Examples, directory: Path) -> None:
        """Measure what does not depend on a query."""

    @abstractmethod
    def _products(self, train: Examples, asked: Examples, directory: Path) -> Tensor:
        """Return scores of windows, `(n_query, n_window)`; more where removal hurts."""
