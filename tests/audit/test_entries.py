from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.audit.entries import (
    canonical,
    commit,
    commitment_of,
    format_time,
    make_entry,
    parse_entry,
    parse_time,
)
from contrafact.core.errors import EntryError

texts = st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.text("abcXYZ_09", max_size=5), below, max_size=4)
    ),
    max_leaves=12,
)


@given(documents)
def test_the_canonical_form_is_read_back_and_is_one(document: Any) -> None:
    """It is JSON of the same value, and its own canonical form."""
    data = canonical(document)
    assert json.loads(data) == document
    assert canonical(json.loads(data)) == data


def test_the_canonical_form_is_that_of_rfc_8785() -> None:
    """As in the RFC's own example, for the values that are allowed here."""
    document = {"string": '€$\u000f\nA\'B"\\\\"/', "literals": [None, True, False]}
    expected = r"""{"literals":[null,true,false],"string":"€$\u000f\nA'B\"\\\\\"/"}"""
    assert canonical(document).decode() == expected


@pytest.mark.parametrize(
    "bad", [0.5, float("nan"), 2**53, b"bytes", {1: 2}, {"ü": 1}, {"a": [{"b": {1}}]}]
)
def test_what_readers_could_take_in_two_ways_is_refused(bad: Any) -> None:
    """Fractions, numbers no double holds, names that sort in two ways."""
    with pytest.raises(EntryError):
        canonical(bad)
    with pytest.raises(EntryError):
        canonical({"a": [bad]})


def test_half_a_surrogate_pair_is_refused() -> None:
    """It has no form in UTF-8."""
    with pytest.raises(EntryError, match="surrogate"):
        canonical("\ud800")


@given(documents, st.binary(min_size=32, max_size=32))
def test_commitments_open_with_their_salt_and_value_alone(
    value: Any, salt: bytes
) -> None:
    """Another salt or another value makes another commitment."""
    made = commitment_of(value, salt=salt)
    assert made != commitment_of(value, salt=salt[:-1] + bytes([salt[-1] ^ 1]))
    assert made != commitment_of([value], salt=salt)


def test_private_values_do_not_show() -> None:
    """The entry holds commitments, equal values do not look equal, reveals open."""
    private = {"a": "Ann", "b": "Ann"}
    entry, reveals = make_entry("consent", {"work": "W-1"}, private=private)
    assert b"Ann" not in canonical(entry)
    assert entry["private"]["a"] != entry["private"]["b"]
    assert {r.field: r.value for r in reveals} == private
    assert all(r.is_true for r in reveals)
    shown = {r.field: {"commitment": r.commitment} for r in reveals}
    assert shown == entry["private"]
    again = commit(private)[0]
    assert again["a"] != entry["private"]["a"]


def test_entries_of_other_kinds_or_forms_are_refused() -> None:
    """An unknown kind, and bytes that are not the one form of an entry."""
    with pytest.raises(EntryError, match="no kind of entry 'gossip'"):
        make_entry("gossip", {})
    entry = make_entry("policy", {"a": 1})[0]
    good = canonical({**entry, "time": "2026-01-01T00:00:00.000000Z"})
    assert parse_entry(good)["body"] == {"a": 1}
    bad = [b"{", b"[]", good + b" ", good.replace(b'"format":1', b'"format":2')]
    bad += [good.replace(b"policy", b"gossip"), canonical(entry)]
    for data in bad:
        with pytest.raises(EntryError):
            parse_entry(data)


def test_times_are_utc_and_sort_as_texts() -> None:
    """What is written is read back; a time without zone is refused."""
    when = datetime(2026, 3, 1, 9, 30, 0, 7, tzinfo=UTC)
    assert format_time(when) == "2026-03-01T09:30:00.000007Z"
    assert parse_time(format_time(when)) == when
    with pytest.raises(EntryError, match="no time zone"):
        format_time(datetime(2026, 1, 1))
    with pytest.raises(EntryError, match="no time of the form"):
        parse_time("yesterday")
