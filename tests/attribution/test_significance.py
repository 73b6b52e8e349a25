from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafact.attribution.base import Scores
from contrafact.attribution.hubs import check_hubs, hub_overlap
from contrafact.attribution.null_signals import null_signals
from contrafact.attribution.significance import benjamini_hochberg, p_values
from contrafact.core.errors import AttributionError


def test_p_values_of_null_songs_are_not_too_small(rng):
    """Songs drawn as the null songs name somebody about as often as allowed."""
    size = np.array([0.05, 0.2, 0.5, 0.25])  # sources of unlike usual shares

    def draw(n):
        return size * (1 + 0.4 * rng.standard_normal((n, 4)))

    null, songs = draw(100), draw(600)
    p = np.array([p_values(song, [null]) for song in songs])
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() == pytest.approx(level, abs=0.03)
    named = np.mean([benjamini_hochberg(row, 0.05).any() for row in p])
    assert named <= 0.1


def test_a_song_of_its_own_is_no_null_song_of_a_source():
    """Rows marked NaN say nothing of that source, and all of the others."""
    null = np.tile([0.1, 0.2], (30, 1)) + np.linspace(-0.01, 0.01, 30)[:, None]
    null[:10, 0] = np.nan
    p = p_values(np.array([0.5, 0.2]), [null])
    assert p[0] == pytest.approx(1 / 51)
    assert p[1] > 0.2


def test_the_worse_of_two_kinds_of_null_songs_counts():
    """What stands out among recordings but not among noise is not significant."""
    quiet = np.linspace(0.0, 0.1, 50)[:, None]
    loud = np.linspace(0.5, 0.9, 50)[:, None]
    song = np.array([0.7])
    assert p_values(song, [quiet])[0] == pytest.approx(1 / 51)
    assert p_values(song, [quiet, loud])[0] > 0.4
    assert p_values(song, [loud, quiet])[0] == p_values(song, [quiet, loud])[0]


def test_without_null_songs_nothing_is_known():
    """No song to compare with gives no small p-value."""
    for nulls in ([], [np.zeros((0, 1))], [np.full((5, 1), np.nan)]):
        assert p_values(np.array([0.9]), nulls).tolist() == [1.0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=30), st.floats(0.01, 0.3))
def test_rejections_are_those_of_the_step_up_rule(p, rate):
    """The largest k with the k-th smallest p at most k/n of the rate, by hand."""
    ordered = sorted(p)
    bounds = [rate * (i + 1) / len(p) for i in range(len(p))]
    passing = [x for x, bound in zip(ordered, bounds, strict=True) if x <= bound]
    wanted = [x <= passing[-1] if passing else False for x in p]
    assert benjamini_hochberg(np.array(p), rate).tolist() == wanted


def some_scores(panel):
    """Scores with a panel of other songs."""
    ids = tuple(f"R-{i}" for i in range(panel.shape[1]))
    return Scores(torch.zeros(1, len(ids)), ids, panel=panel)


def test_the_same_first_recordings_for_every_song_are_refused():
    """The message says how much of the lists agrees."""
    rng = torch.Generator().manual_seed(0)
    panel = torch.rand(12, 200, generator=rng)
    panel[:, :9] += 5.0
    found = hub_overlap(some_scores(panel))
    assert found == pytest.approx(0.9, abs=0.03)
    with pytest.raises(AttributionError, match=r"Unrelated songs share \d\d% of their"):
        check_hubs(some_scores(panel), estimator="index")


def test_lists_by_chance_overlap_by_nothing():
    """Random scores are 0 on the scale of the gate, and pass."""
    panel = torch.rand(30, 200, generator=torch.Generator().manual_seed(1))
    panel[torch.arange(30), torch.arange(30)] = torch.nan
    assert hub_overlap(some_scores(panel)) == pytest.approx(0.0, abs=0.02)
    check_hubs(some_scores(panel), estimator="index")


def test_too_few_songs_to_tell_are_not_judged():
    """Of eleven recordings the first ten agree anyway."""
    assert hub_overlap(some_scores(torch.ones(20, 11))) is None
    assert hub_overlap(some_scores(torch.ones(2, 500))) is None


def test_null_sounds_are_the_same_for_the_same_seed():
    """More of them begin with the fewer; each is loud, finite and its own."""
    many = null_signals(12, n_samples=8000, sample_rate=8000, seed=3)
    assert torch.equal(
        many[:7], null_signals(7, n_samples=8000, sample_rate=8000, seed=3)
    )
    assert bool(many.isfinite().all())
    assert many.abs().max() <= 1
    assert float(many.square().mean(1).sqrt().min()) > 0.05
    apart = torch.corrcoef(many) - torch.eye(12)
    assert float(apart.abs().max()) < 0.9
