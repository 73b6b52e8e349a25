from __future__ import annotations

from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.core.errors import ConsentError
from contrafact.rights import (
    Holder,
    HoldingRight,
    RightsHolding,
    SubjectKind,
    Territory,
    share_problems,
)
from contrafact.rights.parties import parse_share

Make = Callable[..., RightsHolding]


@pytest.fixture
def holding() -> Make:
    """Return a function that makes shares of the mechanical right in a work."""

    def make(share: str, **changes: Any) -> RightsHolding:
        plain: dict[str, Any] = {
            "right": HoldingRight.MECHANICAL,
            "subject_kind": SubjectKind.WORK,
            "subject_id": "W-17",
            "holder": Holder(name="Ann"),
            "share": Fraction(share),
            "source": "shares.csv:2",
            "source_digest": "0" * 64,
        }
        return RightsHolding(**plain | changes)

    return make


def _messages(*holdings: RightsHolding) -> list[str]:
    return [problem.message for problem in share_problems(holdings)]


def test_shares_that_sum_to_one_are_no_problem(holding: Make) -> None:
    """Thirds are exact."""
    assert _messages(holding("1/3"), holding("1/3"), holding("1/3")) == []


def test_what_is_missing_is_named(holding: Make) -> None:
    """The message says how much, of what, and what to do."""
    assert _messages(holding("1/2"), holding("5/12")) == [
        "Shares of work W-17 (mechanical, worldwide) sum to 11/12, not 1. "
        "Add the missing 1/12 or mark it unclaimed."
    ]


def test_an_unclaimed_part_makes_it_whole(holding: Make) -> None:
    """A holding without a party counts."""
    assert _messages(holding("11/12"), holding("1/12", holder=None)) == []


def test_rights_are_summed_apart(holding: Make) -> None:
    """A whole performance right does not fill up half a mechanical one."""
    other = holding("1", right=HoldingRight.PERFORMANCE)
    assert len(_messages(holding("1/2"), other)) == 1


def test_territories_are_summed_apart(holding: Make) -> None:
    """Too much in one country is told for that country alone."""
    most = holding("1", territory=Territory.parse("worldwide -FR"))
    france = [holding("2/3", territory=Territory.parse("FR")) for _ in range(2)]
    [message] = _messages(most, *france)
    assert "(mechanical, FR)" in message
    assert "sum to 4/3" in message
    assert "Take 1/3 away" in message


def test_days_are_summed_apart(holding: Make) -> None:
    """Terms that overlap are too much while they do, and only then."""
    first = holding("1", valid_until=date(2025, 12, 31))
    second = holding("1", valid_from=date(2025, 12, 1))
    [message] = _messages(first, second)
    assert "from 2025-12-01 until 2025-12-31" in message
    gap = holding("1", valid_from=date(2026, 2, 1))
    assert _messages(first, gap) == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_parts_of_a_whole_are_never_a_problem(parts: list[int]) -> None:
    """However odd the fractions."""
    shares = [
        RightsHolding(
            right=HoldingRight.MASTER,
            subject_kind=SubjectKind.RECORDING,
            subject_id="R",
            holder=Holder(name=str(i)),
            share=Fraction(part, sum(parts)),
            source="drawn",
            source_digest="",
        )
        for i, part in enumerate(parts)
    ]
    assert list(share_problems(shares)) == []
    assert len(list(share_problems(shares[1:]))) == (1 if len(shares) > 1 else 0)


@pytest.mark.parametrize(
    ("text", "share"),
    [("1/3", "1/3"), ("0.1", "1/10"), ("12.5%", "1/8"), ("33 1/3", None), ("a", None)],
)
def test_shares_are_exact(text: str, share: str | None) -> None:
    """A decimal is the fraction that it says, not the nearest float."""
    if share is None and text == "a":
        with pytest.raises(ConsentError, match="no share"):
            parse_share(text)
    elif share is not None:
        assert parse_share(text) == Fraction(share)


@pytest.mark.parametrize("share", ["0", "-1/2", "3/2"])
def test_a_share_is_a_part(holding: Make, share: str) -> None:
    """Nothing, less, or more than all is refused."""
    with pytest.raises(ConsentError, match="at most 1"):
        holding(share)


def test_terms_that_run_backwards_are_refused(holding: Make) -> None:
    """The record cannot be made."""
    with pytest.raises(ConsentError, match="backwards"):
        holding("1", valid_from=date(2026, 1, 2), valid_until=date(2026, 1, 1))
