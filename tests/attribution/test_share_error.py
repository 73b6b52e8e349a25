"""Intervals that hold retrained shares: the quantile, and what is known of whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import Scores
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.shares import ShareSettings, Source, shares_of, sizes_of

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


def test_what_sources_have_by_their_size_is_found_again(
    rng: np.random.Generator,
) -> None:
    """A fifth by size goes in and comes out, and shares are right after it."""
    sizes = rng.dirichlet(np.ones(N_SOURCES))
    predicted = rng.dirichlet(0.2 * np.ones(N_SOURCES), size=N_SONGS)
    real = 0.8 * predicted + 0.2 * sizes
    error = ShareError.measured(predicted, real, sizes)
    assert error.by_size == pytest.approx(0.2)
    np.testing.assert_allclose(error.fitted(predicted, sizes), real)
    assert max(error.errors) < 1e-9


def test_nothing_goes_by_size_where_sizes_say_nothing(rng: np.random.Generator) -> None:
    """Estimates that are right already are left as they are."""
    predicted = rng.dirichlet(np.ones(N_SOURCES), size=N_SONGS)
    sizes = np.full(N_SOURCES, 1 / N_SOURCES)
    error = ShareError.measured(predicted, predicted, sizes)
    assert error.by_size == 0.0
    assert ShareError.measured(predicted, predicted).by_size == 0.0


def test_a_song_without_any_share_gets_none_by_size() -> None:
    """Where nothing taught the song, size alone is no reason to be paid."""
    sizes = np.array([0.5, 0.5])
    fitted = ShareError((0.3,), by_size=0.4).fitted(np.zeros((1, 2)), sizes)
    assert not fitted.any()


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


def test_the_rest_has_an_error_of_its_own_where_it_is_known() -> None:
    """Nine errors: nine tenths of ten is the ninth; unknown, it is a share."""
    known = ShareError((0.3,), rest_errors=tuple(i / 50 for i in range(1, 10)))
    assert known.rest_interval(0.5, 0.9) == pytest.approx((0.32, 0.68))
    assert known.rest_interval(0.95, 0.9) == pytest.approx((0.77, 1.0))
    low, high = known.interval(np.array(0.5), 0.9)
    assert ShareError((0.3,)).rest_interval(0.5, 0.9) == (low, high)


def test_collections_and_artists_have_errors_of_their_own() -> None:
    """What nobody measured gets the artists', the smaller sources."""
    default = make_estimator("index").settings
    of = {k: ShareError.of("index", default, k) for k in ("collection", "artist")}
    assert of["collection"] != of["artist"]
    assert ShareError.of("index", default, "work") == of["artist"]
    assert all(e is not None and 0 <= e.by_size < 0.5 for e in of.values())


def test_a_size_names_nobody_and_moves_shares_towards_itself() -> None:
    """The rest grows by what is taken from the source that is named."""
    values = torch.tensor([[4.0, 0.0, -1.0]])
    scores = Scores(values, ("a", "b", "c"))
    sources = [Source(id=i, name=i, parts={i: 1.0}) for i in ("a", "b", "c")]
    error = ShareError((0.3,), by_size=0.3)
    shares, rest = shares_of(scores, sources, settings=ShareSettings(error=error))
    found = {s.id: (s.share, s.significant) for s in shares}
    assert found["a"] == (pytest.approx(0.7 + 0.3 / 3), True)
    assert found["b"] == found["c"] == (0.0, False)
    assert rest.share == pytest.approx(0.2)


def test_copies_make_no_source_larger() -> None:
    """Three copies have the size of one recording, other windows their own."""
    hat = torch.eye(4) * 0.5
    hat[:3, :3] = 0.5
    overlap = Overlap(("a", "b", "c", "d"), hat, torch.tensor([2, 2, 2, 1]))
    scores = Scores(torch.zeros(1, 4), ("a", "b", "c", "d"), overlap=overlap)
    sources = [
        Source(id="copies", name="copies", parts={"a": 1.0, "b": 1.0, "c": 1.0}),
        Source(id="d", name="d", parts={"d": 1.0}),
    ]
    np.testing.assert_allclose(sizes_of(scores, sources), [2 / 3, 1 / 3])


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
