"""The seams of attribution: the task, the queries, the estimator, the scores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from contrafact.attribution.draws import Draws
from contrafact.attribution.finite import require_finite_weights
from contrafact.attribution.gradients import Measurement
from contrafact.attribution.overlap import Overlap
from contrafact.core.errors import AttributionError
from contrafact.generators.base import Conditioning, Generator, LatentBatch
from contrafact.generators.latents import LatentSet

__all__ = [
    "AttributionTask",
    "Estimator",
    "Example",
    "Progress",
    "Queries",
    "Scores",
    "asked_of",
    "no_progress",
    "sum_windows",
]

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

Example = tuple[LatentBatch, Conditioning]
"""Latents, and what the model is told about them; what gradients are taken of."""


def no_progress(done: int, total: int) -> None:
    """Be told how far the work is, and do nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class AttributionTask:
    """What is attributed: a model, what it was trained on, what is measured.

    Attributes:
        generator: The model.
        train: What it was trained on.
        measurement: The scalar whose change is attributed.
        seed: Of the noise draws.
        n_strata: Equal parts of the noise schedule.
    """

    generator: Generator
    train: LatentSet
    measurement: Measurement = "loss"
    seed: int = 0
    n_strata: int = 8

    def draws(self, n_draws: int) -> Draws:
        """Return the shared draws; more draws begin with the fewer."""
        return Draws.make(
            self.generator, n_draws=n_draws, n_strata=self.n_strata, seed=self.seed
        )

    def train_batch(self, rows: list[int]) -> Example:
        """Return training windows with the captions they were trained with."""
        batch = self.train.batch(rows)
        captions = [self.train.windows[row].caption for row in rows]
        return batch, self.generator.condition(captions, n_tokens=batch.n_tokens)

    @contextlib.contextmanager
    def at_checkpoint(self, name: str) -> Iterator[None]:
        """Return a context with the model as it was; "final" for as it is.

        Raises:
            AttributionError: If its weights are not finite.
            GeneratorError: If the model keeps no such checkpoint.
        """
        kept = contextlib.nullcontext()
        with kept if name == "final" else self.generator.checkpoint(name):
            require_finite_weights(self.generator.parameters())
            yield


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """Outputs to explain.

    Attributes:
        batch: Their latents.
        prompts: What each was generated from; "" if unknown.
    """

    batch: LatentBatch
    prompts: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.prompts)

    def select(self, row: int) -> Queries:
        """Return the query in this row alone."""
        return Queries(self.batch.select([row]), (self.prompts[row],))


def asked_of(task: AttributionTask, queries: Queries) -> Example:
    """Return queries with the conditioning of their prompts."""
    n_tokens = queries.batch.n_tokens
    return queries.batch, task.generator.condition(queries.prompts, n_tokens=n_tokens)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Estimated influence of recordings on queries.

    The unit: by how much the query's loss would rise, had the recording been
    left out, as one full Newton step on the training loss predicts. That loss is
    a mean over the windows of the corpus; so a window scores
    `g_query^T F^-1 g_window / n_window`, with gradients of the loss and the
    (damped) Fisher matrix `F`, and a recording the sum over its windows. What is
    divided by is the number of *windows*, never of recordings. `index`, `ek-fac`
    and `trak` are in this unit by construction, `unlearning` and its kin since
    they divide the rise of loss by the length of their step. All others say in
    their docstring what theirs is; none claims to be exact, so retraining sets
    a scale (`workflows/calibration.py`).

    Attributes:
        values: `(n_query, n_train)`, float32; positive where the recording
            lowered the query's loss. Comparable within a query.
        recording_ids: The columns.
        replicates: `(n_query, n_query_sets, n_train_sets, n_train)`: the same
            from parts of the noise draws; their mean is `values`.
        panel: `(n_panel, n_train)`: scores of recordings of the corpus used as
            queries, NaN where a recording meets itself; what influence looks
            like on songs that are not the query. None if not known.
        null: `(n_null, n_train)`: scores of sounds without any source. None if not
            known.
        overlap: How far recordings teach the same; None if not known, and the
            influence of several is then the sum of their scores.
    """

    values: Tensor
    recording_ids: tuple[str, ...]
    replicates: Tensor | None = None
    panel: Tensor | None = field(default=None)
    overlap: Overlap | None = None
    null: Tensor | None = field(default=None)

    def __post_init__(self) -> None:
        """Check the shape, and that there is a number everywhere.

        Raises:
            AttributionError: If not.
        """
        if self.values.ndim != 2 or self.values.shape[1] != len(self.recording_ids):
            raise AttributionError(
                f"Scores must be (n_query, {len(self.recording_ids)}); "
                f"found {tuple(self.values.shape)}."
            )
        n_odd = int((~torch.isfinite(self.values)).sum())
        if n_odd:
            raise AttributionError(
                f"{n_odd} of {self.values.numel()} scores are not finite: a loss or a "
                "gradient overflowed. Check the weights of the model and the latents, "
                "or take a shorter step where the estimator takes one."
            )


class Estimator(Protocol):
    """A method that predicts influence.

    `__init__` stores settings and does nothing else; `fit` computes what does
    not depend on a query and saves it below `directory`; `score` reads only
    what `fit` wrote.
    """

    name: str

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the estimator runs with, for reports and manifests."""

    def fit(
        self, task: AttributionTask, directory: Path, *, progress: Progress
    ) -> Estimator:
        """Prepare, going on where a killed run stopped; return the estimator.

        Raises:
            IndexMismatchError: If the directory holds what was fitted to
                another model or corpus, or with other settings.
        """

    def open(self, task: AttributionTask, directory: Path) -> Estimator:
        """Use what `fit` saved before; return the estimator.

        Raises:
            NotFittedError: If there is nothing, or it is not finished.
            IndexMismatchError: As `fit`.
        """

    def score(self, queries: Queries, *, progress: Progress = no_progress) -> Scores:
        """Estimate how much each recording influenced each query.

        Raises:
            NotFittedError: If neither `fit` nor `open` has run.
        """


def sum_windows(values: Tensor, train: LatentSet) -> Tensor:
    """Add up the scores of windows to scores of recordings.

    Args:
        values: `(..., n_window)`.
        train: The windows.

    Returns:
        `(..., n_recording)`, in the order of `train.recording_ids`.
    """
    place = {r: i for i, r in enumerate(train.recording_ids)}
    index = torch.tensor([place[w.recording_id] for w in train.windows])
    summed = values.new_zeros(*values.shape[:-1], len(place))
    return summed.index_add_(-1, index, values)
