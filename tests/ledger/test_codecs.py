from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.core.entities import Problem
from contrafact.core.errors import AllocationError
from contrafact.ledger.codecs import (
    attribution_records,
    exact,
    play_from_json,
    play_to_json,
    plays_to_csv,
    read_plays,
    utilities_from_json,
)
from contrafact.ledger.records import PlayEvent

WORDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1
)
EVENTS = st.builds(
    PlayEvent,
    event_id=WORDS,
    output_id=WORDS,
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
        lambda at: at.replace(tzinfo=UTC)
    ),
    amount_minor=st.integers(0, 10**18),
    currency=st.sampled_from(["EUR", "JPY"]),
    user=st.text(st.characters(whitelist_categories=("L", "N"))),
    territory=st.sampled_from(["", "DE"]),
    kind=st.just("play"),
)


def _read(text: str) -> tuple[list[PlayEvent], list[Problem]]:
    problems: list[Problem] = []
    lines = text.splitlines(keepends=True)
    return list(read_plays(lines, source="f", report=problems.append)), problems


@given(st.lists(EVENTS, min_size=1, max_size=5))
def test_events_survive_json_and_csv(events: list[PlayEvent]) -> None:
    """What is written is read again, in both forms, without a problem."""
    lines = "".join(json.dumps(play_to_json(e)) + "\n" for e in events)
    assert _read(lines) == (events, [])
    assert _read(plays_to_csv(events)) == (events, [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount_minor": -1}, "amount_minor is -1"),
        ({"amount_minor": 1.5}, "amount_minor is '1.5'"),
        ({"amount_minor": True}, "amount_minor is 'True'"),
        ({"at": "2026-01-01T00:00:00"}, "without a zone"),
        ({"at": "yesterday"}, "at is 'yesterday'"),
        ({"currency": None}, "currency is missing"),
        ({"output_id": ""}, "needs an output_id"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    """The message says which field, and what it was."""
    plain = {
        "event_id": "e",
        "output_id": "o",
        "at": "2026-01-01T00:00:00Z",
        "amount_minor": 1,
        "currency": "EUR",
    }
    with pytest.raises(AllocationError, match=message):
        play_from_json({**plain, **changes})


def test_wrong_lines_are_left_out_with_their_number() -> None:
    """The rest of the file counts."""
    good = '{"event_id":"e","output_id":"o","at":"2026-01-01T00:00:00+02:00",'
    good += '"amount_minor":1,"currency":"EUR"}'
    events, problems = _read(f"{good}\nnonsense\n[1]\n\n{good}\n")
    assert [e.at.utcoffset() for e in events] == [timedelta(hours=2)] * 2
    assert [p.source for p in problems] == ["f:2", "f:3"]


def _document(rows: list[tuple[str, float]], rest: float) -> dict[str, Any]:
    shares = [{"id": i, "share": s, "interval": [s / 2, s * 1.5]} for i, s in rows]
    return {
        "attribution_id": "A-1",
        "query": {"digest": "d"},
        "model": {"digest": "m"},
        "corpus": {"digest": "c"},
        "tables": {
            "recording": {"shares": shares, "unattributed": {"share": rest}},
        },
    }


def test_shares_become_the_decimals_that_the_file_states() -> None:
    """A share is cut to twelve decimals; what is cut off is unattributed."""
    document = _document([("a", 1 / 3), ("b", 0.1), ("z", 0.0)], 1 - 1 / 3 - 0.1)
    found = attribution_records(document)["recording"]
    a, b, z = found.shares
    assert a.share == Fraction(333_333_333_333, 10**12)
    assert (b.share, z.is_significant) == (Fraction(1, 10), False)
    assert (b.low, b.high) == (Fraction(1, 20), exact(0.1 * 1.5, is_up=True))
    assert found.unattributed == 1 - a.share - b.share


def test_shares_that_do_not_sum_are_refused() -> None:
    """A file that was edited by hand is not paid by."""
    with pytest.raises(AllocationError, match="not 1 together"):
        attribution_records(_document([("a", 0.6), ("b", 0.3)], 0.3))
    with pytest.raises(AllocationError, match="no attribution"):
        attribution_records({"shares": []})


@given(st.floats(0, 1))
def test_exact_brackets_the_number(number: float) -> None:
    """Down is at most the number, up at least, and both within 10**-12."""
    down, up = exact(number), exact(number, is_up=True)
    assert down <= Fraction(Decimal(str(number))) <= up
    assert up - down <= Fraction(1, 10**12)


@pytest.mark.parametrize("text", ["NaN", "inf", "1/0", "many", "1/x"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Money follows finite numbers only."""
    with pytest.raises(AllocationError, match="no number that money can follow"):
        exact(text)


def test_utilities_are_read_by_coalition() -> None:
    """The order of groups in a coalition is no matter."""
    found = utilities_from_json({"o": [{"groups": ["b", "a"], "utility": "1/2"}]})
    assert found == {"o": {frozenset({"a", "b"}): Fraction(1, 2)}}
    with pytest.raises(AllocationError, match="table of utilities"):
        utilities_from_json({"o": [{"groups": ["a"]}]})
