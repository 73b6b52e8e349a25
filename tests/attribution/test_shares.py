from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafact.attribution.base import Scores
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.shares import (
    ShareSettings,
    Source,
    influence_of_sources,
    shares_of,
)
from contrafact.core.errors import AttributionError

IDS = tuple(f"R-{i}" for i in range(6))
ARTISTS = [
    Source(id="a", name="A", parts={"R-0": 1.0, "R-1": 1.0}),
    Source(id="b", name="B", parts={"R-2": 1.0, "R-3": 1.0}),
    Source(id="c", name="C", parts={"R-4": 1.0, "R-5": 1.0}),
]


def scores(values, *, noise=0.0, panel=None):
    """Scores of one query whose replicates scatter around `values`."""
    mean = torch.tensor([values])
    rng = torch.Generator().manual_seed(0)
    scatter = noise * torch.randn(1, 8, 2, len(values), generator=rng)
    scatter = scatter - scatter.mean((1, 2), keepdim=True)
    return Scores(mean, IDS, mean[:, None, None] + scatter, panel)


def test_shares_are_parts_of_positive_influence():
    """A share is the source's sum over the sum of positive sums."""
    rows, rest = shares_of(scores([2.0, 1.0, 1.0, 0.0, -3.0, 1.0]), ARTISTS)
    assert {r.id: r.share for r in rows} == {"a": 0.75, "b": 0.25, "c": 0.0}
    assert rest.share == 0.0
    assert [r.influence for r in rows] == [3.0, 1.0, -2.0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6),
    st.floats(0, 2),
    st.booleans(),
)
def test_shares_and_rest_sum_to_one(values, noise, has_panel):
    """Shares and the unattributed rest are a whole, never renormalised."""
    panel = torch.rand(5, 6, generator=torch.Generator().manual_seed(1))
    found = scores(values, noise=noise, panel=panel if has_panel else None)
    rows, rest = shares_of(found, ARTISTS)
    assert sum(r.share for r in rows) + rest.share == pytest.approx(1.0)
    for row in rows:
        assert 0 <= row.interval.low <= row.interval.high <= 1
        assert row.interval.low <= row.share + 1e-12


def test_scale_changes_influence_but_no_share():
    """Shares have no unit; influence has that of the loss."""
    plain, _ = shares_of(scores([3.0, 0.0, 1.0, 0.0, 0.0, 0.0]), ARTISTS)
    scaled, _ = shares_of(
        scores([3.0, 0.0, 1.0, 0.0, 0.0, 0.0]), ARTISTS, scale=0.5, learned=3.0
    )
    assert [r.share for r in plain] == [r.share for r in scaled]
    assert scaled[0].influence == 1.5
    assert scaled[0].of_learned == 0.5


def usual(n_rows=60):
    """Scores of other songs, on which A is always large."""
    panel = torch.tensor([[3.0, 1.0, 0.1, 0.1, 0.1, 0.1]] * n_rows)
    panel[torch.arange(n_rows), 2 + torch.arange(n_rows) % 4] = torch.nan
    return panel


def test_source_like_on_any_song_is_unattributed():
    """A share that the source reaches on other songs too is not significant."""
    found = scores([3.0, 1.0, 1.0, 1.0, 0.0, 0.0], panel=usual())
    rows, rest = shares_of(found, ARTISTS)
    by_id = {r.id: r for r in rows}
    assert (by_id["a"].share, by_id["a"].significant) == (0.0, False)
    assert by_id["b"].share == pytest.approx(1 / 3)
    assert by_id["b"].significant
    assert by_id["b"].p_value < 0.01
    assert by_id["a"].p_value > 0.5
    assert rest.share == pytest.approx(2 / 3)
    assert by_id["a"].common > 3.0


def test_sounds_without_a_source_count_among_the_null_songs():
    """What noise reaches, a song has to exceed."""
    song = [1.0, 1.0, 2.0, 2.0, 0.0, 0.0]
    plain = scores(song, panel=usual())
    noise = torch.tensor([[0.1, 0.1, 3.0, 3.0, 0.1, 0.1]] * 60)
    rows, _ = shares_of(plain, ARTISTS)
    assert next(r for r in rows if r.id == "b").significant
    rows, rest = shares_of(replace(plain, null=noise), ARTISTS)
    assert not any(r.significant for r in rows)
    assert rest.share == 1.0


def test_without_other_songs_there_is_no_p_value():
    """An estimator that knows no other song names what is positive."""
    rows, _ = shares_of(scores([2.0, 1.0, 1.0, 0.0, -3.0, 1.0]), ARTISTS)
    assert [r.p_value for r in rows] == [None] * 3
    assert {r.id: r.significant for r in rows} == {"a": True, "b": True, "c": False}


def test_noise_widens_the_interval_and_hides_small_shares():
    """With noise as large as the signal nothing is told apart from zero."""
    quiet, _ = shares_of(scores([1.0, 1.0, 0.5, 0.5, 0.2, 0.2], noise=0.05), ARTISTS)
    loud, rest = shares_of(scores([1.0, 1.0, 0.5, 0.5, 0.2, 0.2], noise=9.0), ARTISTS)
    width = [r[0].interval.high - r[0].interval.low for r in (quiet, loud)]
    assert width[1] > 3 * width[0]
    assert rest.share > 0.5


def test_no_positive_influence_is_all_unattributed():
    """Where nothing helped, nobody is named."""
    rows, rest = shares_of(scores([-1.0] * 6), ARTISTS)
    assert rest.share == 1.0
    assert all(r.share == 0.0 for r in rows)


def test_shared_recording_counts_for_both_artists_in_parts():
    """Half a recording gives half its influence."""
    half = [
        Source(id="x", name="X", parts={"R-0": 0.5}),
        Source(id="y", name="Y", parts={"R-0": 0.5, "R-1": 1.0}),
    ]
    rows, _ = shares_of(scores([2.0, 1.0, 0.0, 0.0, 0.0, 0.0]), half)
    assert {r.id: r.influence for r in rows} == {"x": 1.0, "y": 2.0}


def test_a_copy_brings_its_owner_nothing():
    """Two copies of one recording share what it would have had alone."""
    hat = torch.tensor([[0.3, 0.3, 0.0], [0.3, 0.3, 0.0], [0.0, 0.0, 0.2]])
    overlap = Overlap(("a", "b", "c"), hat, torch.ones(3), trust=0.5)
    scores = Scores(torch.tensor([[2.0, 2.0, 1.0]]), ("a", "b", "c"), overlap=overlap)
    # Without b: score 2 / (1 - 0.3), hat 0.3 / (1 - 0.3).
    alone = 2 / 0.7 / (1 - 0.5 * 0.3 / 0.7)
    sources = [Source(id=n, name=n, parts=dict.fromkeys(n, 1.0)) for n in ("a", "ab")]
    found = influence_of_sources(scores, sources)[0]
    assert found.tolist() == pytest.approx([alone / 2, alone])


def test_source_of_unknown_recording_is_refused():
    """A source cannot have a recording that was not scored."""
    with pytest.raises(AttributionError, match="R-9"):
        shares_of(scores([0.0] * 6), [Source(id="z", name="Z", parts={"R-9": 1.0})])


def test_interval_agrees_with_a_plain_resampling_loop():
    """The vectorised bootstrap equals drawing sets one by one."""
    found = scores([1.0, 0.5, 0.4, 0.1, 0.2, 0.1], noise=0.3)
    rows, _ = shares_of(found, ARTISTS)
    parts = found.replicates[0].double().numpy()
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(4000):
        one = parts[rng.integers(8, size=8)][:, rng.integers(2, size=2)].mean((0, 1))
        sums = np.clip(one.reshape(3, 2).sum(1), 0, None)
        drawn.append(sums[0] / sums.sum())
    low, high = np.quantile(drawn, [0.05, 0.95])
    best = next(r for r in rows if r.id == "a")
    assert best.interval.low == pytest.approx(low, abs=0.03)
    assert best.interval.high == pytest.approx(high, abs=0.03)


def test_of_a_song_that_the_model_does_not_know_nobody_is_named():
    """All of it is unattributed; influence is told as it is."""
    found = scores([2.0, 1.0, 1.0, 0.0, -3.0, 1.0])
    named, _ = shares_of(found, ARTISTS)
    assert [r.significant for r in named] == [True, True, False]
    rows, rest = shares_of(found, ARTISTS, settings=ShareSettings(is_known=False))
    assert [r.share for r in rows] == [0, 0, 0]
    assert not any(r.significant for r in rows)
    assert [r.influence for r in rows] == [3.0, 1.0, -2.0]
    assert rest.share == 1.0
