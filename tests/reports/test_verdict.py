"""The sentences about a verification, misses included."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contrafact.reports import verdict


@pytest.mark.parametrize(
    ("rises", "expected"),
    [
        ((0.033, 0.010, 0.016), "2.1 times as much as removing as many random ones"),
        ((0.033, 0.010, 0.016), "supports the answer. It also did more than removing"),
        ((0.033, 0.033, 0.016), "did as much or more (5.4\u00a0%)"),
        ((0.020, 0.018, 0.016), "only weakly supported. Removing the most similar"),
        ((0.016, 0.010, 0.016), "no more than removing as many random ones"),
        ((0.010, 0.010, 0.016), "this answer is not confirmed"),
        ((-0.01, 0.010, -0.03), "did not raise the loss on this song"),
        ((0.033, 0.010, -0.02), "where removing as many random ones raised nothing"),
        ((0.033, 0.010, 1e-6), "over 20 times as much"),
    ],
)
def test_verdict_states_what_came_out(make, rises, expected):
    """Hits, ties and misses each get their own plain sentence."""
    assert expected in verdict(make.verification(*rises))


def test_a_miss_is_never_called_support(make):
    """No miss reads as a confirmation."""
    found = verdict(make.verification(0.01, 0.005, 0.02))
    assert "supports" not in found
    assert "weakly" not in found


def test_verdict_without_random_or_named_says_so(make):
    """What was not removed cannot be compared with."""
    full = make.verification()
    only = replace(full, removals=(make.removal("named", 0.03),))
    assert "no random ones were removed" in verdict(only)
    none = replace(full, removals=(make.removal("random", 0.03),))
    assert "nothing was checked" in verdict(none)


def test_verdict_prints_no_nan(make):
    """Rises that are not numbers are said to be missing."""
    nan = float("nan")
    for rises in [(nan, 0.1, 0.1), (0.1, nan, 0.1), (0.1, 0.1, nan)]:
        assert "nan " not in verdict(make.verification(*rises)).lower()
