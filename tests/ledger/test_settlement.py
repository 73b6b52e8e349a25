"""Who gets what: exact sums, gaps, versions, disputes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.core.errors import JournalError, PlanError, StatementError
from contrafact.ledger._plays import PotKey
from contrafact.ledger._reading import Pot
from contrafact.ledger.balance import balance_document
from contrafact.ledger.book import Book, Known, parse_period
from contrafact.ledger.closing import close_period, pay_period, period_of
from contrafact.ledger.evidence import payment_evidence
from contrafact.ledger.exports import write_statement
from contrafact.ledger.journal import Journal
from contrafact.ledger.rates import (
    PlanLine,
    RateCard,
    SplitPlan,
    card_from_json,
    card_to_json,
    plan_from_json,
    plan_to_json,
)
from contrafact.ledger.recompute import payment_problems
from contrafact.ledger.records import PlayEvent
from contrafact.ledger.settlement import gather, standing_at
from contrafact.ledger.statements import make_statement
from contrafact.ledger.trees import canonical, fraction_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sums(journal: Journal) -> dict[str, Any]:
    """Return the balance in euro."""
    book, pots = journal.snapshot()
    found: dict[str, Any] = balance_document(pots, book)["currencies"]["EUR"]
    return found


def one(number: int, amount: int, *, day: int = 0, output: str = "song-0") -> PlayEvent:
    """Return a play some days after the start."""
    return PlayEvent(
        event_id=f"e{number}",
        output_id=output,
        at=START + timedelta(days=day),
        amount_minor=amount,
        currency="EUR",
    )


def made_plan(output: str, parts: list[int]) -> SplitPlan:
    """Return a plan with payees in these proportions."""
    whole = sum(parts)
    lines = tuple(
        PlanLine(
            bucket="attributed",
            payee=f"P-{n}",
            right="master",
            source_id=f"R-{n}",
            weight=Fraction(part, whole),
        )
        for n, part in enumerate(parts)
        if part
    )
    return SplitPlan(
        output_id=output,
        lines=lines,
        attribution_id="A",
        model="m",
        corpus="c",
        policy="influence/1",
        valid_from=date(1971, 1, 1),
    )


PARTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(any)


@given(
    st.lists(st.tuples(PARTS, st.integers(0, 10**12)), min_size=1, max_size=6),
    st.fractions(0, 1, max_denominator=1000),
)
def test_sums_equal_what_came_in(
    outputs: list[tuple[list[int], int]], rate: Fraction
) -> None:
    """To the unit, for any plans and amounts; and nobody is a unit or more off."""
    plans = [made_plan(f"o{n}", parts) for n, (parts, _) in enumerate(outputs)]
    card = RateCard(currency="EUR", rate=rate, valid_from=date(2026, 1, 1))
    pots = [
        Pot(
            PotKey(f"o{n}", "EUR", "2026-03-01", "", "play", "2026-03"), amount, 0, 1, 0
        )
        for n, (_, amount) in enumerate(outputs)
    ]
    book = Book(plans=[Known(p, "") for p in plans], cards=[Known(card, "")])
    standing = standing_at(gather(pots, book, as_of="2026-03"), book)["EUR"]
    assert sum(standing.amounts.values()) == sum(amount for _, amount in outputs)
    for account, exact in standing.exact.items():
        assert abs(standing.amounts[account] - exact) < 1
        rest = exact - floor(exact)
        won = bool(rest and standing.cut and standing.cut.gives(rest, account))
        assert standing.amounts[account] == floor(exact) + won


def test_a_cent_over_many_plays_does_not_drift(journal: Journal, plan: Any) -> None:
    """Thirds of single cents end at a third each, not at what rounding left."""
    journal.add_plans([plan("song-0", a="1/3", b="1/3", c="1/3")])
    journal.post([one(n, 1) for n in range(3000)])
    assert sums(journal)["payees"] == {"a": 1000, "b": 1000, "c": 1000}


def test_a_hundred_thousand_payees_and_one_unit() -> None:
    """One of them gets it, the same one every time."""
    count = 100_000
    book = Book(plans=[Known(made_plan("o", [1] * count), "")])
    key = PotKey("o", "EUR", "2026-03-01", "", "play", "2026-03")
    pools = gather([Pot(key, 1, 0, 1, 0)], book, as_of="2026-03")
    amounts = standing_at(pools, book)["EUR"].amounts
    assert {a: n for a, n in amounts.items() if n} == {"payee:P-0": 1}


def test_what_has_no_plan_is_held_until_it_has(journal: Journal, plan: Any) -> None:
    """With the reason and its age; a plan that comes later counts for it."""
    journal.post([one(0, 10), one(1, 5, day=3)])
    assert sums(journal)["held"] == {
        "no-attribution": {"minor": 15, "since": "2026-03-01"}
    }
    journal.add_plans([plan("song-0", a=1, valid_from=date(2026, 3, 3))])
    found = sums(journal)
    assert found["payees"] == {"a": 5}
    assert found["held"] == {"plan-gap": {"minor": 10, "since": "2026-03-01"}}
    journal.add_plans([plan("song-0", b=1, valid_until=date(2026, 3, 2))])
    assert sums(journal)["payees"] == {"a": 5, "b": 10}


def test_a_gap_in_the_rates_is_held(journal: Journal, plan: Any) -> None:
    """Without a card all is royalty; with one, uncovered days wait."""
    journal.add_plans([plan("song-0", a=1)])
    journal.post([one(0, 10), one(1, 10, day=31)])
    assert sums(journal)["payees"] == {"a": 20}
    card = RateCard(currency="EUR", rate=Fraction(3, 10), valid_from=date(2026, 4, 1))
    assert journal.add_card(card)
    assert not journal.add_card(card)
    found = sums(journal)
    assert (found["payees"], found["platform"]) == ({"a": 3}, 7)
    assert found["held"]["rate-gap"]["minor"] == 10


def test_versions_must_not_overlap(journal: Journal, plan: Any) -> None:
    """Unless the new one says which it replaces; that one ends the day before."""
    old = plan("song-0", a=1)
    journal.add_plans([old])
    assert journal.add_plans([old]) == 0
    later = {"valid_from": date(2026, 3, 10)}
    with pytest.raises(PlanError, match="valid from 1971-01-01 already"):
        journal.add_plans([plan("song-1", b=1), plan("song-0", b=1, **later)])
    assert len(journal.book().plans) == 1
    journal.add_plans([plan("song-0", b=1, replaces=old.id, **later)])
    journal.post([one(0, 1, day=8), one(1, 10, day=9)])
    assert sums(journal)["payees"] == {"a": 1, "b": 10}
    with pytest.raises(PlanError, match="not in the journal"):
        journal.add_plans([plan("song-2", b=1, replaces="SP-none")])
    rate = {"currency": "EUR", "rate": Fraction(1, 2), "valid_from": date(2026, 1, 1)}
    journal.add_card(RateCard(**rate))
    with pytest.raises(PlanError, match="already"):
        journal.add_card(RateCard(**rate | {"rate": Fraction(1, 3)}))


def test_a_plan_for_a_country_comes_first(journal: Journal, plan: Any) -> None:
    """Plays elsewhere follow the plan for all other countries."""
    journal.add_plans(
        [plan("song-0", a=1), plan("song-0", b=1, territory=frozenset({"FR"}))]
    )
    events = [one(0, 3), one(1, 4)]
    from dataclasses import replace

    journal.post([events[0], replace(events[1], territory="FR")])
    assert sums(journal)["payees"] == {"a": 3, "b": 4}


@pytest.mark.parametrize("weight", ["1/2", "0", "-1/2"])
def test_parts_that_do_not_sum_are_refused(plan: Any, weight: str) -> None:
    """A plan whose parts are not one whole never gets into the journal."""
    document = plan_to_json(plan("song-0", a=1))
    document["lines"][0]["weight"] = weight
    with pytest.raises(PlanError, match="sum to"):
        plan_from_json(document)


def test_plans_and_cards_survive_json(plan: Any) -> None:
    """What is read back is the same, with the same id."""
    made = plan("song-0", a="1/3", b="1/7", held="1/100")
    assert plan_from_json(plan_to_json(made)) == made
    card = RateCard(
        currency="EUR", rate=Fraction(1, 3), valid_from=date(2026, 1, 1), play_kind="x"
    )
    assert card_from_json(card_to_json(card)) == card
    with pytest.raises(PlanError, match="'rate' is missing"):
        card_from_json({"currency": "EUR"})
    with pytest.raises(PlanError, match="no exact fraction"):
        card_from_json({**card_to_json(card), "rate": 0.3})


def test_a_dispute_freezes_a_bucket_not_a_statement(
    journal: Journal, plan: Any, tree: Any
) -> None:
    """Other lines of the same payee are paid; release brings the rest."""
    plans = [plan(f"song-{n}", a="1/2", b="1/2") for n in range(2)]
    journal.add_plans(plans)
    journal.post([one(0, 100), one(1, 60, output="song-1")])
    found = journal.dispute("two claims", output_id="song-1", payee="a")
    assert journal.dispute("two claims", output_id="song-1", payee="a") == found
    assert sums(journal)["payees"] == {"a": 50, "b": 80}
    assert sums(journal)["buckets"]["disputed"] == 30
    march = close_period(journal, "2026-03", tree=tree)["EUR"]
    statement = make_statement(march, "a")
    assert (statement.amount, statement.held) == (50, 30)
    assert [line.hold_reasons for line in statement.lines] == [(), (found.id,)]
    journal.release(found.id, "settled")
    journal.post([one(2, 10, day=31)])
    assert make_statement(close_period(journal, "2026-03", tree=tree)["EUR"], "a") == (
        statement
    )
    april = make_statement(close_period(journal, "2026-04", tree=tree)["EUR"], "a")
    assert (april.amount, april.held) == (35, -30)
    assert sums(journal)["payees"] == {"a": 85, "b": 85}


def test_a_dispute_leaves_closed_periods_alone(
    journal: Journal, plan: Any, tree: Any
) -> None:
    """What was settled before it was opened stays settled; new money is held."""
    journal.add_plans([plan("song-0", a=1)])
    journal.post([one(0, 100)])
    close_period(journal, "2026-03", tree=tree)
    journal.dispute("two claims", payee="a")
    journal.post([one(1, 10, day=31)])
    found = sums(journal)
    assert (found["payees"], found["buckets"]["disputed"]) == ({"a": 100}, 10)
    april = close_period(journal, "2026-04", tree=tree)["EUR"]
    assert make_statement(april, "a").amount == 0


def test_disputes_that_cannot_be(journal: Journal) -> None:
    """A dispute is about something, has a reason, and is there to be released."""
    with pytest.raises(JournalError, match="needs a reason"):
        journal.dispute("because")
    with pytest.raises(JournalError, match="no dispute"):
        journal.release("D-none", "x")
    found = journal.dispute("why", payee="a")
    assert journal.release(found.id, "x").released_after == ""
    with pytest.raises(JournalError, match="released before"):
        journal.dispute("why", payee="a")


def test_statements_of_all_periods_add_up(
    journal: Journal, plan: Callable[..., Any], tree: Any
) -> None:
    """Over months, corrections, late plays and plans, nothing is lost or added."""
    journal.add_plans([plan("song-0", a="1/3", b="1/7")])
    paid: dict[str, int] = {}
    for month in range(3, 7):
        day = (date(2026, month, 1) - date(2026, 3, 1)).days
        events = [one(100 * month + n, n, day=day) for n in range(40)]
        late = one(100 * month + 99, 11, output="song-1")
        journal.post([*events, late])
        journal.reverse(f"e{100 * month - 90}", "late fraud")
        if month == 5:
            journal.add_plans([plan("song-1", a="2/3", c="1/3")])
        settled = close_period(journal, f"2026-{month:02}", tree=tree)["EUR"]
        for payee in settled.payees:
            statement = make_statement(settled, payee)
            lines = sum((line.exact for line in statement.lines), start=Fraction(0))
            assert lines == statement.exact - statement.exact_before
            paid[payee] = paid.get(payee, 0) + statement.amount
    assert paid == sums(journal)["payees"]
    assert sum(paid.values()) == sums(journal)["total_minor"]


def test_months_closed_together_are_settled_together(
    journal: Journal, plan: Any, tree: Any
) -> None:
    """One statement says what is paid; the earlier month has none of its own."""
    journal.add_plans([plan("song-0", a="1/3", b="1/7")])
    journal.post([one(1, 100), one(2, 55, day=40)])
    settled = close_period(journal, "2026-04", tree=tree)["EUR"]
    stated = {p: make_statement(settled, p).amount for p in settled.payees}
    paid = {one.payee: one.amount for one in pay_period(journal, "2026-04")}
    assert stated == paid
    assert sum(stated.values()) == 155
    with pytest.raises(StatementError, match="closed together with 2026-04"):
        period_of(journal, "2026-03", tree=tree)
    journal.post([one(3, 7, day=80)])
    after = close_period(journal, "2026-05", tree=tree)["EUR"].header
    assert (after["after"], after["total_before"], after["total"]) == (
        "2026-04",
        155,
        162,
    )


def test_periods_are_months() -> None:
    """What is no month of a year is refused."""
    assert parse_period("2026-10") == "2026-10"
    for text in ("2026", "2026-13", "26-10", "2026-10-01"):
        with pytest.raises(JournalError, match="is a month"):
            parse_period(text)


def test_denominators_may_grow_without_end(journal: Journal, tree: Any) -> None:
    """Hundreds of plans that share no denominator still settle to the unit."""
    plans = [made_plan(f"o{n}", [1, 2**61 + 2 * n, 10**9 + n]) for n in range(400)]
    journal.add_plans(plans)
    journal.post([one(n, 997 + n, output=f"o{n}") for n in range(400)])
    settled = close_period(journal, "2026-03", tree=tree)["EUR"]
    assert settled.now.exact["payee:P-1"].denominator.bit_length() > 15_000
    statement = make_statement(settled, "P-1")
    lines = sum((line.exact for line in statement.lines), start=Fraction(0))
    assert lines == statement.exact
    data = json.loads(write_statement(statement, "json", names={}))
    assert fraction_of(data["exact"]) == statement.exact
    evidence = json.loads(canonical(payment_evidence(settled, "P-1")))
    assert payment_problems(evidence, is_under=lambda *_: True) == []
    evidence["payee"]["leaf"]["cumulative"] += 1
    assert payment_problems(evidence, is_under=lambda *_: True) != []
