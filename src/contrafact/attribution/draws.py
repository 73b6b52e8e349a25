"""The (time, noise) pairs at which losses and gradients are measured.

Query and training examples share them, and so do a model and its retrained
twin: what differs between two measurements is then never the noise. Times are
stratified over the noise schedule; draw `k` lies in stratum `k % n_strata`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contrafact.core.errors import ConfigError
from contrafact.generators.base import Conditioning, Generator, LatentBatch

__all__ = ["Draws", "losses_at"]


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Shared noise draws.

    Attributes:
        times: `(n_draws,)`, in (0, 1), stratified.
        noise: `(n_draws, latent_channel, max_tokens)`, standard normal.
        weights: `(n_draws,)`, what each draw counts for; their mean is one.
        n_strata: Equal parts of the noise schedule, each hit equally often.
    """

    times: Tensor
    noise: Tensor
    weights: Tensor
    n_strata: int

    @classmethod
    def make(
        cls, generator: Generator, *, n_draws: int, n_strata: int, seed: int
    ) -> Draws:
        """Return draws for a model; the first draws do not depend on `n_draws`.

        Raises:
            ConfigError: If `n_draws` is not a positive multiple of `n_strata`.
        """
        if n_draws < 1 or n_strata < 1 or n_draws % n_strata:
            raise ConfigError(
                f"{n_draws} noise draws cannot be spread evenly over {n_strata} "
                f"strata; give a multiple of {n_strata}."
            )
        rng = torch.Generator().manual_seed(seed)
        times, noise = [], []
        shape = (generator.latent_channels, generator.max_tokens)
        for k in range(n_draws):
            within = torch.rand((), generator=rng)
            times.append((k % n_strata + within) / n_strata)
            noise.append(torch.randn(shape, generator=rng))
        return cls(
            torch.stack(times), torch.stack(noise), torch.ones(n_draws), n_strata
        )

    def __len__(self) -> int:
        """Return how many draws there are."""
        return len(self.times)

    @property
    def n_sets(self) -> int:
        """Sets of draws of which each covers every stratum once."""
        return len(self) // self.n_strata

    def singles(self) -> Draws:
        """Return the same draws, each a set of its own."""
        return Draws(self.times, self.noise, self.weights, 1)

    def part(self, span: slice) -> Draws:
        """Return some of the draws, each a set of its own."""
        return Draws(self.times[span], self.noise[span], self.weights[span], 1)

    def weighted(self, stratum_weights: Tensor) -> Draws:
        """Return the same draws with a weight for each stratum, `(n_strata,)`."""
        weights = stratum_weights.repeat(self.n_sets)
        return Draws(self.times, self.noise, weights, self.n_strata)

    def at(self, batch: LatentBatch) -> tuple[Tensor, Tensor]:
        """Return times and noise for each example in turn at every draw.

        Returns:
            Times `(batch * n_draws,)` and noise `(batch * n_draws, channel,
            time)`, the draws of one example side by side.
        """
        n, length = len(batch), batch.latents.shape[-1]
        noise = self.noise[:, :, :length]
        return self.times.repeat(n), noise.repeat(n, 1, 1)


@torch.no_grad()
def losses_at(
    generator: Generator,
    batch: LatentBatch,
    conditioning: Conditioning,
    draws: Draws,
    *,
    mask_padding: bool = True,
    at_most: int = 64,
) -> Tensor:
    """Return the training loss of each example at each draw.

    Args:
        generator: The model.
        batch: The examples.
        conditioning: One row per example.
        draws: Shared draws.
        mask_padding: See `Generator.loss`.
        at_most: Rows of one forward pass.

    Returns:
        `(batch, n_draws)`, float32 or what the model computes in.
    """
    times, noise = draws.at(batch)
    many, said = batch.repeat(len(draws)), conditioning.repeat(len(draws))
    parts = [
        generator.loss(
            many.select(slice(start, start + at_most)),
            said.select(slice(start, start + at_most)),
            times=times[start : start + at_most],
            noise=noise[start : start + at_most],
            mask_padding=mask_padding,
        )
        for start in range(0, len(times), at_most)
    ]
    return torch.cat(parts).reshape(len(batch), len(draws))
