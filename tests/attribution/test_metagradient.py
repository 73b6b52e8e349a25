"""Training replayed and differentiated through, against training again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from contrafact.attribution.metagradient import Replay
from contrafact.core.errors import ConfigError
from contrafact.generators.base import LatentBatch
from contrafact.generators.latents import LatentSet, LatentWindow
from contrafact.generators.studio.network import NetworkConfig
from contrafact.generators.studio.training import Trainer, TrainingConfig, flow_loss

CHANNELS = 4
NETWORK = NetworkConfig(
    latent_channels=CHANNELS, max_tokens=6, n_layers=1, n_heads=1, head_width=8
)
# Enough steps that the derivative passes through moments, clipping and the mean.
TRAINING = TrainingConfig(
    n_steps=10, batch_size=6, learning_rate=3e-3, averaging=0.5, is_fast=False
)
N = 8
# AdamW turns the rounding of gradients that should be zero into steps: of the keys'
# biases, to which attention is blind.
CLOSE = 0.05


@pytest.fixture(scope="module")
def data():
    """Eight recordings of one window each, in two kinds."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(2, CHANNELS, 1))
    latents = tuple(
        torch.tensor(kinds[i % 2] * 1.5 + 0.5 * rng.normal(size=(CHANNELS, 6))).float()
        for i in range(N)
    )
    windows = tuple(
        LatentWindow(recording_id=f"R-{i}", start_s=0.0, caption=f"a reel {i % 2}")
        for i in range(N)
    )
    return LatentSet(windows, latents)


@pytest.fixture(scope="module")
def replay(data):
    """The training that is differentiated."""
    return Replay(data, NETWORK, TRAINING)


def measure_on(data):
    """The loss of a song like the first recordings, at fixed noise."""
    rng = torch.Generator().manual_seed(3)
    batch = LatentBatch.stack([data.latents[0] + 0.1] * 8)
    noise = torch.randn(batch.latents.shape, generator=rng)
    times = torch.linspace(0.05, 0.95, 8)

    class Loss(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self):
            said = self.network.condition(["a reel 0"] * 8, torch.tensor([6] * 8))
            return flow_loss(self.network, batch, said, times, noise).mean()

    def measure(network, weights):
        given = {f"network.{n}": x for n, x in weights.items()}
        return torch.func.functional_call(Loss(network), given, ())

    return measure


def apart(found, wanted):
    """How far weights differ, in units of how far a step of training takes them."""
    gap = sum(float((found[n] - wanted[n]).square().sum()) for n in found) ** 0.5
    return gap / (
        TRAINING.learning_rate * sum(x.numel() for x in found.values()) ** 0.5
    )


def test_replay_is_the_trainer(data, replay):
    """The same batches, noise, optimiser and mean: the same weights."""
    trainer = Trainer(data, NETWORK, TRAINING)
    trainer.run(on_step=lambda *_: None)
    assert apart(replay.train(), trainer.weights()) < CLOSE


def test_a_window_that_counts_nothing_is_left_out(data, replay):
    """Weight 0 is the trainer's own way of leaving out."""
    trainer = Trainer(data, NETWORK, TRAINING, left_out={"R-3"})
    trainer.run(on_step=lambda *_: None)
    counts = torch.ones(N)
    counts[3] = 0.0
    assert apart(replay.train(counts), trainer.weights()) < CLOSE


def test_influence_is_the_derivative_and_foretells_leaving_out(data, replay):
    """Differences of two trainings give the derivative; leaving out goes with it."""
    # Smooth: with the trainer's own, rounding decides the sign of some steps.
    replay = replace(replay, epsilon=0.1)
    measure = measure_on(data)
    network = Trainer(data, NETWORK, TRAINING).network
    found = replay.influence(measure)

    def trained(counts):
        with torch.no_grad():
            return float(measure(network, replay.train(counts)))

    usual, step = trained(torch.ones(N)), 0.05
    rises = []
    for i in range(N):
        up, down, gone = torch.ones(N), torch.ones(N), torch.ones(N)
        up[i], down[i], gone[i] = 1 + step, 1 - step, 0.0
        slope = (trained(up) - trained(down)) / (2 * step)
        assert -float(found[i]) == pytest.approx(
            slope, abs=0.05 * float(found.abs().max())
        )
        rises.append(trained(gone) - usual)
    assert spearmanr(found.numpy(), rises).statistic > 0.85


def test_what_cannot_be_differentiated_is_refused(data, replay):
    """Rounding has no derivative, and weights are one a window."""
    with pytest.raises(ConfigError, match="bfloat16"):
        Replay(data, NETWORK, TrainingConfig(n_steps=2))
    with pytest.raises(ConfigError, match="8 numbers"):
        replay.train(torch.ones(3))
