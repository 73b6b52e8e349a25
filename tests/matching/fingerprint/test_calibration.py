"""What a level of evidence says in a small and in a large index."""

from __future__ import annotations

import pytest

from contrafact.matching.fingerprint._calibration import (
    _calibration,
    false_match_probability,
)


def test_a_larger_index_makes_the_same_evidence_less_certain() -> None:
    """For each right answer there are as many more wrong ones as there are hours."""
    hours = _calibration().hours
    for value in (-1.0, 2.0, 5.0):
        small, large = (false_match_probability(value, n * hours) for n in (1, 100))
        assert large / (1 - large) == pytest.approx(100 * small / (1 - small))


def test_a_smaller_index_makes_no_evidence_more_certain() -> None:
    """What is wrong in a few recordings need not be rarer than was seen."""
    hours = _calibration().hours
    expected = false_match_probability(3.0, hours)
    assert false_match_probability(3.0, 0.01 * hours) == expected


def test_more_evidence_is_never_less_certain() -> None:
    """The probability falls with the evidence, and is one of between 0 and 1."""
    found = [false_match_probability(value / 4, 900.0) for value in range(-400, 400)]
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < found[0] < 1
