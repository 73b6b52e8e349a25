from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from contrafact.attribution.evaluation import (
    correlations,
    datamodeling_scores,
    ndcg,
    positive_shares,
    rank_correlations,
    resampled,
    same_first,
    seed_ceiling,
    share_errors,
)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 12))
def test_rank_correlation_is_that_of_scipy_with_ties(seed, n):
    """Equal values share their rank, as another implementation has it."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, (2, 1, n)).astype(float)
    if len(set(a[0])) > 1 and len(set(b[0])) > 1:
        assert rank_correlations(a, b)[0] == pytest.approx(
            stats.spearmanr(a[0], b[0])[0]
        )
        assert correlations(a, b)[0] == pytest.approx(stats.pearsonr(a[0], b[0])[0])


def test_what_orders_nothing_correlates_with_nothing():
    """A constant row has correlation 0 and is no number that is not one."""
    flat, slope = np.ones((1, 5)), np.arange(5.0)[None]
    assert correlations(flat, slope)[0] == 0
    assert rank_correlations(slope, flat)[0] == 0


def test_true_influence_has_datamodeling_score_one(rng):
    """Where losses are sums over what was left out, true scores order them fully."""
    scores = rng.normal(size=(4, 20))
    left_out = (rng.random((15, 20)) < 0.5).astype(float)
    rises = scores @ left_out.T
    assert datamodeling_scores(scores, left_out, rises) == pytest.approx(1.0)
    assert datamodeling_scores(-scores, left_out, rises) == pytest.approx(-1.0)


def test_shares_are_of_the_positive_part():
    """What hurts has no share, and nothing at all has none to give."""
    found = positive_shares(np.array([[3.0, 1.0, -2.0], [-1.0, -1.0, 0.0]]))
    assert found.tolist() == [[0.75, 0.25, 0.0], [0.0, 0.0, 0.0]]
    assert share_errors(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))[0] == 1.0


def test_first_and_first_three_reward_the_right_order():
    """The best order has NDCG 1, the worst less; the first counts alone in Top-1."""
    truth = np.array([[4.0, 3.0, 2.0, 1.0]])
    assert ndcg(truth, truth)[0] == pytest.approx(1.0)
    assert ndcg(-truth, truth)[0] < 0.7
    assert same_first(truth, truth)[0] == 1
    assert same_first(-truth, truth)[0] == 0


def test_ceiling_is_what_the_truth_itself_reaches():
    """With noise of known size, the truth correlates with its measurement so much."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 30))
    by_seed = truth + rng.normal(size=(2, 400, 30))
    reached = correlations(truth, by_seed.mean(0)).mean()
    assert seed_ceiling(by_seed, correlations)[0] == pytest.approx(reached, abs=0.02)


def test_ceiling_of_seeds_that_agree_on_nothing_is_zero():
    """Disagreement is no negative ceiling."""
    one = np.arange(10.0)[None]
    assert seed_ceiling(np.array([one, -one]), correlations)[0] == 0


def test_interval_holds_the_mean_and_narrows_with_queries(rng):
    """More queries say more; the same seed says the same."""
    values = rng.normal(1.0, 1.0, size=400)

    def figure(n):
        return resampled(lambda q, _: values[:n][q], n_queries=n, n_subsets=1)

    few, many = figure(25), figure(400)
    assert few.low < few.mean < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert figure(25) == few


def test_a_ceiling_is_that_of_as_many_seeds_as_were_averaged() -> None:
    """One seed allows the root of what two agree on; more seeds allow more."""
    rng = np.random.default_rng(5)
    by_seed = rng.normal(size=(1, 40, 30)) + 0.7 * rng.normal(size=(2, 40, 30))
    agreement = float(correlations(by_seed[0], by_seed[1]).mean())
    one, two, four = (
        seed_ceiling(by_seed, correlations, n_averaged=n)[0] for n in (1, None, 4)
    )
    assert one == pytest.approx(agreement**0.5)
    assert one < two < four < 1
