"""Sorting beside what numpy does."""

from __future__ import annotations

import numpy as np

from contrafact.matching.fingerprint._ordering import in_order


def test_numbers_come_in_order_and_equal_ones_as_they_were(
    rng: np.random.Generator,
) -> None:
    """Negative ones too, and none at all."""
    for n in (0, 1, 2, 1_000):
        values = rng.integers(-20, 20, n)
        ordered, order = in_order(values)
        assert (order == np.argsort(values, kind="stable")).all()
        assert (ordered == values[order]).all()
