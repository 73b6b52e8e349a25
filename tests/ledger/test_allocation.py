from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrafact.core.errors import AllocationError
from contrafact.ledger.allocation import BUCKETS, allocate, divide_pool
from contrafact.ledger.case import Case, Places, make_usage
from contrafact.ledger.defences import Defences, defended
from contrafact.ledger.money import Money
from contrafact.ledger.policies import POLICIES
from contrafact.ledger.terms import PaymentTerms, Terms, settle

FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
POOLS = st.integers(0, 10**9)
TERMS = st.builds(
    Terms,
    cap=st.sampled_from([None, Fraction(1, 3), Fraction(1)]),
    floor=st.sampled_from([0, 1, 10**6]),
)
ALL = Defences(
    clusters={"r0": "x", "r1": "x"},
    cap=Fraction(1, 4),
    fence=Fraction(2),
    growth=Fraction(1, 5),
)
Strategy = st.SearchStrategy[Any]


def euros(amount: int) -> Money:
    """Return euro cents."""
    return Money.of(amount, "EUR")


@FEW
@pytest.mark.parametrize("name", POLICIES)
@given(data=st.data(), pool=POOLS, terms=TERMS, is_defended=st.booleans())
def test_lines_sum_to_the_pool_for_any_input(
    name: str,
    any_market: Strategy,
    data: st.DataObject,
    pool: int,
    terms: Terms,
    is_defended: bool,
) -> None:
    """Every policy, with any terms and defences, hands out the pool exactly."""
    case, holdings, _ = data.draw(any_market)
    policy = defended(POLICIES[name], ALL) if is_defended else POLICIES[name]
    found = allocate(euros(pool), case, policy=policy, holdings=holdings, terms=terms)
    assert sum(line.amount for line in found.lines) == pool
    assert sum(line.part for line in found.lines) == 1
    assert sum(found.buckets.values()) == pool
    assert tuple(found.buckets) == BUCKETS
    assert sum(found.by_payee.values()) + found.buckets["unmatched"] == pool
    assert all(line.amount >= 0 for line in found.lines)


@FEW
@pytest.mark.parametrize("name", POLICIES)
@given(data=st.data(), pool=POOLS)
def test_nobody_is_a_unit_off(
    name: str, any_market: Strategy, data: st.DataObject, pool: int
) -> None:
    """A payee's lines sum to less than one unit from the exact part."""
    case, holdings, _ = data.draw(any_market)
    found = allocate(euros(pool), case, policy=POLICIES[name], holdings=holdings)
    for payee, amount in found.by_payee.items():
        parts = [line.part for line in found.lines if line.payee == payee]
        assert abs(amount - pool * sum(parts)) < 1


@FEW
@pytest.mark.parametrize("name", POLICIES)
@given(data=st.data(), shuffled=st.randoms(use_true_random=False))
def test_the_order_of_the_input_is_no_matter(
    name: str, any_market: Strategy, data: st.DataObject, shuffled: Any
) -> None:
    """Events and holdings in another order, or sent twice, change no line."""
    case, holdings, plays = data.draw(any_market)
    first = allocate(euros(997), case, policy=POLICIES[name], holdings=holdings)
    events, held = plays * 2, list(holdings)
    shuffled.shuffle(events)
    shuffled.shuffle(held)
    again = replace(case, usage=make_usage(events, places=Places(held)))
    assert first == allocate(euros(997), again, policy=POLICIES[name], holdings=held)


def _lines(case: Case, holdings: list[Any], name: str) -> Any:
    return allocate(euros(10**6), case, policy=POLICIES[name], holdings=holdings).lines


def _trusted(case: Case, value: int) -> Case:
    reliability = dict.fromkeys(case.facts.sizes, Fraction(value))
    return replace(case, facts=replace(case.facts, reliability=reliability))


@FEW
@given(data=st.data())
def test_blended_is_influence_where_attribution_is_fully_trusted(
    any_market: Strategy, data: st.DataObject
) -> None:
    """With reliability 1 everywhere, not one line differs."""
    case, holdings, _ = data.draw(any_market)
    blended = _lines(_trusted(case, 1), holdings, "blended")
    assert blended == _lines(case, holdings, "influence")


@FEW
@given(data=st.data())
def test_blended_is_pro_rata_where_attribution_is_not_trusted(
    any_market: Strategy, data: st.DataObject
) -> None:
    """With reliability 0 and every output attributed, it is pro rata by minutes."""
    case, holdings, _ = data.draw(any_market)
    known = {*case.attributions, ""}
    usage = tuple(u for u in case.usage if u.output_id in known)
    case = replace(case, usage=usage)
    blended = _lines(_trusted(case, 0), holdings, "blended")
    assert blended == _lines(case, holdings, "minutes")


@FEW
@given(data=st.data())
def test_user_centric_is_influence_for_a_single_user(
    any_market: Strategy, data: st.DataObject
) -> None:
    """Where there is one user, whose plays follow the money is no question."""
    case, holdings, plays = data.draw(any_market)
    alone = make_usage([replace(p, user="u") for p in plays], places=Places(holdings))
    case = replace(case, usage=alone)
    assert _lines(case, holdings, "user-centric") == _lines(case, holdings, "influence")


def test_three_buckets_of_a_pool_worked_by_hand(make: SimpleNamespace) -> None:
    """Shares stay shares: 30 % is 30 %, the rest is background or held."""
    case = make.case(
        [make.play(1, "o"), make.play(2, "unknown")],
        [make.attribution("o", r1="3/10", r2="1/10")],
        make.facts(r1=1, r2=3),
    )
    holdings = [make.holding("r1", "ann"), make.holding("r2", "bob", "1/2")]
    found = allocate(euros(1000), case, policy=POLICIES["influence"], holdings=holdings)
    # Half is of an output that nobody attributed: 500 held. Of the other half,
    # 150 for r1 and 50 for r2 are attributed and 300 are background, 75 for r1
    # and 225 for r2; half of r2 is nobody's on record.
    assert found.by_payee == {"ann": 225, "bob": 138}
    assert found.buckets == {"attributed": 175, "background": 188, "unmatched": 637}
    assert found.held == {
        "no attribution of the output": 500,
        "part of the right with no holder on record": 137,
    }


def test_subscription_money_follows_its_user(make: SimpleNamespace) -> None:
    """User-centric: a light listener's whole fee goes to the one song played."""
    plays = [make.play(n, "a", 0, user="much") for n in range(9)]
    plays += [make.play(9, "b", 0, user="little")]
    fees = [
        make.play(10 + n, "", fee, user=user, kind="subscription")
        for n, (user, fee) in enumerate((("much", 1500), ("little", 500)))
    ]
    case = make.case(
        plays + fees,
        [make.attribution("a", r1="1"), make.attribution("b", r2="1")],
        make.facts(r1=1, r2=1),
    )
    held = [make.holding("r1", "ann"), make.holding("r2", "bob")]

    def paid(name: str) -> dict[str, int]:
        return allocate(
            euros(2000), case, policy=POLICIES[name], holdings=held
        ).by_payee

    assert paid("influence") == {"ann": 1800, "bob": 200}
    assert paid("user-centric") == {"ann": 1500, "bob": 500}


def test_rights_differ_by_country_and_day(make: SimpleNamespace) -> None:
    """The same recording is paid to whoever holds it there and then."""
    later = datetime(2026, 6, 1, tzinfo=UTC)
    plays = [
        make.play(1, "o", territory="DE"),
        make.play(2, "o", territory="FR"),
        make.play(3, "o", territory="DE", at=later),
        make.play(4, "o"),
    ]
    until, since = date(2026, 4, 30), date(2026, 5, 1)
    held = [
        make.holding("r1", "old", territory=frozenset({"DE", "AT"}), valid_until=until),
        make.holding("r1", "new", territory=frozenset({"DE"}), valid_from=since),
        make.holding("r1", "far", territory=frozenset({"FR"})),
    ]
    case = make.case(plays, [make.attribution("o", r1="1")], make.facts(r1=1), held)
    found = allocate(euros(400), case, policy=POLICIES["influence"], holdings=held)
    assert found.by_payee == {"far": 100, "new": 100, "old": 100}
    assert found.held == {"no holder on record": 100}


def test_countries_that_share_one_holder_are_not_one_place(
    make: SimpleNamespace,
) -> None:
    """A play in Germany pays nobody who holds only Austria."""
    held = [
        make.holding("r1", "ann", territory=frozenset({"AT", "DE"})),
        make.holding("r2", "bob", territory=frozenset({"AT"})),
    ]
    known = make.facts(r1=1, r2=1)
    play = make.play(1, "o", territory="DE")
    case = make.case([play], [make.attribution("o", r2="1")], known, held)
    found = allocate(euros(9), case, policy=POLICIES["influence"], holdings=held)
    assert found.held == {"no holder on record": 9}


def test_shares_of_a_right_above_one_are_held(make: SimpleNamespace) -> None:
    """Two who both claim all of it are not paid half each in silence."""
    case = make.case(
        [make.play(1, "o")], [make.attribution("o", r1="1")], make.facts(r1=1)
    )
    both = [make.holding("r1", "ann"), make.holding("r1", "bob")]
    found = allocate(euros(7), case, policy=POLICIES["influence"], holdings=both)
    assert found.held == {"shares on record sum to more than 1": 7}


def test_rights_have_pools_of_their_own() -> None:
    """The pool is divided over rights exactly, and only by parts that sum to 1."""
    rates = {"master": Fraction(2, 3), "composition": Fraction(1, 3)}
    found = divide_pool(euros(100), rates)
    assert {name: money.amount for name, money in found.items()} == {
        "master": 67,
        "composition": 33,
    }
    with pytest.raises(AllocationError, match="must sum to 1"):
        divide_pool(euros(100), {"master": Fraction(1, 2)})


def test_a_cap_holds_what_is_above_it(make: SimpleNamespace) -> None:
    """A payee at the cap gets the cap, and the rest is held for that reason."""
    case = make.case(
        [make.play(1, "o")], [make.attribution("o", r1="1")], make.facts(r1=1)
    )
    found = allocate(
        euros(90), case, policy=POLICIES["influence"],
        holdings=[make.holding("r1", "ann")], terms=Terms(cap=Fraction(1, 3)),
    )  # fmt: skip
    assert found.by_payee == {"ann": 30}
    assert found.held == {"above the cap of a payee": 60}


def test_a_floor_is_paid_out_of_the_background(make: SimpleNamespace) -> None:
    """Small payees are raised by the background of large ones, never by royalties."""
    case = make.case(
        [make.play(1, "o")],
        [make.attribution("o", big="1/2")],
        make.facts(big=99, small=1),
    )
    held = [make.holding("big", "ann"), make.holding("small", "bob")]

    def paid(floor: int) -> Any:
        return allocate(
            euros(1000), case, policy=POLICIES["influence"], holdings=held,
            terms=Terms(floor=floor),
        )  # fmt: skip

    assert paid(0).by_payee == {"ann": 995, "bob": 5}
    assert paid(100).by_payee == {"ann": 900, "bob": 100}
    assert paid(100).notices == ()
    short = paid(600)
    assert short.by_payee == {"ann": 600, "bob": 400}
    assert "does not suffice for the floor" in short.notices[0]


@given(
    earned=st.dictionaries(st.sampled_from("abc"), st.integers(-50, 500)),
    brought=st.dictionaries(st.sampled_from("bcd"), st.integers(-50, 50)),
    advances=st.dictionaries(st.sampled_from("acd"), st.integers(0, 99)),
    minimum=st.integers(0, 100),
)
def test_what_is_earned_is_recouped_paid_or_carried(
    earned: dict[str, int],
    brought: dict[str, int],
    advances: dict[str, int],
    minimum: int,
) -> None:
    """No unit is lost between earning and paying, and none is paid in advance."""
    terms = PaymentTerms(minimum=minimum, advances=advances, brought=brought)
    payments = {p.payee: p for p in settle(earned, terms)}
    assert set(payments) == {*earned, *brought}
    for p in payments.values():
        assert p.earned + p.brought == p.recouped + p.payable + p.carried
        assert p.payable == 0 or p.payable >= max(1, minimum)
        assert 0 <= p.recouped <= advances.get(p.payee, 0)
        assert p.carried < max(1, minimum)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount_minor": -1}, "has the amount -1"),
        ({"currency": "USD"}, "one currency at a time"),
        ({"at": datetime(2026, 1, 1)}, "without a zone"),
        ({"event_id": "e1"}, "two different events"),
    ],
)
def test_wrong_events_are_refused(
    make: SimpleNamespace, changes: dict[str, Any], message: str
) -> None:
    """Negative prices, mixed currencies and reused ids stop the allocation."""
    with pytest.raises(AllocationError, match=message):
        make_usage([make.play(1, "o", 1), make.play(2, "o", 2, **changes)])


def test_shares_that_do_not_sum_are_refused(make: SimpleNamespace) -> None:
    """More than all of a song cannot be attributed."""
    with pytest.raises(AllocationError, match="not 1 together"):
        make.attribution("o", r1="2/3", r2="2/3")
