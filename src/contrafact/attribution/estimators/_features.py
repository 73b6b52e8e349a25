"""Estimators that keep a vector for every window and compare queries with it.

The vector is a gradient, projected or whole, at one checkpoint or several; the
estimators differ in what is differentiated and how vectors are compared.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save
from torch import Tensor

from contrafact.attribution.base import (
    AttributionTask,
    Example,
    Progress,
    Queries,
    Scores,
    asked_of,
    sum_windows,
)
from contrafact.attribution.draws import Draws
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.attribution.finite import (
    require_finite_asked,
    require_finite_windows,
)
from contrafact.attribution.gradients import Measurement, gradients_of
from contrafact.attribution.panel import check_panel, panel_of, panel_rows
from contrafact.attribution.projection import SparseProjection
from contrafact.attribution.shards import Shards
from contrafact.attribution.store import read_tensors
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import ConfigError, NotFittedError

__all__ = ["Compare", "FeatureEstimator", "FeatureSettings", "FeatureState"]

_WINDOWS_AT_ONCE = 2
_NUMBERS_AT_ONCE = 1 << 26  # of the queries' vectors held in memory
_PANEL = "panel.safetensors"

Compare = Callable[[Tensor], Tensor]
"""Compares `(n_query, n_measurement, n_query_sets, n_features)` with all windows, by
the last measurement; returns `(n_query, n_query_sets, n_train_sets, n_window)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSettings:
    """What the vectors are.

    Attributes:
        checkpoints: Whose gradients, names joined by commas, such as
            "middle,final"; "final" is the model itself. Scores are means.
        n_draws: Noise draws a training window.
        n_query_draws: Noise draws a query; the first are those of the windows.
        n_features: Numbers that a gradient is projected to; 0 keeps it whole,
            in bfloat16.
        n_panel: Recordings that stand for "any other song" when a query is
            compared with what is common; 0 for no comparison.
    """

    checkpoints: str = "final"
    n_draws: int = 16
    n_query_draws: int = 64
    n_features: int = 16_384
    n_panel: int = 64

    def __post_init__(self) -> None:
        """Check what can be checked without a model.

        Raises:
            ConfigError: If a setting is out of range.
        """
        check_panel(self.n_panel)
        if self.n_features < 0:
            raise ConfigError(
                f"n_features must be at least 0; found {self.n_features}."
            )
        if not all(self.checkpoint_names):
            raise ConfigError(
                "checkpoints must be names joined by commas, at least one; found "
                f"{self.checkpoints!r}."
            )

    @property
    def checkpoint_names(self) -> tuple[str, ...]:
        """The checkpoints, one by one."""
        return tuple(name.strip() for name in self.checkpoints.split(","))


@dataclass(frozen=True, slots=True, eq=False)
class FeatureState:
    """What scoring needs: a comparison for each checkpoint, and the panel."""

    compare: list[Compare]
    panel: Tensor | None


_Settings = TypeVar("_Settings", bound=FeatureSettings)


class FeatureEstimator(FittedEstimator[_Settings, FeatureState]):
    """An estimator but for what is differentiated and how vectors compare."""

    @abstractmethod
    def _measured(self, task: AttributionTask) -> tuple[Measurement, ...]:
        """Return what is differentiated for each window, a vector each."""

    def _asked(self, task: AttributionTask) -> tuple[Measurement, ...]:
        """Return the same for queries; the last of them is what is compared."""
        return self._measured(task)[-1:]

    @abstractmethod
    def _comparison(self, shards: Shards) -> Compare:
        """Return how queries are compared with the windows' vectors.

        Rows of `shards` are `(n_measurement, n_sets, n_features)`.
        """

    def _measure(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> None:
        names, n_windows = self._settings.checkpoint_names, len(task.train)
        draws, projection = task.draws(self._settings.n_draws), self._projection(task)
        measured = self._measured(task)

        def vectors(rows: list[int]) -> Tensor:
            parts = [
                self._vectors(task, task.train_batch(some), draws, projection, measured)
                for some in _groups(rows)
            ]
            require_finite_windows(found := torch.cat(parts), task.train, rows)
            return found.to(self._stored)

        for i, name in enumerate(names):

            def told(done: int, before: int = i * n_windows) -> None:
                progress(before + done, len(names) * n_windows)

            with task.at_checkpoint(name):
                self._shards(task, directory, i).fill(vectors, told)
        if not (directory / _PANEL).exists():
            self._write_panel(task, directory)

    def _write_panel(self, task: AttributionTask, directory: Path) -> None:
        rows = panel_rows(task.train, self._settings.n_panel)
        n_checkpoints = len(self._settings.checkpoint_names)
        n_numbers = (
            self._projection(task).n_features
            * task.draws(self._settings.n_draws).n_sets
        )
        at_once = max(1, _NUMBERS_AT_ONCE // n_numbers)
        total = torch.zeros(len(rows), len(task.train))
        for i in range(n_checkpoints if rows else 0):
            shards = self._shards(task, directory, i)
            compare = self._comparison(shards)
            for start in range(0, len(rows), at_once):
                asked = _pick(shards, rows[start : start + at_once]).float()
                found = compare(asked).mean((1, 2)) / n_checkpoints
                total[start : start + at_once] += found
        write_bytes(directory / _PANEL, save({"values": total}))

    def _read(self, task: AttributionTask, directory: Path) -> FeatureState:
        compare = []
        for i in range(len(self._settings.checkpoint_names)):
            shards = self._shards(task, directory, i)
            shards.require_whole()
            compare.append(self._comparison(shards))
        if not (directory / _PANEL).exists():
            raise NotFittedError(
                f"The {self.name} in {directory} is not finished; fit it to go on."
            )
        values = read_tensors(directory / _PANEL)["values"]
        rows = panel_rows(task.train, self._settings.n_panel)
        return FeatureState(compare, panel_of(values, task.train, rows))

    def _score(
        self,
        task: AttributionTask,
        state: FeatureState,
        queries: Queries,
        progress: Progress,
    ) -> Scores:
        n_sets = task.draws(self._settings.n_query_draws).n_sets
        at_once = max(
            1, _NUMBERS_AT_ONCE // (self._projection(task).n_features * n_sets)
        )
        names, n_done, found = self._settings.checkpoint_names, 0, []

        def told(n: int) -> None:
            progress(n_done + n, len(queries) * len(names))

        for start in range(0, len(queries), at_once):
            some = range(start, min(start + at_once, len(queries)))
            total = torch.zeros(())
            for name, compare in zip(names, state.compare, strict=True):
                with task.at_checkpoint(name):
                    asked = self._query_vectors(task, queries, some, told)
                n_done += len(some)
                total = total + compare(asked) / len(names)
            found.append(total)
        replicates = sum_windows(torch.cat(found).float(), task.train)
        return Scores(
            values=replicates.mean((1, 2)),
            recording_ids=task.train.recording_ids,
            replicates=replicates,
            panel=state.panel,
        )

    def _query_vectors(
        self,
        task: AttributionTask,
        queries: Queries,
        rows: range,
        told: Callable[[int], None],
    ) -> Tensor:
        """Return the vectors of some queries, at the model as it is now."""
        draws = task.draws(self._settings.n_query_draws)
        projection, found = self._projection(task), []
        for done, row in enumerate(rows, start=1):
            example = asked_of(task, queries.select(row))
            measured = self._asked(task)
            found.append(self._vectors(task, example, draws, projection, measured))
            require_finite_asked(found[-1], queries.prompts[row:], row)
            told(done)
        return torch.cat(found)

    def _vectors(
        self,
        task: AttributionTask,
        example: Example,
        draws: Draws,
        projection: SparseProjection,
        measured: tuple[Measurement, ...],
    ) -> Tensor:
        """Return `(batch, n_measurement, n_sets, n_features)`, float32."""
        parts = [
            projection.apply_to(
                gradients_of(task.generator, *example, draws, measurement=measurement)
            )
            for measurement in measured
        ]
        return torch.stack(parts, dim=1).float()

    def _projection(self, task: AttributionTask) -> SparseProjection:
        n_in = sum(p.numel() for p in task.generator.parameters().values())
        return SparseProjection(n_in, self._settings.n_features, seed=task.seed)

    @property
    def _stored(self) -> torch.dtype:
        return torch.float32 if self._settings.n_features else torch.bfloat16

    def _shards(
        self, task: AttributionTask, directory: Path, checkpoint: int
    ) -> Shards:
        return Shards(
            directory=directory,
            name=f"vectors-{checkpoint}",
            n_examples=len(task.train),
        )


def _groups(rows: list[int]) -> list[list[int]]:
    return [
        rows[i : i + _WINDOWS_AT_ONCE] for i in range(0, len(rows), _WINDOWS_AT_ONCE)
    ]


def _pick(shards: Shards, wanted: list[int]) -> Tensor:
    """Return some rows of the shards, in the order asked for."""
    place = {row: i for i, row in enumerate(wanted)}
    kept: dict[int, Tensor] = {}
    for rows, found in shards.parts():
        for row, vector in zip(rows, found, strict=True):
            if row in place:
                kept[row] = vector.clone()
    return torch.stack([kept[row] for row in wanted])
