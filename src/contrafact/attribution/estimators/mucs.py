"""MUCS: unlearn the query in many bounded steps, and keep the rest in mind.

A single long step away from the query raises every loss alike, and what is
common hides what is the query's own. Here the model is led away in small steps
that also keep its loss on the corpus low, and stops when it knows the query no
better than an untrained one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from contrafact.attribution.base import (
    AttributionTask,
    Example,
    Progress,
    Queries,
    Scores,
    asked_of,
    sum_windows,
)
from contrafact.attribution.draws import losses_at
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.attribution.panel import spread_windows
from contrafact.attribution.precision import exact
from contrafact.attribution.shards import Shards
from contrafact.core.errors import AttributionError, ConfigError
from contrafact.generators.base import Untrainable

__all__ = ["MucsEstimator", "MucsSettings"]

_EVEN = 1e-3  # keeps differences of losses near zero from counting
_ROWS_AT_ONCE = 64
_WINDOWS_AT_ONCE = 4  # the same before and after, and a part of every file


@dataclass(frozen=True, slots=True, kw_only=True)
class MucsSettings:
    """How a query is unlearned and what that does to the corpus measured.

    Attributes:
        checkpoint: Checkpoint of the model that unlearns; "final" is the model
            itself.
        layers: What the names of the parameters that unlearn contain; the
            paper's choice is the blocks' feed-forward layers. "" takes all.
        learning_rate: Of AdamW; the paper takes a tenth of the training's.
        forgetting: Weight of the query's loss against the corpus's.
        stop_at: Part of the untrained model's loss on the query at which
            unlearning ends.
        null_loss: That loss; 0 measures it on an untrained model.
        n_steps: Steps at most.
        batch_size: Training windows of a step.
        n_query_rows: Noise draws of the query in a step.
        n_score_draws: Noise draws of each training window's loss.
        lowest_time: Draws at earlier noise times do not count; the paper
            leaves out the least noisy 30 %.
    """

    checkpoint: str = "final"
    layers: str = ".ff."
    learning_rate: float = 5e-4
    forgetting: float = 0.2
    stop_at: float = 0.95
    null_loss: float = 0.0
    n_steps: int = 100
    batch_size: int = 32
    n_query_rows: int = 16
    n_score_draws: int = 16
    lowest_time: float = 0.3

    def __post_init__(self) -> None:
        """Check what unlearning can fail by.

        Raises:
            ConfigError: If a setting is out of range.
        """
        for name in ("learning_rate", "forgetting", "stop_at"):
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"{name} must be greater than zero; found {getattr(self, name)}."
                )
        for name in ("n_steps", "batch_size", "n_query_rows"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} must be at least 1; found {getattr(self, name)}."
                )
        if not (self.null_loss >= 0 and 0 <= self.lowest_time < 1):
            raise ConfigError(
                "null_loss must not be negative and lowest_time lie in [0, 1); found "
                f"{self.null_loss} and {self.lowest_time}."
            )


class MucsEstimator(FittedEstimator[MucsSettings, Tensor]):
    """Rise of each window's loss once the query is unlearned, as part of the loss.

    AdamW lowers `loss(corpus) - forgetting * min(loss(query), null)` in random
    batches, until the query's loss is `stop_at` of `null`, the loss of an
    untrained model. A window scores the mean over common noise draws of
    `(after - before) / (after + before)`: in [-1, 1], without a unit. Windows
    of a recording add up. A query that the model knows no better than an
    untrained one leaves nothing to unlearn: all score zero. There is no panel:
    another song costs another unlearning and another pass over the corpus.

    Cost, in forward and backward passes over the corpus: a third of
    `n_score_draws` in `fit`; the same for each query, and `n_steps` steps of
    training.

    Args:
        settings: How to unlearn.

    References:
        Serra et al., "MUCS", 2026, arXiv 2605.17938, re-implemented from the
        paper's description; Choi et al., 2025, arXiv 2506.18312, for its
        predecessor.
    """

    name = "mucs"

    def __init__(self, settings: MucsSettings | None = None) -> None:
        super().__init__(settings or MucsSettings())

    def _measure(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> None:
        model = _Model(task, self._settings)
        with model.exact():
            self._shards(task, directory).fill(
                model.losses, lambda done: progress(done, len(task.train))
            )

    def _read(self, task: AttributionTask, directory: Path) -> Tensor:
        shards = self._shards(task, directory)
        shards.require_whole()
        return shards.read()

    def _score(
        self, task: AttributionTask, state: Tensor, queries: Queries, progress: Progress
    ) -> Scores:
        model, found = _Model(task, self._settings), []
        n_windows = len(task.train)
        for row in range(len(queries)):

            def told(n: int, before: int = row * n_windows) -> None:
                progress(before + n, len(queries) * n_windows)

            with model.exact(), model.unlearned(queries.select(row)):
                found.append(model.rises(state, told))
        replicates = sum_windows(torch.stack(found), task.train)
        return Scores(
            values=replicates.mean(1).float(),
            recording_ids=task.train.recording_ids,
            replicates=replicates[:, None].float(),
        )

    def _shards(self, task: AttributionTask, directory: Path) -> Shards:
        return Shards(directory=directory, name="losses", n_examples=len(task.train))


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """The model, unlearning and measured."""

    task: AttributionTask
    settings: MucsSettings

    @contextlib.contextmanager
    def exact(self) -> Iterator[None]:
        """Return a context with the right checkpoint, in full precision."""
        with (
            self.task.at_checkpoint(self.settings.checkpoint),
            exact(self.task.generator),
        ):
            yield

    def losses(
        self, rows: list[int], told: Callable[[int], None] = lambda _: None
    ) -> Tensor:
        """Return the losses of windows as the model is, `(len(rows), n_draws)`."""
        draws, parts = self.task.draws(self.settings.n_score_draws), []
        for start in range(0, len(rows), _WINDOWS_AT_ONCE):
            some = rows[start : start + _WINDOWS_AT_ONCE]
            example = self.task.train_batch(some)
            found = losses_at(
                self.task.generator, *example, draws, at_most=_ROWS_AT_ONCE
            )
            parts.append(found.double())
            told(start + len(some))
        return torch.cat(parts)

    def rises(self, before: Tensor, told: Callable[[int], None]) -> Tensor:
        """Return rises over sums of losses, `(n_sets, n_window)`."""
        after = self.losses(list(range(len(self.task.train))), told)
        rise = (after - before) / (after + before + _EVEN)
        draws = self.task.draws(self.settings.n_score_draws)
        counts = (draws.times >= self.settings.lowest_time).double()
        if not counts.any():
            raise ConfigError(
                f"No noise draw lies after lowest_time {self.settings.lowest_time}; "
                "lower it or take more n_score_draws."
            )
        by_set = (rise * counts).unflatten(1, (-1, self.task.n_strata)).sum(2)
        # Divided by what a set counts on average, so that sets average to all.
        each = counts.sum() / draws.n_sets
        rises: Tensor = (by_set / each).T
        return rises

    @contextlib.contextmanager
    def unlearned(self, query: Queries) -> Iterator[None]:
        """Return a context in which the model has unlearned a query."""
        generator = self.task.generator
        parameters = generator.parameters()
        kept = {n: p.detach().clone() for n, p in parameters.items()}
        chosen = [p for n, p in parameters.items() if self.settings.layers in n]
        if not chosen:
            raise ConfigError(
                f"No parameter of {generator.name} has {self.settings.layers!r} in its "
                'name; set layers, or "" for all.'
            )
        asked = asked_of(self.task, query)
        try:
            self._unlearn(asked, chosen, null=self._null_loss(query))
            yield
        finally:
            generator.load_parameters(kept)

    def _unlearn(
        self, asked: Example, chosen: list[nn.Parameter], *, null: float
    ) -> None:
        s, n_windows = self.settings, len(self.task.train)
        optimiser = torch.optim.AdamW(chosen, lr=s.learning_rate, weight_decay=0.0)
        rng = torch.Generator().manual_seed(self.task.seed)
        # By name, so that the order of the corpus does not matter.
        by_name = spread_windows(self.task.train, n_windows)
        size = min(s.batch_size, n_windows)
        for _ in range(s.n_steps):
            rows = torch.randperm(n_windows, generator=rng)[:size].tolist()
            batch = self.task.train_batch([by_name[row] for row in rows])
            with torch.enable_grad():
                of_query = self._loss(asked, s.n_query_rows, rng)
                if of_query.item() >= s.stop_at * null:
                    return
                # Beyond the bound there is nothing more to forget.
                away = of_query.clamp_max(null)
                retained = self._loss(batch, 1, rng)
                loss = retained - s.forgetting * away
            grads = torch.autograd.grad(loss, chosen)
            for parameter, grad in zip(chosen, grads, strict=True):
                parameter.grad = grad
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def _loss(self, example: Example, n_draws: int, rng: torch.Generator) -> Tensor:
        """Return the mean loss at fresh noise draws, stratified over the rows."""
        batch, said = example
        n_rows = len(batch) * n_draws
        within = torch.rand(n_rows, generator=rng)
        order = torch.randperm(n_rows, generator=rng)
        # As long as the model takes, so that padding changes no draw.
        shape = n_rows, batch.latents.shape[1], self.task.generator.max_tokens
        noise = torch.randn(shape, generator=rng)[..., : batch.latents.shape[-1]]
        losses = self.task.generator.loss(
            batch.repeat(n_draws), said.repeat(n_draws),
            times=(order + within) / n_rows, noise=noise,
        )  # fmt: skip
        return losses.mean()

    def _null_loss(self, query: Queries) -> float:
        """Return the loss on the query of a model that knows nothing."""
        generator = self.task.generator
        if self.settings.null_loss:
            return self.settings.null_loss
        if not isinstance(generator, Untrainable):
            raise AttributionError(
                f"{generator.name} cannot show itself untrained, so how far to unlearn "
                "is not known; set null_loss to the loss of an untrained model."
            )
        draws = self.task.draws(self.settings.n_score_draws)
        with generator.untrained(self.task.seed):
            # What is made of the prompt is another thing untrained.
            asked = asked_of(self.task, query)
            return float(losses_at(generator, *asked, draws).mean())
