"""Scores by one natural-gradient step away from a query.

What the unlearning estimators share; they differ in the Fisher matrix.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

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
from contrafact.attribution.estimators._unlearner import (
    Natural,
    StepSettings,
    Unlearner,
    groups,
)
from contrafact.attribution.estimators._unlearning_state import UnlearningState
from contrafact.attribution.finite import require_finite_windows
from contrafact.attribution.panel import panel_of, panel_rows
from contrafact.attribution.shards import Shards
from contrafact.core.errors import NotFittedError

__all__ = ["StepEstimator", "StepState"]

_SAVE_EVERY = 64  # windows; a multiple of those measured together


@dataclass(frozen=True, slots=True, eq=False)
class StepState:
    """What scoring by a step needs.

    Attributes:
        losses: Of every window as the model is, `(n_window, n_draws)`.
        natural: Multiplies a gradient with the inverse Fisher matrix.
        panel: See `Scores.panel`.
    """

    losses: Tensor
    natural: Natural
    panel: Tensor | None


_Settings = TypeVar("_Settings", bound=StepSettings)


class StepEstimator(FittedEstimator[_Settings, StepState]):
    """Scores by one step away from the query; see the estimators built on it."""

    def _measure(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> None:
        n_windows, rows = len(task.train), self._panel_rows(task)
        total = n_windows * (1 + len(rows))
        unlearner = Unlearner(task, self._settings)
        state = UnlearningState.read(directory) or self._begun(task)
        progress(state.n_done, total)
        with unlearner.model():
            self._prepare(unlearner, directory)
            while state.n_done < n_windows:
                until = min(state.n_done + _SAVE_EVERY, n_windows)
                for some in groups(state.n_done, until):
                    self._add(unlearner, state, some)
                state.n_done = until
                state.write(directory)
                progress(state.n_done, total)
            if rows:
                self._measure_panel(unlearner, state, directory, progress)

    def _measure_panel(
        self,
        unlearner: Unlearner,
        state: UnlearningState,
        directory: Path,
        progress: Progress,
    ) -> None:
        train = unlearner.task.train
        rows, natural = (
            self._panel_rows(unlearner.task),
            self._natural(state, directory),
        )
        total = len(train) * (1 + len(rows))

        def rises(chosen: list[int]) -> Tensor:
            found = []
            for i in chosen:
                prompt = (train.windows[rows[i]].caption,)
                query = Queries(train.batch([rows[i]]), prompt)
                found.append(unlearner.rise(query, state.losses, natural).mean(0))
            return torch.stack(found)

        shards = self._panel_shards(unlearner.task, directory)
        shards.fill(rises, lambda done: progress((1 + done) * len(train), total))

    def _read(self, task: AttributionTask, directory: Path) -> StepState:
        state = UnlearningState.read(directory)
        if state is None or state.n_done < len(task.train):
            raise NotFittedError(
                f"The {self.name} in {directory} is not finished; fit it to go on."
            )
        panel, rows = None, self._panel_rows(task)
        if rows:
            shards = self._panel_shards(task, directory)
            shards.require_whole()
            panel = panel_of(shards.read(), task.train, rows)
        return StepState(state.losses, self._natural(state, directory), panel)

    def _score(
        self,
        task: AttributionTask,
        state: StepState,
        queries: Queries,
        progress: Progress,
    ) -> Scores:
        unlearner, n_windows = Unlearner(task, self._settings), len(task.train)
        rises = []
        with unlearner.model():
            for row in range(len(queries)):

                def told(n: int, before: int = row * n_windows) -> None:
                    progress(before + n, len(queries) * n_windows)

                rises.append(
                    unlearner.rise(
                        queries.select(row), state.losses, state.natural, told
                    )
                )
        replicates = sum_windows(torch.stack(rises), task.train)
        return Scores(
            values=replicates.mean(1).float(),
            recording_ids=task.train.recording_ids,
            replicates=replicates[:, None].float(),
            panel=state.panel,
        )

    def _panel_rows(self, task: AttributionTask) -> list[int]:
        return panel_rows(task.train, self._settings.n_panel)

    def _panel_shards(self, task: AttributionTask, directory: Path) -> Shards:
        n_rows = len(self._panel_rows(task))
        return Shards(directory=directory, name="panel", n_examples=n_rows, size=1)

    def _begun(self, task: AttributionTask) -> UnlearningState:
        """Return a state of nothing measured; losses alone, unless overridden."""
        return UnlearningState.begun(
            {}, n_windows=len(task.train), n_draws=self._settings.n_score_draws
        )

    def _prepare(self, unlearner: Unlearner, directory: Path) -> None:
        """Measure what comes before the losses, unless it is there; nothing here."""

    def _add(
        self, unlearner: Unlearner, state: UnlearningState, rows: list[int]
    ) -> None:
        """Measure some windows."""
        losses = unlearner.losses(rows)
        require_finite_windows(losses, unlearner.task.train, rows)
        state.add_losses(rows, losses)

    @abstractmethod
    def _natural(self, state: UnlearningState, directory: Path) -> Natural:
        """Return what multiplies a gradient with the inverse Fisher matrix."""
