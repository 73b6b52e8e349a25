"""Intervals that hold retrained shares: the quantile, and what is known of whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import Scores
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.shares import ShareSettings, Source, shares_of

N_SONGS, N_SOURCES = 400, 6


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_as_many_new_shares_as_they_say(
    level: float, rng: np.random.Generator
) -> None:
    """Measured on some songs, counted on others that are drawn alike."""
    real = rng.dirichlet(np.ones(N_SOURCES), size=2 * N_SONGS)
    noise = rng.normal(scale=0.1, size=real.shape)
    predicted = np.clip(real + noise, 0, 1)
    predicted /= predicted.sum(1, keepdims=True)
    error = ShareError.measured(predicted[:N_SONGS], real[:N_SONGS])
    low, high = error.interval(predicted[N_SONGS:], level)
    held = (low <= real[N_SONGS:]) & (real[N_SONGS:] <= high)
    assert abs(held.mean() - level) < 0.03


def test_the_width_is_the_smallest_that_holds_the_level() -> None:
    """Of nine errors, nine tenths of ten is the ninth; beyond the last, the last."""
    error = ShareError(tuple(i / 10 for i in range(1, 10)))
    assert error.width(0.9) == 0.9
    assert error.width(0.5) == 0.5
    assert error.width(0.99) == 0.9


def test_errors_are_known_of_the_default_index_only() -> None:
    """Another setting is another estimator, whose errors nobody measured."""
    default = make_estimator("index").settings
    assert ShareError.of("index", default) is not None
    assert ShareError.of("index", {**default, "ridge": 5.0}) is None
    assert ShareError.of("mucs", {}) is None


def test_shares_get_intervals_as_wide_as_their_error() -> None:
    """The share stays, who is named stays, and no interval gets narrower."""
    rng = torch.Generator().manual_seed(0)
    replicates = 0.2 * torch.randn(1, 1, 8, 4, generator=rng)
    replicates += torch.tensor([4.0, 2.0, 0.5, -1.0])
    ids = ("a", "b", "c", "d")
    scores = Scores(replicates.mean((1, 2)), ids, replicates=replicates)
    sources = [Source(id=i, name=i, parts={i: 1.0}) for i in ids]
    settings = ShareSettings()
    error = ShareError((0.3,))
    plain, rest = shares_of(scores, sources, settings=settings)
    wide, wide_rest = shares_of(
        scores, sources, settings=replace(settings, error=error)
    )
    assert [(s.id, s.share, s.significant) for s in plain] == [
        (s.id, s.share, s.significant) for s in wide
    ]
    for one, other in zip(plain, wide, strict=True):
        assert other.interval.low <= one.interval.low
        assert other.interval.high >= one.interval.high
        if one.significant:
            low, high = error.interval(np.array([one.share]), 0.9)
            assert other.interval.low <= low[0] + 1e-12
            assert other.interval.high >= high[0] - 1e-12
    assert rest.share == wide_rest.share
    assert wide_rest.interval.low <= rest.interval.low
    assert wide_rest.interval.high > rest.interval.high
