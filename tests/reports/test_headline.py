"""The answer in one sentence: its percentages, its parts, its refusals."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.core.errors import ReportError
from contrafact.core.results import Interval, Unattributed
from contrafact.reports import headline, render_html, render_text
from contrafact.reports.headline import no_answer, whole_percentages


def explained(make, shares, rest):
    """Return an attribution by artist of just these shares."""
    table = tuple(make.share(name, value) for name, value in shares.items())
    left = Unattributed(share=rest, interval=Interval(low=0, high=1), n_sources=3)
    return replace(
        make.attribution(24), tables={"artist": table}, unattributed={"artist": left}
    )


def test_headline_names_three_then_others_then_the_rest(make):
    """The three best sources are named; the others are summed."""
    shares = {"Joplin": 0.41, "Bach": 0.17, "O'Neill": 0.09, "Haydn": 0.07, "B": 0.03}
    assert headline(explained(make, shares, 0.23)) == (
        "41 % Joplin, 17 % Bach, 9 % O'Neill, 10 % others, 23 % unattributed"
    )


def test_what_a_cut_table_leaves_out_counts_as_others(make):
    """A table that lists only its best sources does not lose the others."""
    assert headline(explained(make, {"Joplin": 0.5}, 0.2)) == (
        "50 % Joplin, 30 % others, 20 % unattributed"
    )


def test_all_unattributed_names_nobody(make):
    """Sources with a share of 0 are not named."""
    found = headline(explained(make, {"Joplin": 0.0, "Bach": 0.0}, 1.0))
    assert found == "100 % unattributed"


def test_where_there_is_no_answer_the_reason_is_said(make):
    """That no source stands out, or that the model does not know the song at all."""
    none = explained(make, {"Joplin": 0.0, "Bach": 0.0}, 1.0)
    stands_out = "No answer: no artist stands out more than on songs without a source."
    assert no_answer(none) == stands_out
    assert f"100 % unattributed\n{stands_out}\n" in render_text(none)
    assert no_answer(explained(make, {"Joplin": 0.5}, 0.5)) == ""
    unknown = replace(none, query=replace(none.query, learned=0.3, least_learned=0.4))
    assert no_answer(unknown) == "No answer: the model hardly knows this song."
    assert no_answer(unknown) in render_text(unknown)
    assert stands_out not in render_text(unknown)
    for one, reason in ((none, stands_out), (unknown, no_answer(unknown))):
        assert f" {reason}" in render_html(make.inputs(attribution=one))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda v: sum(v) > 0))
def test_whole_percentages_sum_to_100_and_stay_near(values):
    """Largest remainder moves no percentage by a whole point."""
    fractions = [v / sum(values) for v in values]
    whole = whole_percentages(fractions)
    assert sum(whole) == 100
    assert all(abs(w - 100 * f) < 1 for w, f in zip(whole, fractions, strict=True))


@given(
    st.lists(st.floats(0, 1), max_size=12),
    st.floats(1e-3, 1),
)
def test_headline_sums_to_100_for_any_shares(make, values, rest):
    """The printed sentence sums to 100 whatever the shares."""
    total = sum(values) + rest
    shares = {f"A{i}": v / total for i, v in enumerate(sorted(values, reverse=True))}
    numbers = re.findall(r"(\d+) %", headline(explained(make, shares, rest / total)))
    assert sum(map(int, numbers)) == 100


@pytest.mark.parametrize(
    ("shares", "rest"),
    [({"A": float("nan")}, 0.2), ({"A": 0.9}, 0.2), ({"A": 0.0}, 0.0), ({"A": -1}, 1)],
)
def test_shares_of_no_whole_are_refused(make, shares, rest):
    """Shares that are no parts of one whole are an error, not a guess."""
    with pytest.raises(ReportError, match="by artist"):
        headline(explained(make, shares, rest))


def test_long_names_are_shortened(make):
    """A very long name does not swamp the sentence."""
    found = headline(explained(make, {"x" * 5000: 0.6}, 0.4))
    assert len(found) < 120
    assert "…" in found
