"""Training of the studio codec on recordings; `make codec` made the shipped one.

First the linear part in closed form, by a principal component analysis of
four-frame tokens; then the refining network by gradient descent, on latents
with a little noise, so that latents a generator only nearly hits still decode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from contrafact.core.errors import TrainingError
from contrafact.generators.studio.codec import CodecConfig, SpectralCodec

__all__ = ["CodecTraining", "fit_linear_part", "train_codec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecTraining:
    """How the codec is trained.

    Attributes:
        n_steps: Optimiser steps of the refining network.
        batch_size: Windows a step.
        window_tokens: Length of a training window in latent tokens.
        learning_rate: Peak; linear warm-up, then a cosine.
        latent_noise: Standard deviation of the noise added to latents.
        tilt_hz: Frequencies above this weigh less, as the ear resolves less.
        seed: Of everything random.
    """

    n_steps: int = 4000
    batch_size: int = 24
    window_tokens: int = 16
    learning_rate: float = 2e-3
    latent_noise: float = 0.2
    tilt_hz: float = 300.0
    seed: int = 0


def _bin_weights(config: CodecConfig, tilt_hz: float) -> Tensor:
    frequency = torch.arange(config.n_bins) * config.sample_rate / config.n_fft
    return (tilt_hz / (frequency + tilt_hz)).sqrt().sqrt()


def _tokens(codec: SpectralCodec, audio: Tensor) -> Tensor:
    """Spectra of whole tokens as rows, `(n_tokens, n_bins * frames)`."""
    c = codec.config
    padded = functional.pad(audio, (0, -audio.numel() % c.samples_per_token))
    spectrum = codec.spectrum(padded[None])[0]
    tokens = spectrum.reshape(c.n_bins, -1, c.frames_per_token)
    return tokens.permute(1, 0, 2).flatten(1)


@torch.no_grad()
def fit_linear_part(
    codec: SpectralCodec, audio: Sequence[Tensor], settings: CodecTraining
) -> None:
    """Set `analyse` and `synthesise` to the best linear pair, in place.

    Args:
        codec: The codec.
        audio: Mono recordings, `(time,)` each, at the codec's sample rate.
        settings: How to train.

    Raises:
        TrainingError: If the audio has fewer dimensions than the latents.
    """
    c = codec.config
    if not audio:
        raise TrainingError("There is no audio to train a codec on. Give some.")
    weight = _bin_weights(c, settings.tilt_hz).repeat_interleave(c.frames_per_token)
    tokens = torch.cat([_tokens(codec, row) for row in audio]) * weight
    mean = tokens.mean(0)
    covariance = torch.cov(tokens.T.double())
    values, vectors = torch.linalg.eigh(covariance)
    kept = range(len(values) - 1, len(values) - 1 - c.latent_channels, -1)
    # Of fewer tokens than channels, rounding alone fills the rest.
    if values[kept[-1]] < 1e-10 * values[-1]:
        raise TrainingError(
            f"{len(tokens)} tokens of audio do not fill {c.latent_channels} latent "
            "channels. Train the codec on more music."
        )
    basis = vectors[:, list(kept)].T.float()
    # A sign that does not depend on the solver, so that training repeats.
    basis = basis * basis.sum(1, keepdim=True).sign()
    spread = values[list(kept)].sqrt().float()[:, None]
    shape = (c.latent_channels, c.n_bins, c.frames_per_token)
    codec.analyse.weight.copy_((basis * weight / spread).reshape(shape))
    codec.analyse.bias.copy_(-(basis / spread) @ mean)  # type: ignore[union-attr]
    codec.synthesise.weight.copy_((basis * spread / weight).reshape(shape))
    frame_mean = (mean / weight).reshape(c.n_bins, c.frames_per_token).mean(1)
    codec.synthesise.bias.copy_(frame_mean)  # type: ignore[union-attr]


def _windows(
    audio: Sequence[Tensor], settings: CodecTraining, config: CodecConfig, step: int
) -> Tensor:
    """Cut a batch of augmented windows: pitch by resampling, gain, mixtures."""
    rng = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    length = settings.window_tokens * config.samples_per_token
    rows = []
    for _ in range(settings.batch_size):
        row = _one_window(audio, length, rng)
        if torch.rand((), generator=rng) < 0.2:
            row = row + _one_window(audio, length, rng)
        gain_db = 16 * torch.rand((), generator=rng) - 14
        rows.append(row * 10 ** (gain_db / 20))
    return torch.stack(rows).clamp(-1, 1)


def _one_window(audio: Sequence[Tensor], length: int, rng: torch.Generator) -> Tensor:
    source = audio[int(torch.randint(len(audio), (), generator=rng))]
    speed = 2 ** (0.4 * (torch.rand((), generator=rng).item() - 0.5))
    needed = int(length * speed) + 1
    source = functional.pad(source, (0, max(0, needed - source.numel())))
    start = int(torch.randint(source.numel() - needed + 1, (), generator=rng))
    cut = source[start : start + needed][None, None]
    return functional.interpolate(cut, size=length, mode="linear")[0, 0]


def _loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Relative squared error of each frame, and the absolute one of each bin."""
    error = weight * (predicted - target)
    size = (weight * target).square().sum(1) + 1e-2
    # Clamped, for a square root has no slope at 0, where silence meets silence.
    relative = (error.square().sum(1) / size).clamp_min(1e-12).sqrt()
    loudness = (weight * target).mean().clamp_min(1e-4)
    return relative.mean() + error.abs().mean() / loudness


def train_codec(
    audio: Sequence[Tensor],
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

    Raises:
        TrainingError: If there is too little audio.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        codec = SpectralCodec(config)
        fit_linear_part(codec, audio, settings)
        _refine(codec, audio, settings, on_step or (lambda step, loss: None))
    return codec.eval()


def _refine(
    codec: SpectralCodec,
    audio: Sequence[Tensor],
    settings: CodecTraining,
    on_step: Callable[[int, float], None],
) -> None:
    """Train the refining network, in place."""
    config = codec.config
    weight = _bin_weights(config, settings.tilt_hz)[None, :, None]
    optimiser = torch.optim.AdamW(codec.refine.parameters(), betas=(0.9, 0.98))
    for step in range(settings.n_steps):
        for group in optimiser.param_groups:
            group["lr"] = _learning_rate(settings, step)
        target = codec.spectrum(_windows(audio, settings, config, step))
        with torch.no_grad():
            latents = codec.encode_spectrum(target)
            latents = latents + settings.latent_noise * torch.randn_like(latents)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            predicted = codec.decode_spectrum(latents)
        loss = _loss(predicted.float(), target, weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.refine.parameters(), 1.0)
        optimiser.step()
        on_step(step, float(loss.detach()))


def _learning_rate(settings: CodecTraining, step: int) -> float:
    warm = min(1.0, (step + 1) / 100)
    cosine = 0.5 * (1 + math.cos(math.pi * step / settings.n_steps))
    return settings.learning_rate * warm * (0.02 + 0.98 * cosine)
