"""The studio behind the generator protocol: encode, sample, loss, load and save."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contrafact.core.errors import GeneratorError, ModelFormatError
from contrafact.core.units import Digest
from contrafact.generators._checks import ArgumentChecks
from contrafact.generators._dit import token_layers, trainable_parameters
from contrafact.generators.base import Conditioning, LatentBatch
from contrafact.generators.checkpoints import overwrite_parameters
from contrafact.generators.studio._model_files import (
    FORMAT,
    ModelParts,
    read_model,
    write_model,
)
from contrafact.generators.studio.codec import SpectralCodec
from contrafact.generators.studio.codec_files import (
    WEIGHTS,
    codec_digest,
    load_codec,
    save_codec,
    shipped_codec,
)
from contrafact.generators.studio.network import StudioNetwork, fast_matrix_products
from contrafact.generators.studio.training import flow_loss, generator_for, new_network

__all__ = [
    "WEIGHTS",
    "StudioGenerator",
    "codec_digest",
    "load_codec",
    "save_codec",
    "shipped_codec",
]


class StudioGenerator:
    """Our own text-to-music latent diffusion model.

    A checkpoint is a state of the whole network: its text encoder was at
    another point of training too.

    Args:
        network: Text encoder and transformer.
        codec: Audio to latents and back.
        name: What to call the model.
        checkpoints: Other weights of the network, by name.
        is_fast: Whether matrix products run in bfloat16 where processors can.

    Raises:
        ModelFormatError: If network and codec do not fit together.
    """

    def __init__(
        self,
        network: StudioNetwork,
        codec: SpectralCodec,
        *,
        name: str = "studio",
        checkpoints: Mapping[str, Mapping[str, Tensor]] | None = None,
        is_fast: bool = True,
    ) -> None:
        channels = network.config.latent_channels, codec.config.latent_channels
        if channels[0] != channels[1]:
            raise ModelFormatError(
                f"The network takes latents of {channels[0]} channels, the codec "
                f"makes {channels[1]}. Use the codec the network was trained with."
            )
        self.network = network.eval()
        self.codec = codec.eval().requires_grad_(False)
        self.name = name
        self.checkpoints = dict(checkpoints or {})
        self.is_fast = is_fast

    @property
    def sample_rate(self) -> int:
        """Sample rate of the audio, in Hz."""
        return self.codec.config.sample_rate

    @property
    def n_channels(self) -> int:
        """The studio makes mono audio."""
        return 1

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return self.codec.config.latent_channels

    @property
    def max_tokens(self) -> int:
        """Longest music in one window, in latent tokens."""
        return self.network.config.max_tokens

    @property
    def token_rate_hz(self) -> float:
        """Latent tokens a second."""
        return self.sample_rate / self.codec.config.samples_per_token

    @property
    def digest(self) -> Digest:
        """SHA-256 over configuration, vocabulary, weights and codec."""
        state = hashlib.sha256(json.dumps(self.config(), sort_keys=True).encode())
        for part in (self.network.state_dict(), self.codec.state_dict()):
            for name, value in sorted(part.items()):
                state.update(name.encode())
                state.update(value.detach().cpu().contiguous().numpy().tobytes())
        return Digest(state.hexdigest())

    @property
    def _checks(self) -> ArgumentChecks:
        return ArgumentChecks(
            n_channels=self.n_channels,
            samples_per_token=self.codec.config.samples_per_token,
            latent_channels=self.latent_channels,
            max_tokens=self.max_tokens,
        )

    def config(self) -> dict[str, Any]:
        """Return what `config.json` of a model directory holds."""
        return {
            "kind": "studio",
            "format": FORMAT,
            "network": asdict(self.network.config),
            "vocabulary": list(self.network.text.vocabulary.words),
            "codec": {
                **asdict(self.codec.config),
                "digest": codec_digest(self.codec),
            },
            "is_fast": self.is_fast,
        }

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """Return the latents of audio; see `Generator.encode`."""
        self._checks.audio(audio)
        return self.codec.encode(audio[:, 0].float())

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Return the audio of latents; see `Generator.decode`."""
        self._checks.latents(latents)
        return self.codec.decode(latents.float())[:, None]

    @torch.no_grad()
    def condition(
        self, prompts: Sequence[str], *, n_tokens: Sequence[int]
    ) -> Conditioning:
        """Return what the transformer is told; see `Generator.condition`.

        Words after the first `n_text` of a prompt are not read.
        """
        self._checks.lengths(prompts, n_tokens)
        return self.network.condition(prompts, torch.tensor(list(n_tokens)))

    def predict(
        self, noisy: Tensor, times: Tensor, conditioning: Conditioning, mask: Tensor
    ) -> Tensor:
        """Return the velocity; see `Generator.predict`."""
        self._checks.examples(LatentBatch(noisy, mask), conditioning, times=times)
        noisy = torch.where(mask[:, None], noisy, 0.0)
        with fast_matrix_products(self.is_fast):
            velocity = self.network.velocity(noisy, times, conditioning, mask)
        return velocity.float()

    def noised(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Return points on the straight line from latents to noise."""
        t = times[:, None, None]
        return (1 - t) * latents + t * noise

    def loss(
        self,
        batch: LatentBatch,
        conditioning: Conditioning,
        *,
        times: Tensor,
        noise: Tensor,
        mask_padding: bool = True,
    ) -> Tensor:
        """Return each example's training loss; see `Generator.loss`."""
        self._checks.examples(batch, conditioning, times=times, noise=noise)
        with fast_matrix_products(self.is_fast):
            return flow_loss(
                self.network,
                batch,
                conditioning,
                times,
                noise,
                mask_padding=mask_padding,
            )

    @torch.no_grad()
    def sample(
        self,
        prompts: Sequence[str],
        *,
        n_tokens: Sequence[int],
        seed: int,
        n_steps: int = 40,
        guidance: float = 3.0,
    ) -> LatentBatch:
        """Generate music by Euler steps; see `Generator.sample`."""
        self._checks.sampling(prompts, n_tokens, seed=seed, n_steps=n_steps)
        texts, lengths = list(prompts), list(n_tokens)
        if guidance != 1.0:
            texts, lengths = [*texts, *[""] * len(texts)], [*lengths, *lengths]
        told = self.condition(texts, n_tokens=lengths)
        batch = LatentBatch.stack(
            [
                torch.randn(self.latent_channels, n, generator=generator_for(seed, i))
                for i, n in enumerate(n_tokens)
            ]
        )
        x, mask = batch.latents, batch.mask
        for now, then in pairwise(torch.linspace(1, 0, n_steps + 1)):
            velocity = self._guided(x, now, told, mask, guidance)
            x = (x + (then - now) * velocity) * mask[:, None]
        return LatentBatch(x, mask)

    def _guided(
        self,
        noisy: Tensor,
        time: Tensor,
        told: Conditioning,
        mask: Tensor,
        guidance: float,
    ) -> Tensor:
        """Return the velocity under guidance, both conditions in one pass.

        `told` holds the prompts' rows, then as many without a prompt unless
        guidance is 1.

        References:
            Ho and Salimans, "Classifier-free diffusion guidance", 2022.
        """
        if guidance == 1.0:
            return self.predict(noisy, time.expand(len(noisy)), told, mask)
        both = self.predict(
            noisy.repeat(2, 1, 1), time.expand(len(told)), told, mask.repeat(2, 1)
        )
        asked, free = both.chunk(2)
        return free + guidance * (asked - free)

    def module(self) -> nn.Module:
        """Return the transformer."""
        transformer: nn.Module = self.network.transformer
        return transformer

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the transformer's trainable parameters by name."""
        return trainable_parameters(self.network.transformer)

    def token_layers(self) -> dict[str, int]:
        """Return which layers run over tokens; see `Generator.token_layers`."""
        return token_layers(self.network.transformer)

    def load_parameters(self, state: Mapping[str, Tensor]) -> None:
        """Overwrite the parameters; see `Generator.load_parameters`."""
        overwrite_parameters(self.parameters(), state)

    def checkpoint(self, name: str) -> AbstractContextManager[None]:
        """Return a context with other weights; see `Generator.checkpoint`."""
        if name not in self.checkpoints:
            found = ", ".join(sorted(self.checkpoints)) or "none at all"
            raise GeneratorError(
                f"Model {self.name} keeps no checkpoint {name!r}; found {found}. "
                "Name one of these or train with checkpoints."
            )
        return self._swapped(self.checkpoints[name])

    def untrained(self, seed: int) -> AbstractContextManager[None]:
        """Return a context with the weights training with `seed` began from."""
        vocabulary = self.network.text.vocabulary
        fresh = new_network(self.network.config, vocabulary, seed=seed)
        return self._swapped(fresh.state_dict())

    @contextmanager
    def _swapped(self, state: Mapping[str, Tensor]) -> Iterator[None]:
        """Let the whole network have other weights inside the context only."""
        before = {k: v.clone() for k, v in self.network.state_dict().items()}
        try:
            self.network.load_state_dict(dict(state))
            yield
        finally:
            self.network.load_state_dict(before)

    def save(self, directory: Path) -> None:
        """Write configuration and weights; the codec too if it is not the shipped.

        Raises:
            StorageError: If the disk is full or the place is not writable.
        """
        parts = ModelParts(self.network, self.codec, self.checkpoints)
        write_model(directory, parts, self.config())

    @classmethod
    def load(cls, directory: Path) -> StudioGenerator:
        """Read what `save` wrote.

        Raises:
            ModelFormatError: If something is missing, damaged or does not fit.
        """
        parts, config = read_model(directory)
        return cls(
            parts.network,
            parts.codec,
            name=directory.name,
            checkpoints=parts.checkpoints,
            is_fast=config["is_fast"],
        )
