"""Training of the studio codec on a folder of recordings.

`contrafact-codec`'s weights are committed; `make codec` made them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from contrafact.generators.studio.codec import CodecConfig, SpectralCodec

__all__ = ["CodecTraining", "train_codec"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecTraining:
    """How the codec is trained.

    Attributes:
        n_steps: Optimiser steps.
        batch_size: Windows a step.
        window_tokens: Length of a training window in latent tokens.
        learning_rate: Peak of a one-cycle cosine schedule.
        latent_noise: Standard deviation of the noise added to unit-variance
            latents, so that latents a generator only nearly hits still decode.
        seed: Of everything random.
    """

    n_steps: int = 6000
    batch_size: int = 24
    window_tokens: int = 16
    learning_rate: float = 1.5e-3
    latent_noise: float = 0.15
    seed: int = 0


def _windows(
    audio: list[Tensor], settings: CodecTraining, config: CodecConfig, step: int
) -> Tensor:
    """Cut a batch of augmented windows: pitch by resampling, gain, mixtures."""
    rng = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    length = settings.window_tokens * config.samples_per_token
    rows = []
    for _ in range(settings.batch_size):
        row = _one_window(audio, length, rng)
        if torch.rand((), generator=rng) < 0.2:
            row = row + _one_window(audio, length, rng)
        gain_db = 18 * torch.rand((), generator=rng) - 14
        rows.append(row * 10 ** (gain_db / 20))
    return torch.stack(rows).clamp(-1, 1)


def _one_window(audio: list[Tensor], length: int, rng: torch.Generator) -> Tensor:
    source = audio[int(torch.randint(len(audio), (), generator=rng))]
    speed = 2 ** (torch.rand((), generator=rng).item() - 0.5)
    needed = int(length * speed) + 1
    source = functional.pad(source, (0, max(0, needed - source.numel())))
    start = int(torch.randint(source.numel() - needed + 1, (), generator=rng))
    cut = source[start : start + needed][None, None]
    return functional.interpolate(cut, size=length, mode="linear")[0, 0]


def _loss(predicted: Tensor, target: Tensor) -> Tensor:
    """L1 on compressed magnitude, plus its squared error relative to the frame."""
    error = predicted - target
    relative = error.square().sum(1) / (target.square().sum(1) + 1e-2)
    return error.abs().mean() + 0.5 * relative.mean()


def train_codec(
    audio: list[Tensor],
    config: CodecConfig,
    settings: CodecTraining,
    *,
    on_step: Callable[[int, float], None] | None = None,
) -> SpectralCodec:
    """Train a codec from scratch.

    Args:
        audio: Mono recordings, `(time,)` each, at the codec's sample rate.
        config: Shape of the codec.
        settings: How to train.
        on_step: Called with (step, loss) after each step.

    Returns:
        The trained codec in evaluation mode.
    """
    torch.manual_seed(settings.seed)
    codec = SpectralCodec(config).train()
    optimiser = torch.optim.AdamW(codec.parameters(), lr=settings.learning_rate)
    for step in range(settings.n_steps):
        warm = min(1.0, (step + 1) / 200)
        cosine = 0.5 * (1 + math.cos(math.pi * step / settings.n_steps))
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * warm * (0.02 + 0.98 * cosine)
        target = codec.spectrum(_windows(audio, settings, config, step))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            latents = codec.encode_spectrum(target)
            latents = latents + settings.latent_noise * torch.randn_like(latents)
            predicted = codec.decode_spectrum(latents)
        loss = _loss(predicted.float(), target)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimiser.step()
        if on_step is not None:
            on_step(step, float(loss.detach()))
    return codec.eval()
