from __future__ import annotations

import numpy as np
import pytest

from contrafact.core.matches import AspectMatch, WorkMatch
from contrafact.matching.studio_map import (
    FEATURES,
    expected_shares,
    fit_weights,
    read_map,
    source_features,
)


def test_weights_that_made_the_shares_are_found_again(rng: np.random.Generator) -> None:
    """Shares made by known weights give these weights back."""
    true = np.array([2.0, 0.0, 0.7])
    songs = []
    for _ in range(40):
        features = rng.random((12, 3))
        powers = np.exp(features @ true)
        songs.append((features, powers / powers.sum()))
    np.testing.assert_allclose(fit_weights(songs, ridge=1e-9), true, atol=0.05)


def test_likeness_never_speaks_against_a_source(rng: np.random.Generator) -> None:
    """A feature of the sources with small shares gets no negative weight."""
    features = rng.random((12, 2))
    powers = np.exp(-3 * features[:, 0])
    found = fit_weights([(features, powers / powers.sum())])
    assert (found >= 0).all()


def test_shares_of_sources_sum_to_one() -> None:
    """More likeness, more share; nothing to tell them apart, equal shares."""
    features = {"a": (0.0, 1.0), "b": (0.0, 0.0)}
    shares = expected_shares(features, (1.0, 2.0))
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["a"] > shares["b"]
    assert expected_shares(features, (1.0, 0.0)) == {"a": 0.5, "b": 0.5}
    assert expected_shares({}, (1.0,)) == {}


def test_features_are_the_best_that_a_source_has() -> None:
    """Each column is the best over the source's recordings, the last their mean."""
    melody = AspectMatch(score=1.0, p_value=1e-3)
    work = WorkMatch(
        work_id="W", recording_id="r2", joint=0.01, aspects={"melody": melody},
        transposition_semitones=0.0,
    )  # fmt: skip
    found = source_features(
        {"r1": "a", "r2": "a", "r3": "b"},
        covered={"r1": 0.4},
        works=[work],
        style={"r1": 0.0, "r2": 1.0, "r3": 0.5},
    )
    assert list(found) == ["a", "b"]
    a = dict(zip(FEATURES, found["a"], strict=True))
    assert (a["recording"], a["melody"], a["harmony"]) == (0.4, pytest.approx(3.0), 0)
    assert a["style"] == pytest.approx(1.2247, abs=1e-3)
    assert a["style_mean"] == pytest.approx(0.0, abs=1e-9)


def test_the_map_that_comes_with_the_package_states_its_error() -> None:
    """Weights for every feature, and what they were worth on other songs."""
    found = read_map()
    assert found is not None
    assert len(found.weights) == len(FEATURES)
    assert found.rank_interval[0] <= found.rank_correlation <= found.rank_interval[1]
    assert 0 < found.mean_error < 1
    assert found.n_songs >= 20
