from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from contrafact.core.errors import TrainingError
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio import NetworkConfig, Trainer, TrainingConfig

TOO_LARGE = 1e30  # finite, but not its square
CONFIG = TrainingConfig(n_steps=8, batch_size=4, averaging=0.5)


def _silent(step: int, loss: float) -> None:
    """Take note of nothing."""


def _bytes(state: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in state.items()}


@pytest.mark.parametrize("is_fast", [False, True])
def test_same_seed_gives_the_same_bytes(
    latent_set: LatentSet, network_config: NetworkConfig, is_fast: bool
) -> None:
    """Training repeats bit for bit; another seed gives another model."""
    runs = []
    for seed in (3, 3, 4):
        config = replace(CONFIG, seed=seed, is_fast=is_fast)
        torch.manual_seed(len(runs))  # what was drawn before must not matter
        trainer = Trainer(latent_set, network_config, config)
        trainer.run(on_step=_silent)
        runs.append(_bytes(trainer.state() | trainer.weights()))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize("stop", [0, 3, 7])
def test_training_goes_on_to_the_same_bytes(
    latent_set: LatentSet, network_config: NetworkConfig, stop: int
) -> None:
    """Stopped anywhere and taken up by a new trainer, nothing is different."""
    whole = Trainer(latent_set, network_config, CONFIG)
    whole.run(on_step=_silent)
    first = Trainer(latent_set, network_config, CONFIG)
    first.run(until=stop, on_step=_silent)
    saved = first.state()
    first.run(on_step=_silent)  # the saved state must not change with it
    second = Trainer(latent_set, network_config, CONFIG)
    second.run(until=2, on_step=_silent)  # what it did before must be forgotten
    second.load_state(saved)
    assert second.step == stop
    second.run(on_step=_silent)
    assert _bytes(second.state()) == _bytes(whole.state())
    assert _bytes(second.weights()) == _bytes(whole.weights())
    assert second.losses == whole.losses


def test_left_out_recordings_have_no_influence(
    latent_set: LatentSet, network_config: NetworkConfig
) -> None:
    """However large they are, the trained weights are the same bytes."""
    gone = {"r1", "r4"}
    spoiled = LatentSet(
        latent_set.windows,
        tuple(
            torch.full_like(row, TOO_LARGE) if window.recording_id in gone else row
            for window, row in zip(latent_set.windows, latent_set.latents, strict=True)
        ),
    )
    weights = []
    for data in (latent_set, spoiled):
        trainer = Trainer(data, network_config, CONFIG, left_out=gone)
        trainer.run(on_step=_silent)
        weights.append(trainer.weights())
    assert _bytes(weights[0]) == _bytes(weights[1])
    assert all(torch.isfinite(value).all() for value in weights[0].values())


def test_recordings_that_are_shown_have_influence(
    latent_set: LatentSet, network_config: NetworkConfig
) -> None:
    """Leaving a recording out changes the weights, from the same beginning."""
    trainers = [
        Trainer(latent_set, network_config, CONFIG, left_out=gone)
        for gone in ((), ("r1",))
    ]
    assert _bytes(trainers[0].weights()) == _bytes(trainers[1].weights())
    for trainer in trainers:
        trainer.run(on_step=_silent)
    assert _bytes(trainers[0].weights()) != _bytes(trainers[1].weights())


def test_every_step_draws_anew_whatever_is_left_out(
    latent_set: LatentSet, network_config: NetworkConfig
) -> None:
    """No step repeats another's noise; without a recording the others keep theirs."""
    # One window a step, twice through all ten, with weights that stand still.
    config = replace(CONFIG, n_steps=20, batch_size=1, learning_rate=1e-12)
    losses = []
    for gone in ((), ("r1",)):
        trainer = Trainer(latent_set, network_config, config, left_out=gone)
        trainer.run(on_step=_silent)
        losses.append(trainer.losses)
    assert len({round(loss, 5) for loss in losses[0]}) == config.n_steps
    is_same = np.isclose(losses[0], losses[1], rtol=1e-5)
    n_windows = [w.recording_id for w in latent_set.windows].count("r1")
    assert (~is_same).sum() == 2 * n_windows


def test_a_step_without_rows_changes_nothing(
    latent_set: LatentSet, network_config: NetworkConfig
) -> None:
    """Where all of a batch was left out, the step is counted and passed over."""
    gone = set(latent_set.recording_ids) - {"r5"}
    config = replace(CONFIG, batch_size=1)
    trainer = Trainer(latent_set, network_config, config, left_out=gone)
    trainer.run(on_step=_silent)
    assert trainer.step == len(trainer.losses) == CONFIG.n_steps
    # Only one window in ten is shown, so most steps repeat the last loss.
    assert len(set(trainer.losses)) <= 3


def test_the_loss_falls(latent_set: LatentSet, network_config: NetworkConfig) -> None:
    """A network learns a tiny corpus."""
    config = TrainingConfig(n_steps=250, batch_size=10, learning_rate=1e-2)
    seen: list[tuple[int, float]] = []
    trainer = Trainer(latent_set, network_config, config)
    trainer.run(on_step=lambda step, loss: seen.append((step, loss)))
    assert [step for step, _ in seen] == list(range(1, 251))
    losses = [loss for _, loss in seen]
    assert np.mean(losses[-30:]) < 0.8 * np.mean(losses[:30])


def test_kept_weights_are_the_running_mean(
    latent_set: LatentSet, network_config: NetworkConfig
) -> None:
    """Without averaging they are the last weights, with it they lag behind."""
    plain = Trainer(latent_set, network_config, replace(CONFIG, averaging=0.0))
    plain.run(on_step=_silent)
    last = {name: p.detach() for name, p in plain.parameters.items()}
    assert _bytes(plain.weights()) == _bytes(last)
    mean = Trainer(latent_set, network_config, CONFIG)
    mean.run(on_step=_silent)
    assert _bytes(mean.weights()) != _bytes(last)


def test_broken_latents_stop_training(
    latent_set: LatentSet, network_config: NetworkConfig
) -> None:
    """A loss that is not finite is an error, not a model."""
    broken = LatentSet(
        latent_set.windows, tuple(row * TOO_LARGE for row in latent_set.latents)
    )
    with pytest.raises(TrainingError, match="step 1"):
        Trainer(broken, network_config, CONFIG).run(on_step=_silent)


def test_nothing_left_to_train_on_is_refused(
    latent_set: LatentSet, network_config: NetworkConfig
) -> None:
    """Every recording cannot be left out."""
    with pytest.raises(TrainingError, match="left out"):
        Trainer(latent_set, network_config, CONFIG, left_out=latent_set.recording_ids)


@pytest.mark.parametrize("damage", ["missing", "reshaped", "stepless"])
def test_a_state_of_another_training_is_refused(
    latent_set: LatentSet, network_config: NetworkConfig, damage: str
) -> None:
    """What does not fit is refused before anything is overwritten."""
    trainer = Trainer(latent_set, network_config, CONFIG)
    before, state = trainer.state(), trainer.state()
    name = next(key for key in state if key.startswith("average/"))
    if damage == "reshaped":
        state[name] = torch.zeros(1, 1)
    else:
        del state[name if damage == "missing" else "step"]
    with pytest.raises(TrainingError, match="anew"):
        trainer.load_state(state)
    assert _bytes(trainer.state()) == _bytes(before)


@pytest.mark.parametrize(
    "change",
    [
        {"n_steps": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"averaging": 1.0},
        {"anonymous": 0.95},
        {"checkpoint_at": 2.0},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    """Settings are checked when they are made."""
    with pytest.raises(TrainingError, match=next(iter(change))):
        TrainingConfig(**change)
