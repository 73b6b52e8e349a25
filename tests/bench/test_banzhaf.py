"""Weights of artists from random halves of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest


@pytest.fixture(scope="module")
def banzhaf(script):
    """The script under test."""
    return script("banzhaf")


@pytest.fixture
def halves(rng):
    """Thirty random halves of six artists, `(30, 6)`."""
    return (rng.random((30, 6)) < 0.5).astype(float)


def test_weights_over_all_subsets_are_banzhafs_values(banzhaf, rng):
    """Of any game: the mean over subsets of what leaving one out adds to the loss."""
    every = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    losses = rng.normal(size=(16, 2))
    found = banzhaf.weights(every, losses, 1e-12)
    for artist in range(4):
        is_out = every[:, artist] == 1
        by_definition = losses[is_out].mean(0) - losses[~is_out].mean(0)
        assert found[:, artist] == pytest.approx(by_definition)


def test_an_additive_game_is_explained_whole(banzhaf, halves, rng):
    """Halves left out of the fit are predicted, and the smallest ridge is chosen."""
    real = rng.normal(size=(2, 6))
    losses = 1.0 + halves @ real.T
    found = banzhaf.weights(halves, losses, 1e-9)
    assert found == pytest.approx(real, abs=1e-4)
    assert banzhaf.explained(halves, losses, 1e-9) == pytest.approx(1.0, abs=1e-4)
    assert banzhaf.best_ridge(halves, losses) == min(banzhaf.RIDGES)


def test_noise_is_not_explained_and_takes_the_largest_ridge(banzhaf, halves, rng):
    """What no artist taught, no artist predicts."""
    losses = rng.normal(size=(30, 40))
    assert banzhaf.explained(halves, losses, 0.01) < 0
    assert banzhaf.best_ridge(halves, losses) == max(banzhaf.RIDGES)


def test_parts_share_no_half(banzhaf, halves, rng):
    """What is changed in every other half changes the weights of one part alone."""
    losses = rng.normal(size=(30, 2))
    before = banzhaf.parts(halves, losses, 0.1)
    losses[1::2] = 7.0
    after = banzhaf.parts(halves, losses, 0.1)
    assert after[0] == pytest.approx(before[0])
    assert after[1] == pytest.approx(np.zeros((2, 6)))


def test_intervals_are_as_wide_as_noise_makes_them(banzhaf, halves, rng):
    """Without noise they have next to no width; with it they have."""
    losses = halves @ np.array([[3.0, 2.0, 1.0, 1.0, 1.0, 0.0]]).T
    noisy = losses + rng.normal(size=losses.shape)
    narrow = banzhaf.mean_width(halves, losses, 1e-6)
    assert narrow < 0.1 * banzhaf.mean_width(halves, noisy, 1e-6)


def test_artists_left_out_are_told_from_the_recordings(banzhaf):
    """One column an artist, by name; one row a half, by number."""
    truth = banzhaf.LeagueTruth(
        {"artists": ["b", "a", "b", "c"]},
        {("artist-half", n, 0): np.zeros(1) for n in ("10", "2")},
        {("artist-half", "10"): [0, 2], ("artist-half", "2"): [1, 3]},
        ("named",),
    )
    names, is_out = banzhaf.artists_left_out(truth)
    assert names == ["a", "b", "c"]
    assert banzhaf.halves_of(truth) == ["2", "10"]
    assert is_out.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_halves_of_artists_differ_in_size(script):
    """Else what all artists teach alike would not be known."""
    plan = script("plan")
    runs = plan.make_short_plan(list("abcdefgh") * 4, ["x", "y"] * 16)
    halves = [run for run in runs if run.kind == "artist-half"]
    assert len(halves) == plan.N_ARTIST_HALVES
    assert len({len(run.left_out) for run in halves}) > 3
    assert all(len(run.left_out) % 4 == 0 for run in halves)  # whole artists
