from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.workflows.membership import (
    area_interval,
    membership,
    proportion_interval,
)

_LOSSES = st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=20)


@given(members=_LOSSES, others=_LOSSES)
def test_the_area_is_the_chance_of_the_lower_loss(
    members: list[float], others: list[float]
) -> None:
    """It equals a count over all pairs, and the threshold keeps its promise."""
    found = membership(members, others)
    wins = sum((a < b) + 0.5 * (a == b) for a in members for b in others)
    assert found.area == pytest.approx(wins / len(members) / len(others))
    assert found.false_positive_rate is not None
    assert found.false_positive_rate <= 0.1
    assert found.area_interval is not None
    assert (
        found.area_interval.low - 1e-6 <= found.area <= found.area_interval.high + 1e-6
    )


def test_a_perfect_attack_has_power_one_and_an_honest_interval() -> None:
    """Five of five found says less than fifty of fifty."""
    few = membership([0.0] * 5, [1.0] * 5)
    many = membership([0.0] * 50, [1.0] * 50)
    assert few.area == many.area == few.power == many.power == 1.0
    assert few.area_interval is not None
    assert many.area_interval is not None
    assert few.area_interval.low < 0.8 < many.area_interval.low < 1.0


def test_without_anything_to_compare_with_nothing_is_said() -> None:
    """No number is made up where there is no group."""
    found = membership([1.0], [])
    assert found.area is None
    assert found.power is None
    assert found.n_members == 1


def test_the_interval_covers_about_as_often_as_it_says() -> None:
    """Of 400 draws from one distribution, 0.5 lies in at least 85 % of intervals."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        a, b = rng.normal(size=8), rng.normal(size=12)
        interval = area_interval(float((a[:, None] < b).mean()), 8, 12)
        hits += interval.low <= 0.5 <= interval.high
    assert 0.85 <= hits / 400 <= 0.99


def test_proportions_have_exact_intervals() -> None:
    """Known values of Clopper and Pearson for 0, 5 and 10 of 10, at 90 %."""
    assert proportion_interval(0, 10).high == pytest.approx(0.2589, abs=1e-4)
    assert proportion_interval(10, 10).low == pytest.approx(0.7411, abs=1e-4)
    half = proportion_interval(5, 10)
    assert (half.low, half.high) == pytest.approx((0.2224, 0.7776), abs=1e-4)
