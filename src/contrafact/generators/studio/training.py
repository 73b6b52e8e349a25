"""Training of the studio's network: deterministic, resumable, leave-out ready.

Every random choice is drawn from (seed, step, recording), never from a running
state. So training can stop anywhere and go on to the same bytes, and a model
trained without some recordings sees all others in the same batches, with the
same noise: what differs between the two is what the recordings taught.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contrafact.core.errors import TrainingError
from contrafact.generators.base import Conditioning, LatentBatch
from contrafact.generators.latents import LatentSet, LatentWindow
from contrafact.generators.studio.network import (
    NetworkConfig,
    StudioNetwork,
    fast_matrix_products,
)
from contrafact.generators.studio.text import Vocabulary

__all__ = ["Trainer", "TrainingConfig", "flow_loss", "generator_for", "new_network"]


_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW knows of a parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How a network is trained.

    Attributes:
        n_steps: Optimiser steps, the same with and without left-out recordings.
        batch_size: Windows a step, before any are left out.
        learning_rate: Peak; linear warm-up, then a cosine to nothing.
        weight_decay: Of AdamW.
        averaging: Decay of the running mean of the weights, which is what is
            kept; 0 keeps the weights themselves.
        anonymous: Part of the steps in which a window is captioned without
            its artist's name.
        unprompted: Part of the steps in which it has no caption.
        checkpoint_at: Where in training the middle checkpoint is taken.
        seed: Of weights and of every draw.
        is_fast: Whether matrix products run in bfloat16 where processors can.

    Raises:
        TrainingError: If a setting is out of range.
    """

    n_steps: int = 800
    batch_size: int = 32
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    averaging: float = 0.98
    anonymous: float = 0.35
    unprompted: float = 0.1
    checkpoint_at: float = 0.5
    seed: int = 0
    is_fast: bool = True

    def __post_init__(self) -> None:
        """Check that training with these settings makes sense."""
        wrong = [
            name
            for name, is_right in {
                "n_steps": self.n_steps >= 1,
                "batch_size": self.batch_size >= 1,
                "learning_rate": 0 < self.learning_rate < math.inf,
                "weight_decay": 0 <= self.weight_decay < math.inf,
                "averaging": 0 <= self.averaging < 1,
                "anonymous": 0 <= self.anonymous <= 1 - self.unprompted,
                "unprompted": 0 <= self.unprompted <= 1,
                "checkpoint_at": 0 <= self.checkpoint_at <= 1,
            }.items()
            if not is_right
        ]
        if wrong:
            raise TrainingError(
                f"Cannot train with {wrong[0]} {getattr(self, wrong[0])!r}: it is out "
                "of range. See the recipes for values that work."
            )

    @property
    def checkpoint_step(self) -> int:
        """The step after which the middle checkpoint is taken."""
        return max(1, round(self.n_steps * self.checkpoint_at))


def generator_for(*key: int | str) -> torch.Generator:
    """Return a random generator that depends on `key` alone."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def new_network(
    config: NetworkConfig, vocabulary: Vocabulary, *, seed: int
) -> StudioNetwork:
    """Return an untrained network whose weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return StudioNetwork(config, vocabulary)


def flow_loss(
    network: StudioNetwork,
    batch: LatentBatch,
    conditioning: Conditioning,
    times: Tensor,
    noise: Tensor,
    *,
    mask_padding: bool = True,
) -> Tensor:
    """Return the rectified-flow loss of each example.

    Args:
        network: Predicts the velocity.
        batch: The examples.
        conditioning: One row per example.
        times: Noise times in [0, 1], `(batch,)`.
        noise: Standard normal, of the shape of the latents.
        mask_padding: Whether to average over unpadded tokens only.

    Returns:
        Mean squared error of the velocity, `(batch,)`, float32.

    References:
        Liu et al., "Flow straight and fast", ICLR 2023.
    """
    t = times[:, None, None]
    seen = batch.mask if mask_padding else torch.ones_like(batch.mask)
    noisy = (1 - t) * batch.latents + t * noise
    noisy = noisy * seen[:, None]
    velocity = network.velocity(noisy, times, conditioning, seen)
    error = (velocity.float() - (noise - batch.latents)).square().mean(1)
    weight = seen.float()
    return (error * weight).sum(1) / weight.sum(1)


class Trainer:
    """The state of a training run.

    Args:
        data: All recordings of the corpus.
        network_config: Shape of the network.
        config: How to train.
        left_out: Recordings that are never shown.
        on_read: Called at each step, before the step is made, with the
            recordings of the windows that it reads, in that order.

    Raises:
        TrainingError: If nothing is left to train on.
    """

    def __init__(
        self,
        data: LatentSet,
        network_config: NetworkConfig,
        config: TrainingConfig,
        *,
        left_out: Collection[str] = (),
        on_read: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self.data, self.config, self._on_read = data, config, on_read
        self._kept = [w.recording_id not in set(left_out) for w in data.windows]
        if not any(self._kept):
            raise TrainingError("Every recording was left out; keep at least one.")
        captions = (text for w in data.windows for text in _captions(w))
        self.vocabulary = Vocabulary.of(captions)
        self.network = new_network(network_config, self.vocabulary, seed=config.seed)
        self.parameters = dict(self.network.named_parameters())
        self.average = {n: p.detach().clone() for n, p in self.parameters.items()}
        self.step = 0
        self.losses: list[float] = []
        trained = [p for p in self.parameters.values() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            trained, lr=config.learning_rate, weight_decay=config.weight_decay,
            betas=(0.9, 0.98), fused=True,
        )  # fmt: skip

    def run(
        self, *, until: int | None = None, on_step: Callable[[int, float], None]
    ) -> None:
        """Train on.

        Args:
            until: Step to stop after; the last one if None.
            on_step: Called with (steps done, loss) after each step.

        Raises:
            TrainingError: If the loss is not finite.
        """
        self.network.train()
        while self.step < (self.config.n_steps if until is None else until):
            loss = self._advance()
            self.losses.append(loss)
            self.step += 1
            on_step(self.step, loss)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss became {loss} at step {self.step}; "
                    "lower the learning rate or look for broken audio."
                )

    def _advance(self) -> float:
        rows = self.rows()
        if self._on_read is not None:
            self._on_read([self.data.windows[row].recording_id for row in rows])
        if not rows:
            return self.losses[-1] if self.losses else 0.0
        times, noise, prompts, batch = self.draw(rows)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        n_tokens = torch.tensor(self.data.n_tokens(rows))
        with fast_matrix_products(self.config.is_fast):
            conditioning = self.network.condition(prompts, n_tokens)
            loss = flow_loss(self.network, batch, conditioning, times, noise).mean()
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self._update_average()
        return float(loss.detach())

    def rows(self) -> list[int]:
        """Return the batch of this step: a part of the epoch's order, less left-out."""
        size, total = self.config.batch_size, len(self.data)
        first = self.step * size
        places = range(first, first + size)
        orders = {p // total for p in places}
        order = {
            e: torch.randperm(
                total, generator=generator_for(self.config.seed, "epoch", e)
            ).tolist()
            for e in sorted(orders)
        }
        rows = [order[p // total][p % total] for p in places]
        return [row for row in rows if self._kept[row]]

    def draw(self, rows: list[int]) -> tuple[Tensor, Tensor, list[str], LatentBatch]:
        """Return times, noise, prompts and latents of this step for some windows."""
        batch = self.data.batch(rows)
        times, noises, prompts = [], [], []
        for row in rows:
            rng = generator_for(self.config.seed, self.step, row)
            times.append(torch.rand((), generator=rng))
            choice = float(torch.rand((), generator=rng))
            prompts.append(self._prompt(row, choice))
            shape = self.data.latents[row].shape
            noise = torch.zeros(batch.latents.shape[1:])
            noise[:, : shape[-1]] = torch.randn(shape, generator=rng)
            noises.append(noise)
        return torch.stack(times), torch.stack(noises), prompts, batch

    def _prompt(self, row: int, choice: float) -> str:
        window, c = self.data.windows[row], self.config
        if choice < c.unprompted:
            return ""
        if choice < c.unprompted + c.anonymous and window.caption_anonymous:
            return window.caption_anonymous
        return window.caption

    def learning_rate(self) -> float:
        """Return the learning rate of this step."""
        warm = min(1.0, (self.step + 1) / max(1, self.config.n_steps // 20))
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / self.config.n_steps))
        return self.config.learning_rate * warm * cosine

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.averaging, (1 + self.step) / (10 + self.step))
        average = list(self.average.values())
        weights = [p.data for p in self.parameters.values()]
        torch._foreach_lerp_(average, weights, 1 - decay)

    def weights(self) -> dict[str, Tensor]:
        """Return the averaged weights, the ones to keep."""
        return {name: value.clone() for name, value in self.average.items()}

    def state(self) -> dict[str, Tensor]:
        """Return everything needed to go on from here, as tensors."""
        flat = {f"weight/{n}": p.detach() for n, p in self.parameters.items()}
        flat |= {f"average/{n}": v for n, v in self.average.items()}
        for name, parameter in self.parameters.items():
            moments = self.optimiser.state.get(parameter, {})
            flat |= {f"{k}/{name}": v for k, v in moments.items()}
        flat["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        flat["step"] = torch.tensor(self.step)
        return {name: value.clone().contiguous() for name, value in flat.items()}

    def load_state(self, flat: dict[str, Tensor]) -> None:
        """Go back to what `state` returned.

        Raises:
            TrainingError: If it is not a state of this training.
        """
        self._check_state(flat)
        self.step = int(flat["step"])
        self.losses = flat["losses"].tolist()
        for name, parameter in self.parameters.items():
            parameter.data.copy_(flat[f"weight/{name}"])
            self.average[name] = flat[f"average/{name}"].clone()
            moments = {
                k: flat[f"{k}/{name}"].clone()
                for k in _MOMENTS
                if f"{k}/{name}" in flat
            }
            self.optimiser.state.pop(parameter, None)
            if moments:
                self.optimiser.state[parameter] = moments

    def _check_state(self, flat: dict[str, Tensor]) -> None:
        """Raise `TrainingError` unless every tensor is there, in its shape."""
        fits = {"step", "losses"} <= flat.keys() and all(
            f"{kind}/{name}" in flat and flat[f"{kind}/{name}"].shape == p.shape
            for name, p in self.parameters.items()
            for kind in ("weight", "average")
        )
        if not fits:
            raise TrainingError(
                "The saved state of training is not one of this network. Remove it, "
                "and training begins anew."
            )


def _captions(window: LatentWindow) -> tuple[str, str]:
    return window.caption, window.caption_anonymous
