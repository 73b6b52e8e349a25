"""A tiny corpus, tiny shapes, and sounds whose content is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from contrafact.generators.latents import LatentSet, LatentWindow
from contrafact.generators.studio import (
    CodecConfig,
    NetworkConfig,
    SpectralCodec,
    StudioGenerator,
    shipped_codec,
)
from contrafact.generators.studio.text import Vocabulary
from contrafact.generators.studio.training import new_network

SAMPLE_RATE = 16_000


@pytest.fixture(scope="session")
def codec() -> SpectralCodec:
    """The codec that comes with contrafact."""
    return shipped_codec()


@pytest.fixture
def tiny_codec() -> SpectralCodec:
    """An untrained codec of the channels of the tiny network."""
    config = CodecConfig(
        sample_rate=800,
        n_fft=16,
        frames_per_token=2,
        latent_channels=4,
        width=8,
        n_blocks=1,
        n_phase_iterations=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SpectralCodec(config)


@pytest.fixture
def network_config() -> NetworkConfig:
    """A network small enough to train in a test."""
    return NetworkConfig(
        latent_channels=4, max_tokens=12, n_layers=1, n_heads=2, head_width=8, n_text=6
    )


@pytest.fixture
def latent_set() -> LatentSet:
    """Six recordings in ten windows of different lengths, all with captions."""
    rng = torch.Generator().manual_seed(0)
    windows, latents = [], []
    for i in range(10):
        windows.append(
            LatentWindow(
                recording_id=f"r{i % 6}",
                start_s=float(i // 6),
                caption=f"a reel by player{i % 6}",
                caption_anonymous="a reel",
            )
        )
        latents.append(torch.randn(4, 5 + i % 4, generator=rng))
    return LatentSet(tuple(windows), tuple(latents))


@pytest.fixture
def make_studio(
    network_config: NetworkConfig, tiny_codec: SpectralCodec
) -> Callable[..., StudioGenerator]:
    """Make a tiny studio; its output is not nothing, as it is before training."""

    def make(*, is_fast: bool = False, n_checkpoints: int = 1) -> StudioGenerator:
        vocabulary = Vocabulary(["fiddle", "reel"])
        networks = [
            new_network(network_config, vocabulary, seed=seed)
            for seed in range(n_checkpoints + 1)
        ]
        with torch.no_grad():
            for seed, network in enumerate(networks):
                network.transformer.postprocess_conv.weight.fill_(0.1 * (seed + 1))
        return StudioGenerator(
            networks[0],
            tiny_codec,
            checkpoints={f"c{i}": n.state_dict() for i, n in enumerate(networks[1:])},
            is_fast=is_fast,
        )

    return make


@pytest.fixture(scope="session")
def chords() -> Tensor:
    """Four plucked chords in two seconds, `(1, time)`."""
    times = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    sound = torch.zeros_like(times)
    roots = (261.6, 220.0, 174.6, 196.0)
    for beat, root in enumerate(roots):
        since = (times - 0.5 * beat).clamp_min(0)
        for ratio in (1.0, 1.25, 1.5):
            for partial in range(1, 9):
                fall = torch.exp(-3 * since * math.sqrt(partial)) / partial
                angle = 2 * math.pi * root * ratio * partial * since
                sound += 0.05 * fall * angle.sin()
    return sound[None, : 15 * 2048]
