"""Best pairs of windows, and what music of other works reaches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.matching.encoders.scoring import (
    FEWEST,
    Cohort,
    best_pairs,
    cohort_of,
    nearness_between,
    unit,
)


def _slow_pairs(near: np.ndarray, n_pairs: int) -> list[tuple[int, int]]:
    """Take the nearest pair, strike out its row and column, and so on."""
    rows, columns = set(range(near.shape[0])), set(range(near.shape[1]))
    found = []
    while rows and columns and len(found) < n_pairs:
        best = max(
            itertools.product(sorted(rows), sorted(columns)), key=near.__getitem__
        )
        found.append(best)
        rows.discard(best[0])
        columns.discard(best[1])
    return found


@given(
    n_query=st.integers(1, 6),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    n_pairs=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_pairs_are_those_of_the_slow_twin(
    n_query: int, sizes: list[int], n_pairs: int, seed: int
) -> None:
    """For recordings of any length, all at once."""
    rng = np.random.default_rng(seed)
    near = [rng.normal(size=(n_query, n)).astype(np.float32) for n in sizes]
    made = best_pairs(near, n_pairs=n_pairs)
    for i, one in enumerate(near):
        wanted = _slow_pairs(one, n_pairs)
        kept = made.query[i] >= 0
        pairs = list(zip(made.query[i][kept], made.reference[i][kept], strict=True))
        assert pairs == wanted
        assert made.score[i] == pytest.approx(
            np.mean([one[p] for p in wanted]), abs=1e-5
        )


def test_nearness_is_a_cosine_or_a_distance() -> None:
    """Both grow as vectors come nearer; a cosine forgets how long they are."""
    query = np.array([[3.0, 4.0]], np.float32)
    others = np.array([[6.0, 8.0], [4.0, -3.0], [0.0, 0.0]], np.float32)
    cosine = nearness_between(unit(query), unit(others), "cosine")[0]
    np.testing.assert_allclose(cosine, [1, 0, 0], atol=1e-6)
    distance = nearness_between(query, others, "distance")[0]
    np.testing.assert_allclose(distance, [-12.5, -25, -12.5], atol=1e-5)
    assert nearness_between(query, query, "distance")[0, 0] == 0


def test_a_cohort_is_that_of_the_slow_twin() -> None:
    """Every piece on the scale that the other ones make, of logarithms."""
    rng = np.random.default_rng(0)
    distances = rng.random(size=(9, 6)).astype(np.float32)
    is_other = rng.random((9, 6)) < 0.8
    made = cohort_of(distances, is_other)
    assert made.unit == np.median(distances[is_other])
    levels = -np.log(distances / made.unit + 1e-3)
    best = []
    for i in range(9):
        heights = []
        for j in range(6):
            rest = [levels[k, j] for k in range(9) if k != i and is_other[k, j]]
            if is_other[i, j]:
                heights.append((levels[i, j] - np.mean(rest)) / np.std(rest))
        best.append(max(heights))
    np.testing.assert_allclose(made.best, sorted(best), rtol=1e-3)
    for j in range(6):
        column = levels[is_other[:, j], j]
        assert made.mean[j] == pytest.approx(column.mean(), abs=1e-5)
        assert made.spread[j] == pytest.approx(column.std(), abs=1e-4)
    heights = made.heights(distances[0])
    np.testing.assert_allclose(
        heights, (levels[0] - made.mean) / made.spread, rtol=1e-4, atol=1e-5
    )


def test_units_of_distance_do_not_matter() -> None:
    """Nor does a cohort that is all the same, or empty."""
    rng = np.random.default_rng(0)
    distances, is_other = rng.random((9, 6)), np.ones((9, 6), bool)
    one, other = (cohort_of(k * distances, is_other) for k in (1.0, 1e6))
    np.testing.assert_allclose(one.best, other.best, rtol=1e-5)
    flat = cohort_of(np.zeros((3, 2)), np.ones((3, 2), bool))
    assert np.isfinite(flat.heights(np.zeros(2))).all()
    alone = cohort_of(np.zeros((1, 1)), np.zeros((1, 1), bool))
    assert len(alone.best) == 0


def test_p_values_count_those_that_reach_as_much() -> None:
    """Add one to both, so that none is 0; with too few pieces all are 1."""
    best = np.arange(FEWEST, dtype=np.float32)
    cohort = Cohort(unit=1.0, mean=np.zeros(1), spread=np.ones(1), best=best)
    p = cohort.p_values(np.array([-1.0, 0.0, 17.5, 99.0], np.float32))
    np.testing.assert_allclose(p, [1, 1, 0.1, 0.05])
    few = Cohort(unit=1.0, mean=np.zeros(1), spread=np.ones(1), best=best[:-1])
    assert few.p_values(np.array([99.0], np.float32)).tolist() == [1.0]
