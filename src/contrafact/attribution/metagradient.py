"""The exact derivative of a loss by how much each window counted in training.

Training is replayed as a function of the windows' weights and differentiated through,
step by step from the last: no approximation but that leaving out is taken as linear in
the weight. It costs a few trainings for each query, so it is a reference for small
models, beside training again. It follows the studio's trainer, batches, noise, AdamW,
clipping and running mean; a window of weight 0 is one that was left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from contrafact.core.errors import ConfigError
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.network import NetworkConfig, StudioNetwork
from contrafact.generators.studio.training import Trainer, TrainingConfig, flow_loss

__all__ = ["Measure", "Replay"]

State = tuple[Tensor, ...]
"""Weights, two moments and running mean, all parameters in one row each."""
Measure = Callable[[StudioNetwork, dict[str, Tensor]], Tensor]
"""Returns the scalar to differentiate, given the network and weights for it."""

_BETAS = (0.9, 0.98)
_CLIP = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """A training of the studio, as a function of how much each window counts.

    Attributes:
        data: The corpus.
        network_config: Shape of the network.
        config: How it is trained; `is_fast` must be off, for rounding to bfloat16
            has no derivative.
        epsilon: Of AdamW. With the trainer's own, parameters whose gradient is next
            to nothing step by its sign, and training is hardly a smooth function of
            the weights; a larger one makes it one, and is another training.

    References:
        Ilyas and Engstrom, "MAGIC: near-optimal data attribution for deep learning",
        2025, arXiv 2504.16430; Maclaurin et al., "Gradient-based hyperparameter
        optimization through reversible learning", ICML 2015.
    """

    data: LatentSet
    network_config: NetworkConfig
    config: TrainingConfig
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        """Check that the training has a derivative.

        Raises:
            ConfigError: If it rounds.
        """
        if self.config.is_fast:
            raise ConfigError(
                "A training in bfloat16 cannot be differentiated through; give a "
                "TrainingConfig with is_fast=False."
            )

    def train(self, weights: Tensor | None = None) -> dict[str, Tensor]:
        """Return the running mean of the network's weights after training.

        Args:
            weights: How much each window counts, `(n_window,)`; all by one if None.
        """
        steps, counts = _Steps.of(self), self._counts(weights)
        state = steps.first
        for number in range(self.config.n_steps):
            state = tuple(x.detach() for x in steps.advance(number, state, counts))
        return steps.apart(state[3])

    def influence(self, measure: Measure) -> Tensor:
        """Return to first order how the measure would rise without each window.

        Returns:
            `(n_window,)`: minus the derivative by the window's weight.
        """
        steps, counts = _Steps.of(self), self._counts(None)
        kept, every = self._kept_states(steps, counts)
        final = kept.pop(self.config.n_steps)
        mean = final[3].requires_grad_()
        value = measure(steps.trainer.network, steps.apart(mean))
        (first,) = torch.autograd.grad(value, mean)
        adjoint: State = (*(torch.zeros_like(x) for x in final[:3]), first)
        total = torch.zeros_like(counts)
        for start in sorted(kept, reverse=True):
            stop = min(start + every, self.config.n_steps)
            states = list(self._states(steps, kept[start], start, stop, counts))
            for number in range(stop - 1, start - 1, -1):
                adjoint, part = _back(
                    steps, number, states[number - start], adjoint, counts
                )
                total += part
        return -total

    def _counts(self, weights: Tensor | None) -> Tensor:
        if weights is None:
            return torch.ones(len(self.data))
        if weights.shape != (len(self.data),) or not bool((weights >= 0).all()):
            raise ConfigError(
                f"weights must be {len(self.data)} numbers from 0 up, one a window; "
                f"found shape {tuple(weights.shape)}."
            )
        return weights

    def _kept_states(
        self, steps: _Steps, counts: Tensor
    ) -> tuple[dict[int, State], int]:
        """Return the states before every so many steps, and the last; and how many."""
        every = max(1, math.isqrt(self.config.n_steps))
        kept, state = {}, steps.first
        for number in range(self.config.n_steps):
            if number % every == 0:
                kept[number] = state
            state = tuple(x.detach() for x in steps.advance(number, state, counts))
        kept[self.config.n_steps] = state
        return kept, every

    def _states(
        self, steps: _Steps, state: State, start: int, stop: int, counts: Tensor
    ) -> Iterator[State]:
        """Yield the state before each step of a stretch."""
        for number in range(start, stop):
            yield state
            if number + 1 < stop:
                state = tuple(x.detach() for x in steps.advance(number, state, counts))


def _back(
    steps: _Steps, number: int, state: State, adjoint: State, counts: Tensor
) -> tuple[State, Tensor]:
    """Return the adjoint before a step, and its part of the derivative by counts."""
    given = [x.detach().requires_grad_() for x in (*state, counts)]
    after = steps.advance(number, tuple(given[:4]), given[4])
    found = torch.autograd.grad(
        after, given, adjoint, allow_unused=True, materialize_grads=True
    )
    return tuple(found[:4]), found[4]


class _Loss(nn.Module):
    """The losses of a batch's rows, in a form that weights can be handed to."""

    def __init__(self, network: StudioNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, trainer: Trainer, rows: list[int]) -> Tensor:
        times, noise, prompts, batch = trainer.draw(rows)
        n_tokens = torch.tensor(trainer.data.n_tokens(rows))
        said = self.network.condition(prompts, n_tokens)
        return flow_loss(self.network, batch, said, times, noise)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """The steps of a training as functions of state and counts."""

    trainer: Trainer
    loss: _Loss
    names: tuple[str, ...]
    first: State
    epsilon: float

    @classmethod
    def of(cls, replay: Replay) -> _Steps:
        trainer = Trainer(replay.data, replay.network_config, replay.config)
        names = tuple(n for n, p in trainer.parameters.items() if p.requires_grad)
        flat = torch.cat([trainer.parameters[n].detach().flatten() for n in names])
        zeros = torch.zeros_like(flat)
        trainer.network.train()
        first = (flat, zeros, zeros, flat)
        return cls(trainer, _Loss(trainer.network), names, first, replay.epsilon)

    def apart(self, flat: Tensor) -> dict[str, Tensor]:
        """Return parameters by name."""
        shapes = [self.trainer.parameters[n].shape for n in self.names]
        parts = flat.split([s.numel() for s in shapes])
        return {
            n: x.reshape(s) for n, x, s in zip(self.names, parts, shapes, strict=True)
        }

    def advance(self, number: int, state: State, counts: Tensor) -> State:
        """Return the state after a step, differentiable by state and counts."""
        weights, mean, square, average = state
        trainer = self.trainer
        trainer.step = number
        rows = trainer.rows()
        # The fused kernels of attention cannot be differentiated twice.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            weights = weights if weights.requires_grad else weights.requires_grad_()
            given = {f"network.{n}": x for n, x in self.apart(weights).items()}
            losses = torch.func.functional_call(self.loss, given, (trainer, rows))
            of_rows = counts[rows]
            loss = (losses * of_rows).sum() / of_rows.sum().clamp_min(1e-12)
            (gradient,) = torch.autograd.grad(loss, weights, create_graph=True)
            length = gradient.square().sum().sqrt()
            gradient = gradient * (_CLIP / (length + 1e-6)).clamp(max=1.0)
            mean = _BETAS[0] * mean + (1 - _BETAS[0]) * gradient
            square = _BETAS[1] * square + (1 - _BETAS[1]) * gradient.square()
            rate = trainer.learning_rate()
            unbiased = square / (1 - _BETAS[1] ** (number + 1))
            size = _root(unbiased) + self.epsilon
            step = mean / (1 - _BETAS[0] ** (number + 1)) / size
            kept = 1 - rate * trainer.config.weight_decay
            weights = weights * kept - rate * step
            decay = min(trainer.config.averaging, (1 + number) / (10 + number))
            average = average + (1 - decay) * (weights - average)
        return weights, mean, square, average


def _root(square: Tensor) -> Tensor:
    """Return the root, whose derivative at 0 is taken as 0: nothing moved there."""
    is_moved = square > 0
    return torch.where(is_moved, torch.where(is_moved, square, 1.0).sqrt(), 0.0)
