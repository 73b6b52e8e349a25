from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.core.errors import MoneyError
from contrafact.ledger.money import CumulativeSplit, Currency, Money, split

WEIGHTS = st.lists(
    st.fractions(min_value=0, max_value=1000, max_denominator=997),
    min_size=1,
    max_size=12,
).filter(any)
TOTALS = st.integers(-(10**18), 10**18)


@given(total=TOTALS, weights=WEIGHTS)
def test_a_split_sums_to_the_total_and_is_within_one_unit(
    total: int, weights: list[Fraction]
) -> None:
    """Whatever the weights, nothing is lost and nobody is a unit off."""
    amounts = split(total, weights)
    assert sum(amounts) == total
    for amount, weight in zip(amounts, weights, strict=True):
        assert abs(amount - total * weight / sum(weights)) < 1


@given(total=TOTALS, weights=WEIGHTS, seed=st.randoms(use_true_random=False))
def test_the_order_of_payees_is_no_matter(
    total: int, weights: list[Fraction], seed: Random
) -> None:
    """With ids, a shuffled input gives everyone the same."""
    ids = [f"p{i}" for i in range(len(weights))]
    places = list(range(len(weights)))
    seed.shuffle(places)
    plain = dict(zip(ids, split(total, weights, ids=ids), strict=True))
    again = split(total, [weights[i] for i in places], ids=[ids[i] for i in places])
    assert dict(zip((ids[i] for i in places), again, strict=True)) == plain


@given(total=TOTALS, weights=WEIGHTS)
def test_a_reversal_takes_back_what_was_given(
    total: int, weights: list[Fraction]
) -> None:
    """The split of the negative total is the negative of the split."""
    assert split(-total, weights) == [-a for a in split(total, weights)]


def test_ties_go_to_the_smaller_id() -> None:
    """Equal remainders are decided by id, wherever it stands."""
    assert split(2, [1, 1, 1], ids=["c", "b", "a"]) == [0, 1, 1]
    assert split(1, [1, 1], ids=["Z", "a"]) == [1, 0]


@pytest.mark.parametrize(
    "n_payees", [10**5, pytest.param(10**7, marks=pytest.mark.slow)]
)
def test_very_many_payees_share_one_unit(n_payees: int) -> None:
    """One micro-unit goes to the first of them by id, and the others get nothing."""
    ids = [f"P-{n:08}" for n in range(n_payees, 0, -1)]
    amounts = split(1, [1] * n_payees, ids=ids)
    assert (sum(amounts), amounts[-1]) == (1, 1)
    assert amounts.count(0) == n_payees - 1


def test_what_cannot_be_divided_is_refused() -> None:
    """Nobody to divide to, or a negative weight, is an error and not a guess."""
    assert split(0, [0, 0]) == [0, 0]
    with pytest.raises(MoneyError, match="nobody has a weight"):
        split(5, [0, 0])
    with pytest.raises(MoneyError, match="A weight is -1"):
        split(5, [2, -1])


@given(
    amounts=st.lists(st.integers(-1000, 10**6), max_size=30),
    weights=st.lists(st.integers(0, 99), min_size=1, max_size=6).filter(any),
)
def test_cumulative_splits_are_exact_at_every_prefix(
    amounts: list[int], weights: list[int]
) -> None:
    """After any number of plays everybody is within one unit, and nothing drifts."""
    plan = CumulativeSplit({f"p{i}": w for i, w in enumerate(weights)})
    had: dict[str, int] = dict.fromkeys(plan.amounts, 0)
    for amount in amounts:
        given = plan.add(amount)
        assert sum(given.values()) == amount
        had = {p: had[p] + given.get(p, 0) for p in had}
        assert had == plan.amounts
        for i, weight in enumerate(weights):
            exact = Fraction(plan.total * weight, sum(weights))
            assert abs(had[f"p{i}"] - exact) < 1


@given(
    amounts=st.lists(st.integers(-99, 10**4), max_size=12),
    seed=st.randoms(use_true_random=False),
)
def test_the_order_of_plays_is_no_matter(amounts: list[int], seed: Random) -> None:
    """Late and shuffled plays end in the same balances."""
    weights = {"a": Fraction(1, 3), "b": Fraction(1, 7), "c": 2}
    one, other = CumulativeSplit(weights), CumulativeSplit(weights)
    for amount in amounts:
        one.add(amount)
    seed.shuffle(amounts)
    for amount in amounts:
        other.add(amount)
    assert one.amounts == other.amounts


def test_a_refused_amount_leaves_the_plan_as_it_was() -> None:
    """After an error the total is what it was before."""
    plan = CumulativeSplit({"a": 0})
    with pytest.raises(MoneyError):
        plan.add(3)
    assert plan.total == 0


@pytest.mark.parametrize(
    ("code", "amount", "text"),
    [("EUR", 5, "0.05 EUR"), ("JPY", -7, "-7 JPY"), ("KWD", 1234, "1.234 KWD")],
)
def test_amounts_are_written_with_the_decimals_of_the_currency(
    code: str, amount: int, text: str
) -> None:
    """A yen has no cents, and a dinar has three decimals."""
    assert str(Money.of(amount, code)) == text


def test_units_do_not_mix() -> None:
    """Cents and micro-units, euros and dollars are never added by accident."""
    cents, micro = Money.of(1, "EUR"), Money.of(1, "EUR", is_micro=True)
    for other in (micro, Money.of(1, "USD")):
        with pytest.raises(MoneyError, match="different units"):
            _ = cents + other
    assert cents.counted_in(micro.currency).amount == 10_000
    with pytest.raises(MoneyError, match="no whole number"):
        micro.counted_in(cents.currency)
    with pytest.raises(MoneyError, match="is no currency"):
        Currency.of("Euro")
