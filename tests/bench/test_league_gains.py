"""What attacks gain, and how far rises are from the true ones."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def load(monkeypatch):
    """Import scripts of the league, which are in no package, and forget them again."""
    for folder in (BENCH, BENCH / "ground_truth", BENCH / "league"):
        monkeypatch.syspath_prepend(str(folder))
    before, paths = set(sys.modules), list(sys.path)
    yield importlib.import_module
    sys.path[:] = paths
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_gains_are_counted_from_nothing_too(load):
    """Those without an income are in the points, and in no ratio."""
    found = load("attacks").compared([0.10, 0.05, 0.0, 0.0], [0.11, 0.10, 0.02, 0.0])
    assert found["points"]["mean"] == pytest.approx(100 * 0.08 / 4)
    assert found["points"]["largest"] == pytest.approx(5.0)
    assert found["part"] == pytest.approx(0.23 / 0.15 - 1, abs=1e-4)
    assert found["mean_part"]["mean"] == pytest.approx((0.1 + 1.0) / 2)
    assert found["largest"] == pytest.approx(1.0)
    assert (found["n_over"], found["n_without"], found["n_from_nothing"]) == (1, 2, 1)


def test_gains_without_any_income_have_no_ratio(load):
    """Nobody was paid before: points alone."""
    found = load("attacks").compared([0.0, 0.0], [0.01, 0.0])
    assert found["part"] is None
    assert found["largest"] is None
    assert found["points"]["mean"] == pytest.approx(0.5)


def test_rises_are_compared_with_true_ones(load):
    """The source that matters most apart from all others."""
    real = np.array([[0.2, 0.1, 0.1], [0.1, 0.0, 0.3]])
    found = np.array([[0.4, 0.1, 0.1], [0.0, 0.0, 0.6]])
    ratio = load("group_search").rise_ratios(found, real)
    assert ratio == {"own": 2.0, "others": pytest.approx(0.67)}
