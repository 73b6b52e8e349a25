"""The studio behind the generator protocol: load, save, encode, sample, loss."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from contrafact.core.errors import GeneratorError, ModelFormatError
from contrafact.core.units import Digest
from contrafact.generators.base import Conditioning, LatentBatch
from contrafact.generators.checkpoints import checkpoint_names, read_checkpoint
from contrafact.generators.studio.codec import CodecConfig, SpectralCodec
from contrafact.generators.studio.network import (
    NetworkConfig,
    StudioNetwork,
    fast_matrix_products,
)
from contrafact.generators.studio.text import Vocabulary
from contrafact.generators.studio.training import flow_loss, generator_for, new_network

__all__ = ["StudioGenerator", "load_codec", "save_codec", "shipped_codec"]

WEIGHTS = Path(__file__).parent / "weights"


class StudioGenerator:
    """Our own text-to-music latent diffusion model.

    Args:
        network: Text encoder and transformer.
        codec: Audio to latents and back.
        name: What to call the model.
        checkpoints: Other weights of the network, by name.
        is_fast: Whether matrix products run in bfloat16.
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

    def config(self) -> dict[str, Any]:
        """Return what `config.json` of a model directory holds."""
        return {
            "kind": "studio",
            "format": 1,
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
        _check_audio(audio, self.codec.config.samples_per_token)
        return self.codec.encode(audio[:, 0].float())

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Return the audio of latents; see `Generator.decode`."""
        if latents.ndim != 3 or latents.shape[1] != self.latent_channels:
            raise GeneratorError(
                f"Latents must be (batch, {self.latent_channels}, time); "
                f"found {tuple(latents.shape)}."
            )
        if latents.shape[-1] == 0:
            raise GeneratorError("There is no latent token to decode.")
        return self.codec.decode(latents)[:, None]

    @torch.no_grad()
    def condition(
        self, prompts: Sequence[str], *, n_tokens: Sequence[int]
    ) -> Conditioning:
        """Return what the transformer is told; see `Generator.condition`."""
        if len(prompts) != len(n_tokens) or not prompts:
            raise GeneratorError(
                f"Give one length for each prompt, at least one; found "
                f"{len(prompts)} prompts and {len(n_tokens)} lengths."
            )
        if not all(1 <= n <= self.max_tokens for n in n_tokens):
            raise GeneratorError(
                f"A length must be 1 to {self.max_tokens} tokens "
                f"({self.max_tokens / self.token_rate_hz:.1f} s); "
                f"found {sorted(set(n_tokens))}."
            )
        return self.network.condition(list(prompts), torch.tensor(list(n_tokens)))

    def predict(
        self, noisy: Tensor, times: Tensor, conditioning: Conditioning, mask: Tensor
    ) -> Tensor:
        """Return the velocity; see `Generator.predict`."""
        _check_rows(noisy, times, conditioning, self.latent_channels)
        with fast_matrix_products(self.is_fast):
            velocity = self.network.velocity(
                noisy * mask[:, None], times, conditioning, mask
            )
        return velocity.float()

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
        _check_rows(batch.latents, times, conditioning, self.latent_channels)
        if noise.shape != batch.latents.shape:
            raise GeneratorError(
                f"Noise must have the shape of the latents, "
                f"{tuple(batch.latents.shape)}; found {tuple(noise.shape)}."
            )
        if not bool(batch.mask.any(dim=1).all()):
            raise GeneratorError("A row is nothing but padding; leave it out.")
        with fast_matrix_products(self.is_fast):
            return flow_loss(
                self.network, batch, conditioning, times, noise,
                mask_padding=mask_padding,
            )  # fmt: skip

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
        """Generate music by Euler steps; see `Generator.sample`.

        References:
            Ho and Salimans, "Classifier-free diffusion guidance", 2022.
        """
        if n_steps < 1:
            raise GeneratorError(f"The sampler needs at least 1 step; got {n_steps}.")
        asked = self.condition(prompts, n_tokens=n_tokens)
        free = self.condition([""] * len(prompts), n_tokens=n_tokens)
        batch = LatentBatch.stack(
            [
                torch.randn(self.latent_channels, n, generator=generator_for(seed, i))
                for i, n in enumerate(n_tokens)
            ]
        )
        x, mask = batch.latents, batch.mask
        times = torch.linspace(1, 0, n_steps + 1)
        for now, then in zip(times[:-1], times[1:], strict=True):
            t = now.expand(len(x))
            velocity = self.predict(x, t, asked, mask)
            if guidance != 1.0:
                plain = self.predict(x, t, free, mask)
                velocity = plain + guidance * (velocity - plain)
            x = (x + (then - now) * velocity) * mask[:, None]
        return LatentBatch(x, mask)

    def module(self) -> nn.Module:
        """Return the transformer."""
        transformer: nn.Module = self.network.transformer
        return transformer

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the transformer's trainable parameters by name."""
        named = self.network.transformer.named_parameters()
        return {name: p for name, p in named if p.requires_grad}

    @contextlib.contextmanager
    def checkpoint(self, name: str) -> Iterator[None]:
        """Return a context with other weights; see `Generator.checkpoint`."""
        if name not in self.checkpoints:
            raise GeneratorError(
                f"Model {self.name} keeps no checkpoint {name!r}; "
                f"it has {sorted(self.checkpoints) or 'none'}."
            )
        before = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(dict(self.checkpoints[name]))
        try:
            yield
        finally:
            self.network.load_state_dict(before)

    def load_parameters(self, state: Mapping[str, Tensor]) -> None:
        """Overwrite the parameters; see `Generator.load_parameters`."""
        mine = self.parameters()
        if mine.keys() != state.keys():
            odd = sorted(mine.keys() ^ state.keys())[:3]
            raise GeneratorError(f"Parameter names differ, for example {odd}.")
        wrong = [n for n, p in mine.items() if p.shape != state[n].shape]
        if wrong:
            raise GeneratorError(f"Shapes differ for {wrong[:3]}.")
        with torch.no_grad():
            for name, parameter in mine.items():
                parameter.copy_(state[name])

    @contextlib.contextmanager
    def untrained(self, seed: int) -> Iterator[None]:
        """Return a context with the weights training with `seed` began from."""
        fresh = new_network(
            self.network.config, self.network.text.vocabulary, seed=seed
        )
        self.checkpoints["untrained"] = fresh.state_dict()
        try:
            with self.checkpoint("untrained"):
                yield
        finally:
            del self.checkpoints["untrained"]

    def save(self, directory: Path) -> None:
        """Write configuration and weights; the codec too if it is not the shipped."""
        directory.mkdir(parents=True, exist_ok=True)
        _save_tensors(self.network.state_dict(), directory / "model.safetensors")
        for name, state in self.checkpoints.items():
            _save_tensors(state, directory / "checkpoints" / f"{name}.safetensors")
        shipped = WEIGHTS / "codec.json"
        digest = codec_digest(self.codec)
        if not (shipped.exists() and json.loads(shipped.read_text())["digest"] == digest):
            save_codec(self.codec, directory)
        text = json.dumps(self.config(), indent=1, sort_keys=True)
        (directory / "config.json").write_text(text + "\n")

    @classmethod
    def load(cls, directory: Path) -> StudioGenerator:
        """Read what `save` wrote.

        Raises:
            ModelFormatError: If something is missing or does not fit.
        """
        config = json.loads((directory / "config.json").read_text())
        network = StudioNetwork(
            NetworkConfig(**config["network"]), Vocabulary(config["vocabulary"])
        )
        network.load_state_dict(_load_tensors(directory / "model.safetensors"))
        checkpoints = {
            name: read_checkpoint(directory, name)
            for name in checkpoint_names(directory)
        }
        has_codec = (directory / "codec.safetensors").exists()
        codec = load_codec(directory if has_codec else WEIGHTS)
        if codec_digest(codec) != config["codec"]["digest"]:
            raise ModelFormatError(
                f"{directory} was trained with another codec "
                f"({config['codec']['digest'][:12]}) than the one at hand "
                f"({codec_digest(codec)[:12]}); put its codec.safetensors there."
            )
        return cls(
            network, codec, name=directory.name, checkpoints=checkpoints,
            is_fast=config["is_fast"],
        )  # fmt: skip


def codec_digest(codec: SpectralCodec) -> Digest:
    """Return SHA-256 over the codec's configuration and weights."""
    state = hashlib.sha256(repr(codec.config).encode())
    for name, value in sorted(codec.state_dict().items()):
        state.update(name.encode() + value.contiguous().numpy().tobytes())
    return Digest(state.hexdigest())


def save_codec(codec: SpectralCodec, directory: Path) -> None:
    """Write `codec.safetensors` and `codec.json` to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    _save_tensors(codec.state_dict(), directory / "codec.safetensors")
    facts = {"config": asdict(codec.config), "digest": codec_digest(codec)}
    text = json.dumps(facts, indent=1, sort_keys=True)
    (directory / "codec.json").write_text(text + "\n")


def load_codec(directory: Path) -> SpectralCodec:
    """Read what `save_codec` wrote.

    Raises:
        ModelFormatError: If a file is missing or damaged.
    """
    path = directory / "codec.json"
    if not path.exists():
        raise ModelFormatError(f"{directory} holds no codec.json; it has no codec.")
    facts = json.loads(path.read_text())
    codec = SpectralCodec(CodecConfig(**facts["config"]))
    codec.load_state_dict(_load_tensors(directory / "codec.safetensors"))
    return codec.eval()


def shipped_codec() -> SpectralCodec:
    """Return the codec that comes with contrafact."""
    return load_codec(WEIGHTS)


def _save_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({k: v.detach().contiguous() for k, v in state.items()}, part)
    part.replace(path)


def _load_tensors(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise ModelFormatError(f"{path} is missing; train or copy the model again.")
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own untyped error
        raise ModelFormatError(f"{path} is damaged ({error}).") from error


def _check_audio(audio: Tensor, samples_per_token: int) -> None:
    if audio.ndim != 3 or audio.shape[1] != 1:
        raise GeneratorError(
            f"Audio must be (batch, 1, time); found {tuple(audio.shape)}. "
            "Mix it down to mono first."
        )
    if audio.shape[-1] < samples_per_token:
        raise GeneratorError(
            f"Audio of {audio.shape[-1]} samples is shorter than one latent token "
            f"({samples_per_token} samples); use a longer piece."
        )
    if not bool(torch.isfinite(audio).all()):
        raise GeneratorError("Audio holds values that are not finite numbers.")


def _check_rows(
    latents: Tensor, times: Tensor, conditioning: Conditioning, channels: int
) -> None:
    if latents.ndim != 3 or latents.shape[1] != channels:
        raise GeneratorError(
            f"Latents must be (batch, {channels}, time); found {tuple(latents.shape)}."
        )
    if not len(latents) == len(times) == len(conditioning):
        raise GeneratorError(
            f"Latents, times and conditioning must have as many rows; found "
            f"{len(latents)}, {len(times)} and {len(conditioning)}."
        )
