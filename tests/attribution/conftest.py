"""Tiny studios and a tiny corpus, for everything attribution does.

`studio` computes in float32 as users' models do, `double_studio` in float64
throughout: the ground that slow references stand on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contrafact.attribution.base import AttributionTask, Queries
from contrafact.generators.base import Conditioning, LatentBatch
from contrafact.generators.latents import LatentSet, LatentWindow
from contrafact.generators.studio.codec import CodecConfig, SpectralCodec
from contrafact.generators.studio.generator import StudioGenerator
from contrafact.generators.studio.network import NetworkConfig, StudioNetwork
from contrafact.generators.studio.text import Vocabulary

torch.set_num_threads(1)

CHANNELS = 8
CODEC = CodecConfig(n_fft=256, latent_channels=CHANNELS, width=16, n_blocks=1)
NETWORK = NetworkConfig(
    latent_channels=CHANNELS, max_tokens=12, n_layers=1, n_heads=2, head_width=8
)
WORDS = ["a", "calm", "for", "harp", "lively", "lute", "reel", "viol", "waltz"]


class DoubleStudio(StudioGenerator):
    """The studio in float64 throughout, whatever it is given."""

    def condition(
        self, prompts: Sequence[str], *, n_tokens: Sequence[int]
    ) -> Conditioning:
        """Return the conditioning in float64."""
        said = super().condition(prompts, n_tokens=n_tokens)
        return Conditioning(said.tokens.double(), said.mask, said.pooled.double())

    def predict(
        self, noisy: Tensor, times: Tensor, conditioning: Conditioning, mask: Tensor
    ) -> Tensor:
        """Return the velocity in float64."""
        seen = noisy.double() * mask[:, None]
        return self.network.velocity(seen, times.double(), conditioning, mask)

    def loss(
        self,
        batch: LatentBatch,
        conditioning: Conditioning,
        *,
        times: Tensor,
        noise: Tensor,
        mask_padding: bool = True,
    ) -> Tensor:
        """Return the mean squared error of the velocity in float64."""
        mask = batch.mask if mask_padding else torch.ones_like(batch.mask)
        t, clean = times.double()[:, None, None], batch.latents.double()
        noisy = (1 - t) * clean + t * noise
        velocity = self.predict(noisy, times, conditioning, mask)
        error = (velocity - (noise - clean)).square().mean(1) * mask
        return error.sum(1) / mask.sum(1)


def make_network(seed: int) -> StudioNetwork:
    """Return a network of random weights, none of them zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = StudioNetwork(NETWORK, Vocabulary(WORDS))
        for parameter in network.transformer.parameters():
            if parameter.requires_grad:
                nn.init.normal_(parameter, std=0.3)
    return network


def make_studio(kind: type[StudioGenerator], seed: int = 0) -> StudioGenerator:
    """Return a tiny studio whose `middle` checkpoint is another network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        codec = SpectralCodec(CODEC)
    network, middle = make_network(seed), make_network(seed + 1)
    if kind is DoubleStudio:
        network, middle = network.double(), middle.double()
    checkpoints = {"middle": middle.state_dict()}
    return kind(network, codec, checkpoints=checkpoints, is_fast=False)


def make_windows(rng: np.random.Generator, n_recordings: int) -> LatentSet:
    """Return recordings of one window each, but the first has two."""
    windows, latents = [], []
    for i in range(n_recordings + 1):
        caption = " ".join(rng.choice(WORDS, size=4))
        name = f"R-{max(0, i - 1):02d}"
        start_s = 1.0 if i == 1 else 0.0
        windows.append(
            LatentWindow(recording_id=name, start_s=start_s, caption=caption)
        )
        shape = CHANNELS, int(rng.integers(6, NETWORK.max_tokens + 1))
        level = rng.normal(size=(CHANNELS, 1))
        values = level + 0.5 * rng.normal(size=shape)
        latents.append(torch.tensor(values, dtype=torch.float32))
    return LatentSet(tuple(windows), tuple(latents))


@pytest.fixture
def studio() -> StudioGenerator:
    """A tiny studio in float32."""
    return make_studio(StudioGenerator)


@pytest.fixture
def double_studio() -> StudioGenerator:
    """A tiny studio in float64."""
    return make_studio(DoubleStudio)


@pytest.fixture
def train(rng: np.random.Generator) -> LatentSet:
    """A corpus of 11 recordings in 12 windows of several lengths."""
    return make_windows(rng, 11)


@pytest.fixture
def task(studio: StudioGenerator, train: LatentSet) -> AttributionTask:
    """The corpus under the tiny studio, with 4 noise levels."""
    return AttributionTask(studio, train, n_strata=4)


@pytest.fixture
def double_task(double_studio: StudioGenerator, train: LatentSet) -> AttributionTask:
    """The same under the studio in float64."""
    return AttributionTask(double_studio, train, n_strata=4)


@pytest.fixture
def queries(rng: np.random.Generator) -> Queries:
    """Three songs of several lengths that are not in the corpus."""
    latents = [
        torch.tensor(rng.normal(size=(CHANNELS, n)), dtype=torch.float32)
        for n in (9, 12, 7)
    ]
    prompts = ("a calm reel for harp", "lively waltz", "")
    return Queries(LatentBatch.stack(latents), prompts)


@pytest.fixture
def corpus_of(rng: np.random.Generator) -> Callable[[int], LatentSet]:
    """Make a corpus of so many recordings."""
    return lambda n_recordings: make_windows(rng, n_recordings)


@pytest.fixture
def settings_of() -> Callable[[str], dict[str, Any]]:
    """Return settings with which an estimator runs in a moment."""
    small: dict[str, dict[str, Any]] = {
        "index": {
            "n_draws": 8,
            "n_coordinates": 800,
            "n_features": 400,
            "n_panel": 4,
            "n_null": 3,
            "n_workers": 1,
        },
        "unlearning": {
            "n_fisher_draws": 4,
            "n_unlearn_draws": 16,
            "n_score_draws": 8,
            "learning_rate": 0.1,
        },
    }
    step = {"n_unlearn_draws": 16, "n_score_draws": 8, "learning_rate": 0.1}
    sampled = {"n_sample": 6, "n_sample_draws": 4}
    small["unlearning-ekfac"] = {**step, **sampled}
    draws = {"n_draws": 8, "n_query_draws": 8, "n_panel": 4}
    small["ek-fac"] = {**draws, **sampled}
    small["cg"] = {**draws, **sampled, "n_panel": 0, "n_steps": 2}
    small |= {name: {**draws, "n_features": 300} for name in ("trak", "d-trak", "das")}
    small["gradient-cosine"] = draws
    # The tiny studio is worse than an untrained one, which knows nothing.
    small["mucs"] = {
        "n_score_draws": 8,
        "n_steps": 3,
        "batch_size": 4,
        "learning_rate": 0.01,
        "null_loss": 100.0,
    }
    return lambda name: small.get(name, {})


@pytest.fixture
def permuted() -> Callable[[LatentSet, Sequence[int]], LatentSet]:
    """Return the same windows in another order."""

    def reorder(train: LatentSet, order: Sequence[int]) -> LatentSet:
        return replace(
            train,
            windows=tuple(train.windows[i] for i in order),
            latents=tuple(train.latents[i] for i in order),
        )

    return reorder
