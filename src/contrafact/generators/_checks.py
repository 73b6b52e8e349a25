"""Checks of what callers hand to a generator, one clear line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contrafact.core.errors import GeneratorError
from contrafact.generators.base import Conditioning, LatentBatch

__all__ = ["ArgumentChecks"]

# torch and torchsde both take seeds up to here.
_SEED_LIMIT = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentChecks:
    """What a model takes; every method raises `GeneratorError` for anything else.

    Attributes:
        n_channels: Channels of the audio.
        samples_per_token: Of audio, that one token of latents stands for.
        latent_channels: Channels of the latents.
        max_tokens: The greatest length in tokens.
    """

    n_channels: int
    samples_per_token: int
    latent_channels: int
    max_tokens: int

    def audio(self, audio: Tensor) -> None:
        """Raise unless the codec can encode this audio."""
        if audio.ndim != 3 or audio.shape[1] != self.n_channels:
            raise GeneratorError(
                f"Audio has shape {tuple(audio.shape)}, wanted (batch, "
                f"{self.n_channels}, time). Mix it to the model's channels first."
            )
        if audio.shape[-1] < self.samples_per_token:
            raise GeneratorError(
                f"Audio is {audio.shape[-1]} samples long, less than one token of "
                f"{self.samples_per_token}. Give a longer passage."
            )
        if not bool(torch.isfinite(audio).all()):
            raise GeneratorError(
                "Audio holds values that are not finite. Repair the file or leave it "
                "out."
            )

    def latents(self, latents: Tensor) -> None:
        """Raise unless these are latents of the model's channels."""
        if latents.ndim != 3 or latents.shape[1] != self.latent_channels:
            raise GeneratorError(
                f"Latents have shape {tuple(latents.shape)}, wanted (batch, "
                f"{self.latent_channels}, n_tokens). Encode them with this model."
            )
        if latents.shape[-1] < 1:
            raise GeneratorError("Latents have no token. Give at least one.")

    def lengths(self, prompts: Sequence[str], n_tokens: Sequence[int]) -> None:
        """Raise unless each prompt has a length the model can make."""
        if not prompts or len(prompts) != len(n_tokens):
            raise GeneratorError(
                f"Found {len(prompts)} prompts and {len(n_tokens)} lengths. Give one "
                "length for each prompt, and at least one prompt."
            )
        wrong = [n for n in n_tokens if not 1 <= n <= self.max_tokens]
        if wrong:
            raise GeneratorError(
                f"A length of {wrong[0]} tokens is out of range. The model makes 1 to "
                f"{self.max_tokens}."
            )

    def sampling(
        self,
        prompts: Sequence[str],
        n_tokens: Sequence[int],
        *,
        seed: int,
        n_steps: int,
    ) -> None:
        """Raise unless the sampler can make these with such settings."""
        if n_steps < 1:
            raise GeneratorError(f"Cannot sample in {n_steps} steps. Take at least 1.")
        if not 0 <= seed < _SEED_LIMIT:
            raise GeneratorError(f"Seed {seed} is out of range. Take 0 to 2^63 - 1.")
        self.lengths(prompts, n_tokens)

    def examples(
        self,
        batch: LatentBatch,
        conditioning: Conditioning,
        *,
        times: Tensor,
        noise: Tensor | None = None,
    ) -> None:
        """Raise unless the transformer can be run on these.

        Noise is checked if there is any: one value for every latent.
        """
        self.latents(batch.latents)
        if batch.latents.shape[-1] > self.max_tokens:
            raise GeneratorError(
                f"Latents are {batch.latents.shape[-1]} tokens long, the model takes "
                f"at most {self.max_tokens}. Cut them into windows."
            )
        if len(conditioning) != len(batch) or times.shape != (len(batch),):
            raise GeneratorError(
                f"Found {len(batch)} latents, {len(conditioning)} conditionings and "
                f"times of shape {tuple(times.shape)}. Give one of each to every "
                "latent."
            )
        if not bool(((times >= 0) & (times <= 1)).all()):
            raise GeneratorError("A noise time is out of range. Times run from 0 to 1.")
        if not bool(batch.mask.any(dim=-1).all()):
            raise GeneratorError(
                "A row of the batch is nothing but padding. Leave it out or correct "
                "its mask."
            )
        if noise is not None and noise.shape != batch.latents.shape:
            raise GeneratorError(
                f"Noise has shape {tuple(noise.shape)}, wanted that of the latents, "
                f"{tuple(batch.latents.shape)}. Draw one value for each."
            )
