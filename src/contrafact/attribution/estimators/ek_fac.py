"""EK-FAC influence, nothing compressed: exact dot products over the whole corpus.

What the compressed index is held against: the query's gradient through the
inverse Fisher matrix, times every window's own gradient, taken anew.
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
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.attribution.finite import require_finite_windows
from contrafact.attribution.gradients import (
    LayerGradients,
    Measurement,
    flatten,
    gradients_of,
)
from contrafact.attribution.kernel import check_damping
from contrafact.attribution.kronecker import kronecker_fisher
from contrafact.attribution.panel import (
    check_panel,
    panel_of,
    panel_rows,
    spread_windows,
)
from contrafact.attribution.preconditioning import KroneckerFisher
from contrafact.attribution.shards import Shards
from contrafact.attribution.store import read_tensors
from contrafact.catalog.atomic import write_bytes

__all__ = ["EkFacEstimator", "EkFacSettings", "ExactEstimator"]

_FILE = "factors.safetensors"
_WINDOWS_AT_ONCE = 2
_NUMBERS_AT_ONCE = 1 << 27  # of the queries' gradients held in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class EkFacSettings:
    """Whose gradients, and what the Fisher matrix is measured on.

    Attributes:
        checkpoint: Checkpoint of the model; "final" is the model itself.
        damping: Added to each variance, in units of the parameter's mean one.
        n_draws: Noise draws a training window.
        n_query_draws: Noise draws a query; the first are those of the windows.
        n_sample: Windows that the Fisher matrix is measured on.
        n_sample_draws: Noise draws for each of them.
        n_panel: Recordings that stand for "any other song"; 0 for none, which
            saves a pass over the corpus in `fit`.
    """

    checkpoint: str = "final"
    damping: float = 0.1
    n_draws: int = 16
    n_query_draws: int = 64
    n_sample: int = 128
    n_sample_draws: int = 8
    n_panel: int = 64

    def __post_init__(self) -> None:
        """Check damping and panel.

        Raises:
            ConfigError: If one is out of range.
        """
        check_damping(self.damping)
        check_panel(self.n_panel)


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """The Fisher matrix, and the panel."""

    fisher: KroneckerFisher
    panel: Tensor | None


_AnySettings = TypeVar("_AnySettings", bound=EkFacSettings)


class ExactEstimator(FittedEstimator[_AnySettings, _State]):
    """What `ek-fac` and its kin do: solve for the query, multiply with every window.

    Nothing is kept for a window; its gradient is taken anew.
    """

    def _curvature(self, task: AttributionTask) -> Measurement:
        """Return whose gradients' second moments are the curvature."""
        return task.measurement

    @abstractmethod
    def _solved(
        self, task: AttributionTask, fisher: KroneckerFisher, found: LayerGradients
    ) -> LayerGradients:
        """Return gradients, `(1, n_sets, *shape)` each, times the inverse curvature."""

    def _measure(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> None:
        s, rows = self._settings, panel_rows(task.train, self._settings.n_panel)
        with task.at_checkpoint(s.checkpoint):
            if not (directory / _FILE).exists():
                progress(0, len(task.train))
                sampled = spread_windows(task.train, s.n_sample)
                fisher = kronecker_fisher(
                    task.generator,
                    [task.train_batch([row]) for row in sampled],
                    task.draws(s.n_sample_draws),
                    damping=s.damping,
                    measurement=self._curvature(task),
                    check=lambda i, found: require_finite_windows(
                        found, task.train, [sampled[i]]
                    ),
                )
                write_bytes(directory / _FILE, save(fisher.tensors()))
            if not rows:
                progress(len(task.train), len(task.train))
                return
            fisher = self._fisher(directory)
            # Taken when the first file is missing, not before.
            directions: list[Tensor] = []

            def products(some: list[int]) -> Tensor:
                if not directions:
                    examples = [task.train_batch([row]) for row in rows]
                    found = self._directions(task, fisher, examples, s.n_draws)
                    directions.append(found.mean(1, keepdim=True))
                return self._products(task, directions[0], some).mean((1, 2)).T

            self._shards(task, directory).fill(
                products, lambda done: progress(done, len(task.train))
            )

    def _read(self, task: AttributionTask, directory: Path) -> _State:
        fisher, panel = self._fisher(directory), None
        rows = panel_rows(task.train, self._settings.n_panel)
        if rows:
            shards = self._shards(task, directory)
            shards.require_whole()
            panel = panel_of(shards.read().T, task.train, rows)
        return _State(fisher, panel)

    def _score(
        self, task: AttributionTask, state: _State, queries: Queries, progress: Progress
    ) -> Scores:
        n_windows, n_sets = len(task.train), self._settings.n_query_draws
        n_numbers = n_sets * sum(
            p.numel() for p in task.generator.parameters().values()
        )
        at_once = max(1, _NUMBERS_AT_ONCE * task.n_strata // n_numbers)
        starts = range(0, len(queries), at_once)
        found = []
        with task.at_checkpoint(self._settings.checkpoint):
            for start in starts:
                some = range(start, min(start + at_once, len(queries)))
                asked = [asked_of(task, queries.select(row)) for row in some]
                directions = self._directions(
                    task, state.fisher, asked, self._settings.n_query_draws
                )

                def told(n: int, before: int = start // at_once * n_windows) -> None:
                    progress(before + n, len(starts) * n_windows)

                rows = list(range(n_windows))
                found.append(self._products(task, directions, rows, told))
        replicates = sum_windows(torch.cat(found), task.train)
        return Scores(
            values=replicates.mean((1, 2)),
            recording_ids=task.train.recording_ids,
            replicates=replicates,
            panel=state.panel,
        )

    def _products(
        self,
        task: AttributionTask,
        directions: Tensor,
        rows: list[int],
        told: Callable[[int], None] = lambda _: None,
    ) -> Tensor:
        """Return the scores of some windows, `(n_query, sets, sets, len(rows))`."""
        draws, parts = task.draws(self._settings.n_draws), []
        for start in range(0, len(rows), _WINDOWS_AT_ONCE):
            some = rows[start : start + _WINDOWS_AT_ONCE]
            found = gradients_of(
                task.generator, *task.train_batch(some), draws,
                measurement=task.measurement,
            )  # fmt: skip
            require_finite_windows(found, task.train, some)
            flat = flatten(found, sorted(found)).to(directions.dtype)
            parts.append(torch.einsum("qap,wbp->qabw", directions, flat))
            told(start + len(some))
        return torch.cat(parts, dim=-1).float() / len(task.train)

    def _fisher(self, directory: Path) -> KroneckerFisher:
        tensors = read_tensors(directory / _FILE)
        return KroneckerFisher.from_tensors(tensors, damping=self._settings.damping)

    def _shards(self, task: AttributionTask, directory: Path) -> Shards:
        return Shards(directory=directory, name="panel", n_examples=len(task.train))

    def _directions(
        self,
        task: AttributionTask,
        fisher: KroneckerFisher,
        examples: list[Example],
        n_draws: int,
    ) -> Tensor:
        """Return gradients through the inverse, `(n, n_sets, n_parameters)`."""
        draws, parts = task.draws(n_draws), []
        for example in examples:
            found = self._solved(
                task,
                fisher,
                gradients_of(
                    task.generator, *example, draws, measurement=task.measurement
                ),
            )
            parts.append(flatten(found, sorted(found)))
        return torch.cat(parts)


class EkFacEstimator(ExactEstimator[EkFacSettings]):
    """Influence functions with an eigenvalue-corrected Kronecker-factored Fisher.

    Assumes that the model is at the minimum of its training loss, and that the
    loss is quadratic around it with the (empirical) Fisher matrix as Hessian.
    Scores are in the unit of `Scores`.

    Cost, in forward and backward passes over the corpus: in `fit`, twice
    `n_sample n_sample_draws` single passes and, for the panel, `n_draws`; in
    `score`, `n_draws` for all queries together, as many as fit into memory.
    Keeps nothing for a window.

    Args:
        settings: Whose gradients, how much damping.

    References:
        Grosse et al., "Studying large language model generalization with
        influence functions", 2023, arXiv 2308.03296; Mlodozeniec et al.,
        "Influence functions for scalable data attribution in diffusion
        models", ICLR 2025, arXiv 2410.13850; George et al., NeurIPS 2018.
    """

    name = "ek-fac"

    def __init__(self, settings: EkFacSettings | None = None) -> None:
        super().__init__(settings or EkFacSettings())

    def _solved(
        self, task: AttributionTask, fisher: KroneckerFisher, found: LayerGradients
    ) -> LayerGradients:
        return fisher.natural(found)
