"""Influence is split over noise levels and blocks, and nothing of it is lost."""

from __future__ import annotations

import pytest
import torch

from contrafact.attribution.base import Scores
from contrafact.workflows.profile import profile_of


def scores(by_draw: list[list[float]]) -> Scores:
    """Return scores of one song: a row a draw, a column each of three recordings."""
    draws = torch.tensor(by_draw, dtype=torch.float32)
    return Scores(
        values=draws.mean(0)[None],
        recording_ids=("a", "b", "c"),
        replicates=draws[None, None],
    )


LAYERS = {
    "proj_in": 1.0,
    "blocks.0.to_q": 2.0,
    "blocks.0.ff.1": -1.0,
    "blocks.1.x": 2.0,
}


def test_levels_are_the_means_of_their_draws_over_the_chosen_recordings():
    """Draw `k` is of level `k % n_strata`; recordings not chosen do not count."""
    asked = scores([[1, 0, 9], [3, 0, 9], [1, 2, 9], [0, 1, 9]])
    found = profile_of(asked, LAYERS, ["a", "b"], n_strata=2)
    assert found is not None
    # Level 0: draws 0 and 2, 1 + 3 over two; level 1: draws 1 and 3, 3 + 1 over two.
    assert found.noise_levels == {"0-0.5": 0.5, "0.5-1": 0.5}
    alone = profile_of(asked, LAYERS, ["a"], n_strata=2)
    assert alone is not None
    assert alone.noise_levels == {"0-0.5": 0.4, "0.5-1": 0.6}


def test_blocks_are_sums_of_their_layers_in_the_order_of_the_model():
    """A layer outside of numbered blocks stands alone; signs stay."""
    found = profile_of(scores([[1, 0, 0]]), LAYERS, ["a"], n_strata=1)
    assert found is not None
    assert list(found.blocks) == ["proj_in", "blocks.0", "blocks.1"]
    assert list(found.blocks.values()) == pytest.approx([0.25, 0.25, 0.5])


def test_sizes_add_up_to_one_whatever_their_signs():
    """What works against the rest is shown below zero."""
    asked = scores([[1, 0, 0], [-3, 0, 0]])
    found = profile_of(asked, {"proj_in": 0.0}, ["a"], n_strata=2)
    assert found is not None
    assert found.noise_levels == {"0-0.5": 0.25, "0.5-1": -0.75}
    assert found.blocks == {"proj_in": 0.0}


@pytest.mark.parametrize("chosen", [[], ["elsewhere"]])
def test_without_recordings_there_is_nothing_to_split(chosen):
    """No profile rather than one of zeros."""
    assert profile_of(scores([[1, 0, 0]]), LAYERS, chosen, n_strata=1) is None


def test_draws_that_do_not_cover_the_levels_give_no_profile():
    """Three draws say nothing of eight levels."""
    assert profile_of(scores([[1, 0, 0]] * 3), LAYERS, ["a"], n_strata=8) is None
