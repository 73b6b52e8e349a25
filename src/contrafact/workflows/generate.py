"""Generating music from a prompt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from contrafact.catalog import Workspace, write_audio
from contrafact.core.errors import ConfigError
from contrafact.generators import Generator
from contrafact.workflows.models import find_model, open_model

__all__ = ["GeneratedSong", "SamplingSettings", "generate", "sample_audio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """How a song is sampled.

    Attributes:
        seed: Of the first noise.
        n_steps: Steps of the sampler.
        guidance: Weight of classifier-free guidance; 1 is none.
    """

    seed: int = 0
    n_steps: int = 40
    guidance: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedSong:
    """A song that was made, and what made it."""

    path: Path
    prompt: str
    seed: int
    duration_s: float
    model_id: str
    model_digest: str


def generate(  # noqa: PLR0913 - options of a command
    workspace: Workspace,
    prompt: str,
    *,
    model: str,
    seed: int = 0,
    seconds: float = 8.0,
    out: Path,
    n_steps: int = 40,
    guidance: float = 2.0,
) -> GeneratedSong:
    """Generate a song and write it, with what made it in its tags.

    Args:
        workspace: Where the model is.
        prompt: Text; "" leaves the model free.
        model: Name of the model.
        seed: The same seed gives the same bytes.
        seconds: Length; rounded up to whole latent tokens.
        out: A `.wav` or `.flac` file.
        n_steps: Steps of the sampler.
        guidance: Weight of classifier-free guidance; 1 is none.

    Raises:
        UnknownModelError: If there is no such model.
        ConfigError: If the length is out of range.
    """
    torch.set_num_threads(1)
    record = find_model(workspace, model)
    generator = open_model(record)
    settings = SamplingSettings(seed=seed, n_steps=n_steps, guidance=guidance)
    samples = sample_audio(generator, prompt, seconds=seconds, settings=settings)
    tags = {
        "contrafact_prompt": prompt,
        "contrafact_seed": str(seed),
        "contrafact_steps": str(n_steps),
        "contrafact_guidance": repr(guidance),
        "contrafact_model": record.id,
        "contrafact_model_digest": record.digest,
    }
    write_audio(out, samples.numpy(), generator.sample_rate, tags=tags)
    return GeneratedSong(
        path=out,
        prompt=prompt,
        seed=seed,
        duration_s=samples.shape[-1] / generator.sample_rate,
        model_id=record.id,
        model_digest=record.digest,
    )


def sample_audio(
    generator: Generator, prompt: str, *, seconds: float, settings: SamplingSettings
) -> torch.Tensor:
    """Return a song as samples, `(channel, time)`, peaks within [-1, 1].

    Raises:
        ConfigError: If length, steps or guidance is out of range.
    """
    longest_s = generator.max_tokens / generator.token_rate_hz
    if not 0 < seconds <= longest_s:
        raise ConfigError(
            f"This model makes up to {longest_s:.1f} s of music; got {seconds} s."
        )
    if settings.n_steps < 1 or not math.isfinite(settings.guidance):
        raise ConfigError(
            "Steps must be at least 1 and guidance a finite number; got "
            f"{settings.n_steps} and {settings.guidance}."
        )
    n_tokens = min(generator.max_tokens, -int(-seconds * generator.token_rate_hz // 1))
    batch = generator.sample(
        [prompt],
        n_tokens=[n_tokens],
        seed=settings.seed,
        n_steps=settings.n_steps,
        guidance=settings.guidance,
    )
    audio = generator.decode(batch.latents)[0]
    return audio / audio.abs().max().clamp_min(1.0)
