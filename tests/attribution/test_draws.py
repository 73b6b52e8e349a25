"""Shared noise draws, and the losses measured at them."""

from __future__ import annotations

import pytest
import torch

from contrafact.attribution.base import AttributionTask, sum_windows
from contrafact.attribution.draws import Draws, losses_at
from contrafact.core.errors import ConfigError
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.generator import StudioGenerator


def test_every_noise_level_is_hit_equally_often(studio: StudioGenerator) -> None:
    """Draw k lies in part k modulo `n_strata` of the noise schedule."""
    draws = Draws.make(studio, n_draws=24, n_strata=8, seed=0)
    assert (draws.times * 8).long().tolist() == list(range(8)) * 3
    assert draws.n_sets == 3


def test_more_draws_begin_with_the_fewer(studio: StudioGenerator) -> None:
    """Raising the number of draws keeps those that were there."""
    few = Draws.make(studio, n_draws=8, n_strata=4, seed=1)
    more = Draws.make(studio, n_draws=16, n_strata=4, seed=1)
    assert torch.equal(more.times[:8], few.times)
    assert torch.equal(more.noise[:8], few.noise)


def test_another_seed_gives_other_draws(studio: StudioGenerator) -> None:
    """The seed decides the draws."""
    one, other = (Draws.make(studio, n_draws=4, n_strata=4, seed=s) for s in (0, 1))
    assert not torch.equal(one.noise, other.noise)


@pytest.mark.parametrize(("n_draws", "n_strata"), [(7, 4), (0, 4), (4, 0)])
def test_draws_that_cannot_be_spread_are_refused(
    studio: StudioGenerator, n_draws: int, n_strata: int
) -> None:
    """Draws must cover every noise level equally."""
    with pytest.raises(ConfigError, match="cannot be spread evenly"):
        Draws.make(studio, n_draws=n_draws, n_strata=n_strata, seed=0)


def test_parts_are_single_draws(studio: StudioGenerator) -> None:
    """A part keeps times, noise and weights, and each draw is its own set."""
    draws = Draws.make(studio, n_draws=8, n_strata=4, seed=0)
    part = draws.weighted(torch.tensor([1.0, 2, 3, 4])).part(slice(2, 5))
    assert part.n_sets == 3
    assert part.weights.tolist() == [3, 4, 1]
    assert torch.equal(part.noise, draws.noise[2:5])


def test_losses_are_those_of_each_example_and_draw(
    double_task: AttributionTask,
) -> None:
    """Measuring many together gives what measuring one alone does."""
    draws = double_task.draws(4)
    batch, said = double_task.train_batch([0, 3, 5])
    found = losses_at(double_task.generator, batch, said, draws, at_most=5)
    for i, row in enumerate([0, 3, 5]):
        one, caption = double_task.train_batch([row])
        length = one.latents.shape[-1]
        for k in range(4):
            alone = double_task.generator.loss(
                one,
                caption,
                times=draws.times[k : k + 1],
                noise=draws.noise[k : k + 1, :, :length],
            )
            assert torch.isclose(found[i, k], alone[0], rtol=1e-10)


def test_windows_add_up_to_recordings(train: LatentSet) -> None:
    """A recording's score is the sum of its windows' scores."""
    values = torch.arange(24.0).reshape(2, 12)
    found = sum_windows(values, train)
    assert found.shape == (2, 11)
    assert found[1].tolist() == [12 + 13, *range(14, 24)]
