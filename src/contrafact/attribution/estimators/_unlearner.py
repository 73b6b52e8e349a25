"""A model that unlearns a query in one natural-gradient step, and is measured."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from contrafact.attribution.base import AttributionTask, Example, Queries, asked_of
from contrafact.attribution.draws import Draws, losses_at
from contrafact.attribution.panel import check_panel
from contrafact.attribution.precision import exact
from contrafact.core.errors import ConfigError
from contrafact.generators.base import LatentBatch

__all__ = ["Natural", "StepSettings", "Unlearner", "groups"]

_WINDOWS_AT_ONCE = 4
_ROWS_AT_ONCE = 64

Natural = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Multiplies a gradient, by parameter name, with the inverse Fisher matrix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSettings:
    """How a query is unlearned and what that does to the corpus measured.

    Attributes:
        checkpoint: Checkpoint of the model that unlearns; "final", as in the
            paper, for the model itself.
        learning_rate: Length of the step, before it is divided by the number
            of training windows.
        damping: Added to the Fisher matrix, in units of its mean.
        mask: Where padding is left out: while unlearning only, as in the
            paper; also when losses are measured ("both"); or nowhere ("none").
            What is not left out is padded to the longest training example.
        n_unlearn_draws: Noise draws of the query's gradient.
        n_score_draws: Noise draws of each training window's loss.
        n_panel: Recordings that stand for "any other song"; each costs as
            much as a query, a pass over the corpus, so there are none.
    """

    checkpoint: str = "final"
    learning_rate: float = 3e-4
    damping: float = 0.1
    mask: Literal["unlearn", "both", "none"] = "unlearn"
    n_unlearn_draws: int = 2048
    n_score_draws: int = 16
    n_panel: int = 0

    def __post_init__(self) -> None:
        """Check the settings that a step can fail by.

        Raises:
            ConfigError: If one is out of range.
        """
        if self.mask not in ("unlearn", "both", "none"):
            raise ConfigError(
                f"mask must be unlearn, both or none; found {self.mask!r}."
            )
        if not (self.learning_rate > 0 and self.damping > 0):
            raise ConfigError(
                "learning_rate and damping must be greater than zero; found "
                f"{self.learning_rate} and {self.damping}."
            )
        check_panel(self.n_panel)


@dataclass(frozen=True, slots=True, eq=False)
class Unlearner:
    """The model and the corpus, and what one step does to them."""

    task: AttributionTask
    settings: StepSettings

    @contextlib.contextmanager
    def model(self) -> Iterator[None]:
        """Return a context with the right checkpoint, in full precision."""
        generator = self.task.generator
        with self.task.at_checkpoint(self.settings.checkpoint), exact(generator):
            yield

    def rise(
        self,
        query: Queries,
        before: Tensor,
        natural: Natural,
        told: Callable[[int], None] = lambda _: None,
    ) -> Tensor:
        """Return how much each window's loss rises, per length of the step.

        Returns:
            `(n_sets, n_window)`, float64: one a set of noise draws.
        """
        generator, total = self.task.generator, len(self.task.train)
        kept = {n: p.detach().clone() for n, p in generator.parameters().items()}
        length = self.settings.learning_rate / total
        step = natural(self.gradient(query))
        parts = []
        generator.load_parameters(
            {n: p.double() + length * step[n].double() for n, p in kept.items()}
        )
        try:
            for rows in groups(0, total):
                parts.append(self.losses(rows).double())
                told(rows[-1] + 1)
        finally:
            generator.load_parameters(kept)
        rise = (torch.cat(parts) - before) / self.settings.learning_rate
        by_set: Tensor = rise.unflatten(1, (-1, self.task.n_strata)).mean(2).T
        return by_set

    def losses(self, rows: list[int]) -> Tensor:
        """Return the losses of windows as the model is, `(len(rows), n_draws)`."""
        batch, said = self.task.train_batch(rows)
        is_masked = self.settings.mask == "both"
        return losses_at(
            self.task.generator,
            batch if is_masked else self._padded(batch),
            said,
            self.task.draws(self.settings.n_score_draws),
            mask_padding=is_masked,
            at_most=_ROWS_AT_ONCE,
        )

    def gradient(self, query: Queries) -> dict[str, Tensor]:
        """Return the gradient of a query's loss, mean over many draws, float64."""
        batch, said = asked_of(self.task, query)
        example = self.unlearnt_from(batch), said
        parameters = self.task.generator.parameters()
        total = {n: p.new_zeros(p.shape).double() for n, p in parameters.items()}
        draws = self.task.draws(self.settings.n_unlearn_draws)
        for start in range(0, len(draws), _ROWS_AT_ONCE):
            part = draws.part(slice(start, start + _ROWS_AT_ONCE))
            loss = self._loss(example, part) / len(draws)
            grads = torch.autograd.grad(loss, list(parameters.values()))
            for name, grad in zip(parameters, grads, strict=True):
                total[name] += grad
        return total

    def _loss(self, example: Example, draws: Draws) -> Tensor:
        batch, said = example
        times, noise = draws.at(batch)
        with torch.enable_grad():
            return self.task.generator.loss(
                batch.repeat(len(draws)), said.repeat(len(draws)),
                times=times, noise=noise, mask_padding=self.masks_unlearning,
            ).sum()  # fmt: skip

    @property
    def masks_unlearning(self) -> bool:
        """Whether padding is left out while unlearning."""
        return self.settings.mask != "none"

    def unlearnt_from(self, batch: LatentBatch) -> LatentBatch:
        """Return the batch as it is seen while unlearning."""
        return batch if self.masks_unlearning else self._padded(batch)

    def _padded(self, batch: LatentBatch) -> LatentBatch:
        """Return the batch padded to the longest training example."""
        longest = max(x.shape[-1] for x in self.task.train.latents)
        missing = max(0, longest - batch.latents.shape[-1])
        return LatentBatch(
            functional.pad(batch.latents, (0, missing)),
            functional.pad(batch.mask, (0, missing)),
        )


def groups(start: int, stop: int) -> Iterator[list[int]]:
    """Yield the rows that are measured together, the same at every call."""
    for first in range(start, stop, _WINDOWS_AT_ONCE):
        yield list(range(first, min(first + _WINDOWS_AT_ONCE, stop)))
