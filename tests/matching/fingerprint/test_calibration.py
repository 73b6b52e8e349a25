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
        some, more = (false_match_probability(30, value, n * hours) for n in (2, 200))
        assert more / (1 - more) == pytest.approx(100 * some / (1 - some))


def test_a_smaller_index_makes_no_evidence_more_certain() -> None:
    """What is wrong in a few recordings need not be rarer than was seen."""
    hours = _calibration().hours
    expected = false_match_probability(3.0, -99.0, hours)
    assert false_match_probability(3.0, -99.0, 0.01 * hours) == expected


def test_both_kinds_of_evidence_are_needed_in_a_large_index() -> None:
    """What either of them takes for wrong is not certain."""
    hours = 2 * _calibration().hours
    for value, strict in ((-5.0, 20.0), (20.0, -5.0)):
        assert false_match_probability(value, strict, hours) > 0.5
    assert false_match_probability(20.0, 20.0, hours) < 1e-4


def test_more_evidence_is_never_less_certain() -> None:
    """The probability falls with the evidence, and is one of between 0 and 1."""
    levels = (value / 4 for value in range(-400, 400))
    found = [false_match_probability(level, level, 900.0) for level in levels]
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < found[0] < 1
