"""Stable Audio as a generator: an adapter over the classes of diffusers.

Stable Audio Open 1.0 and models of its kind load from a local directory as
published for diffusers. How the published model is conditioned, sampled and
trained is kept; nothing is fetched.

References:
    Evans et al., "Stable Audio Open", 2024, arXiv 2407.14358.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch import Tensor, nn
from torch.nn import functional

from contrafact.core.units import Digest
from contrafact.generators._checks import ArgumentChecks
from contrafact.generators._dit import token_layers, trainable_parameters
from contrafact.generators._stable_audio_conditioning import (
    condition_on,
    without_text,
)
from contrafact.generators._stable_audio_parts import (
    StableAudioParts,
    digest_config,
    read_parts,
)
from contrafact.generators._stable_audio_sampling import denoise, initial_noise
from contrafact.generators.base import Conditioning, LatentBatch
from contrafact.generators.checkpoints import (
    overwrite_parameters,
    read_checkpoint,
    swapped_parameters,
)
from contrafact.generators.loading import digest_tensors

__all__ = ["StableAudioGenerator", "load_stable_audio"]

# The noise of padding is one fixed draw, so that a loss never depends on it.
_PADDING_SEED = 0
# A token in the middle of this much silence is out of reach of its edges.
_SILENCE_TOKENS = 64


def load_stable_audio(directory: Path) -> StableAudioGenerator:
    """Load Stable Audio from a directory as published for diffusers.

    Args:
        directory: With `model_index.json`, `transformer/`, `vae/`,
            `text_encoder/`, `tokenizer/`, `projection_model/` and `scheduler/`;
            optionally `checkpoints/NAME.safetensors`.

    Raises:
        ModelFormatError: If a part is missing, damaged, unsafe or does not fit.
        GeneratorError: If packages that it needs are not installed.
    """
    return StableAudioGenerator(read_parts(directory), directory=directory)


def _angle(times: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights of signal and noise at times, `(batch, 1, 1)` each."""
    angle = times[:, None, None] * (math.pi / 2)
    return torch.cos(angle), torch.sin(angle)


class StableAudioGenerator:
    """A Stable Audio pipeline behind the `Generator` protocol.

    The published model was trained on windows of one length, `max_tokens`, the
    end of which is encoded silence, and it attends to that silence. So padding
    is always made up to `max_tokens` with the latents of silence, noised by one
    fixed draw, before the transformer sees it. With `mask_padding=False` the
    loss is the mean over the whole window, silence included.
    """

    def __init__(self, parts: StableAudioParts, *, directory: Path) -> None:
        """Put the parts together.

        Args:
            parts: What `read_parts` returned.
            directory: Where checkpoints are looked for.
        """
        self._parts = parts
        self._directory = directory
        self._device = torch.device("cpu")
        for module in (parts.codec, parts.text_encoder, parts.projection):
            module.requires_grad_(False)

    @property
    def name(self) -> str:
        """The name of the model's directory."""
        return self._directory.resolve().name

    @property
    def sample_rate(self) -> int:
        """Sample rate of the audio, in Hz."""
        return int(self._parts.codec.config.sampling_rate)

    @property
    def n_channels(self) -> int:
        """Channels of the audio."""
        return int(self._parts.codec.config.audio_channels)

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return int(self._parts.transformer.config.in_channels)

    @property
    def max_tokens(self) -> int:
        """The length of the window that the model was trained on, in tokens."""
        return int(self._parts.transformer.config.sample_size)

    @property
    def token_rate_hz(self) -> float:
        """Tokens per second of audio."""
        return self.sample_rate / self._hop

    @property
    def _hop(self) -> int:
        return int(self._parts.codec.hop_length)

    @property
    def _checks(self) -> ArgumentChecks:
        return ArgumentChecks(
            n_channels=self.n_channels,
            samples_per_token=self._hop,
            latent_channels=self.latent_channels,
            max_tokens=self.max_tokens,
        )

    @property
    def digest(self) -> Digest:
        """SHA-256 over the configuration and weights as they are now.

        Reads every weight of the transformer each time.
        """
        transformer = digest_tensors(self._parts.transformer.state_dict())
        return Digest(hashlib.sha256(self._fixed_digest + transformer).hexdigest())

    @cached_property
    def _fixed_digest(self) -> bytes:
        """Digest of all that `load_parameters` leaves as it is."""
        parts, hasher = self._parts, hashlib.sha256(b"stable_audio")
        for name, module in parts.modules.items():
            config: Any = module.config
            plain = config.to_dict() if hasattr(config, "to_dict") else dict(config)
            hasher.update(digest_config(plain))
            if name != "transformer":
                hasher.update(digest_tensors(module.state_dict()))
        hasher.update(digest_config(dict(parts.scheduler.config)))
        hasher.update(parts.tokenizer.backend_tokenizer.to_str().encode())
        hasher.update(str(parts.tokenizer.model_max_length).encode())
        return hasher.digest()

    def to(self, device: torch.device | str) -> StableAudioGenerator:
        """Move the model to a device and return it; inputs must lie there too."""
        for module in self._parts.modules.values():
            module.to(device)
        self._device = torch.device(device)
        # Kept tensors lie on the old device and are made anew when needed.
        for kept in ("_padding", "_rotary"):
            self.__dict__.pop(kept, None)
        return self

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """Return the latents of audio; see `Generator.encode`."""
        self._checks.audio(audio)
        padded = functional.pad(audio.float(), (0, -audio.shape[-1] % self._hop))
        latents: Tensor = self._parts.codec.encode(padded).latent_dist.mode()
        return latents

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Return the audio of latents; see `Generator.decode`."""
        self._checks.latents(latents)
        audio: Tensor = self._parts.codec.decode(latents.float()).sample
        return audio

    @torch.no_grad()
    def condition(
        self, prompts: Sequence[str], *, n_tokens: Sequence[int]
    ) -> Conditioning:
        """Return what the transformer is told; see `Generator.condition`.

        A text longer than the encoder reads is cut off, with a logged warning.
        """
        self._checks.lengths(prompts, n_tokens)
        lengths = torch.tensor([n / self.token_rate_hz for n in n_tokens])
        return condition_on(self._parts, prompts, lengths_s=lengths.to(self._device))

    def predict(
        self, noisy: Tensor, times: Tensor, conditioning: Conditioning, mask: Tensor
    ) -> Tensor:
        """Return the velocity at `noisy`; see `Generator.predict`.

        `times` are those of the published sampler, `2 / pi * atan(sigma)`.
        """
        self._checks.examples(LatentBatch(noisy, mask), conditioning, times=times)
        silence, noise = self._padding
        signal, sigma = _angle(times)
        window = self._window(noisy, mask, signal * silence + sigma * noise)
        return self._transform(window, times, conditioning)[..., : noisy.shape[-1]]

    def noised(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Return points on the arc from latents to noise; see `Generator.noised`."""
        signal, sigma = _angle(times)
        return signal * latents + sigma * noise

    def loss(
        self,
        batch: LatentBatch,
        conditioning: Conditioning,
        *,
        times: Tensor,
        noise: Tensor,
        mask_padding: bool = True,
    ) -> Tensor:
        """Return the training loss of each example; see `Generator.loss`.

        The v-objective: at `angle = times * pi / 2` the noisy latents are
        `cos * latents + sin * noise` and the velocity is
        `cos * noise - sin * latents`.

        References:
            Salimans and Ho, "Progressive Distillation for Fast Sampling of
            Diffusion Models", ICLR 2022.
        """
        self._checks.examples(batch, conditioning, times=times, noise=noise)
        silence, fixed_noise = self._padding
        clean = self._window(batch.latents, batch.mask, silence)
        noise = self._window(noise, batch.mask, fixed_noise)
        signal, sigma = _angle(times)
        predicted = self._transform(
            self.noised(clean, noise, times), times, conditioning
        )
        error = (predicted - (signal * noise - sigma * clean)).square().mean(dim=1)
        if not mask_padding:
            return error.mean(dim=1)
        heard = error[:, : batch.mask.shape[1]] * batch.mask
        return heard.sum(dim=1) / batch.mask.sum(dim=1)

    @cached_property
    @torch.no_grad()
    def _padding(self) -> tuple[Tensor, Tensor]:
        """Latents of silence and fixed noise, `(1, latent_channels, max_tokens)`."""
        shape = (1, self.n_channels, _SILENCE_TOKENS * self._hop)
        silence = self.encode(torch.zeros(shape, device=self._device))
        middle = silence[..., _SILENCE_TOKENS // 2, None]
        noise, _ = initial_noise(
            1,
            n_channels=self.latent_channels,
            n_tokens=self.max_tokens,
            seed=_PADDING_SEED,
        )
        return middle.expand(-1, -1, self.max_tokens), noise.to(self._device)

    def _window(self, values: Tensor, mask: Tensor, padding: Tensor) -> Tensor:
        """Return `values` where there is sound and `padding` in the rest.

        Args:
            values: `(batch, channel, time)`.
            mask: `(batch, time)`.
            padding: `(1 or batch, channel, max_tokens)`.

        Returns:
            `(batch, channel, max_tokens)`.
        """
        rest = (0, self.max_tokens - values.shape[-1])
        is_sound = functional.pad(mask, rest)[:, None]
        return torch.where(is_sound, functional.pad(values, rest), padding)

    def _transform(
        self, window: Tensor, times: Tensor, conditioning: Conditioning
    ) -> Tensor:
        """Run the transformer on `(batch, channel, max_tokens)`, as published."""
        output: Tensor = self._parts.transformer(
            window,
            times,
            encoder_hidden_states=conditioning.tokens,
            global_hidden_states=conditioning.pooled,
            rotary_embedding=self._rotary,
            return_dict=False,
        )[0]
        return output

    @cached_property
    def _rotary(self) -> tuple[Tensor, Tensor]:
        """Cosines and sines of positions, `(1 + max_tokens, channel)` each.

        The first position is that of the global state.
        """
        cosines, sines = get_1d_rotary_pos_embed(
            self._parts.transformer.config.attention_head_dim // 2,
            1 + self.max_tokens,
            use_real=True,
            repeat_interleave_real=False,
        )
        return cosines.to(self._device), sines.to(self._device)

    @torch.no_grad()
    def sample(
        self,
        prompts: Sequence[str],
        *,
        n_tokens: Sequence[int],
        seed: int,
        n_steps: int,
        guidance: float,
    ) -> LatentBatch:
        """Generate music; see `Generator.sample`.

        Whole windows are generated, as published, and cut to length. Row `i`
        is drawn from seed `seed + i`.
        """
        self._checks.sampling(prompts, n_tokens, seed=seed, n_steps=n_steps)
        given = self.condition(prompts, n_tokens=n_tokens)
        noise, generators = initial_noise(
            len(prompts),
            n_channels=self.latent_channels,
            n_tokens=self.max_tokens,
            seed=seed,
        )
        windows = denoise(
            lambda noisy, time: self._guided(noisy, time, given, guidance),
            self._parts.scheduler,
            noise=noise.to(self._device),
            generators=generators,
            n_steps=n_steps,
        )
        return LatentBatch.stack(
            [window[:, :n] for window, n in zip(windows, n_tokens, strict=True)]
        )

    def _guided(
        self, noisy: Tensor, time: Tensor, given: Conditioning, guidance: float
    ) -> Tensor:
        """Return the velocity under classifier-free guidance, at one time."""
        times = time.to(noisy.device).expand(len(given))
        if guidance == 1.0:
            return self._transform(noisy, times, given)
        without = self._transform(noisy, times, without_text(given))
        return without + guidance * (self._transform(noisy, times, given) - without)

    def module(self) -> nn.Module:
        """Return the diffusers transformer, in evaluation mode."""
        transformer: nn.Module = self._parts.transformer
        return transformer

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the transformer's trainable parameters by name."""
        return trainable_parameters(self.module())

    def token_layers(self) -> dict[str, int]:
        """Return which layers run over tokens; see `Generator.token_layers`."""
        return token_layers(self.module())

    def checkpoint(self, name: str) -> AbstractContextManager[None]:
        """Return a context with the parameters in `checkpoints/NAME.safetensors`.

        Raises:
            GeneratorError: If the directory keeps no such checkpoint.
        """
        return swapped_parameters(self, read_checkpoint(self._directory, name))

    def load_parameters(self, state: Mapping[str, Tensor]) -> None:
        """Overwrite all of `parameters()` in place, or raise `GeneratorError`."""
        overwrite_parameters(self.parameters(), state)
