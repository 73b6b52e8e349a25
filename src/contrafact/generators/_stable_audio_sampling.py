"""The sampler of Stable Audio: stochastic DPM-Solver++ on a cosine schedule.

Follows diffusers' `StableAudioPipeline` step by step, on latents alone.

References:
    Lu et al., "DPM-Solver++", 2022, arXiv 2211.01095.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = ["denoise", "initial_noise"]


def initial_noise(
    n_rows: int, *, n_channels: int, n_tokens: int, seed: int
) -> tuple[Tensor, list[torch.Generator]]:
    """Return standard normal noise and the generators that go on from it.

    Row `i` is drawn from seed `seed + i`, so that it does not depend on how
    many rows there are. Drawn on the CPU, so that devices agree.

    Returns:
        Noise, `(n_rows, n_channels, n_tokens)`, and a generator for each row.
    """
    generators = [torch.Generator().manual_seed(seed + i) for i in range(n_rows)]
    rows = [torch.randn(n_channels, n_tokens, generator=g) for g in generators]
    return torch.stack(rows), generators


@contextmanager
def _quiet_tree() -> Iterator[None]:
    """Hush torchsde on ends of its interval that differ by float32 rounding."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Should have t[ab][<>]=t", UserWarning)
        yield


def denoise(
    velocity: Callable[[Tensor, Tensor], Tensor],
    scheduler: Any,
    *,
    noise: Tensor,
    generators: list[torch.Generator],
    n_steps: int,
) -> Tensor:
    """Return the latents that the sampler makes of noise.

    Args:
        velocity: Gives the guided velocity at scaled noisy latents and a time,
            `()`; called once a step.
        scheduler: A diffusers scheduler; taken as a template, not changed.
        noise: Standard normal, `(batch, latent_channels, max_tokens)`.
        generators: One for each row; the solver's own noise has their seeds.
        n_steps: At least 1.

    Returns:
        Clean latents of the shape of `noise`.
    """
    scheduler = type(scheduler).from_config(scheduler.config)
    scheduler.set_timesteps(n_steps, device=noise.device)
    latents: Tensor = noise * scheduler.init_noise_sigma
    with _quiet_tree():
        for time in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, time)
            output = velocity(scaled, time)
            latents = scheduler.step(
                output, time, latents, generator=generators
            ).prev_sample
    return latents
