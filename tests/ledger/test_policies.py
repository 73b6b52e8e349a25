from __future__ import annotations

import itertools
import random
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.core.errors import AllocationError
from contrafact.ledger.case import Facts, Place, Size
from contrafact.ledger.policies import POLICIES, find_policy, reliability_of
from contrafact.ledger.policies.base import corpus_parts
from contrafact.ledger.policies.shapley import (
    GroupValue,
    shapley_shares,
    shapley_values,
)

GROUPS = ("a", "b", "c")
COALITIONS = [frozenset(c) for n in range(4) for c in itertools.combinations(GROUPS, n)]
UTILITIES = st.fixed_dictionaries(
    {c: st.integers(-20, 50).map(Fraction) for c in COALITIONS}
)


def _by_orders(utility: dict[frozenset[str], Fraction]) -> dict[str, Fraction]:
    """Return Shapley values the slow way: the mean gain over all orders."""
    found = dict.fromkeys(GROUPS, Fraction(0))
    orders = list(itertools.permutations(GROUPS))
    for order in orders:
        for place, group in enumerate(order):
            before = frozenset(order[:place])
            gain = utility[before | {group}] - utility[before]
            found[group] += gain / len(orders)
    return found


@given(utility=UTILITIES)
def test_exact_values_are_the_mean_gain_over_all_orders(
    utility: dict[frozenset[str], Fraction],
) -> None:
    """The formula by coalition sizes agrees with the definition, to the fraction."""
    found = shapley_values(utility, GROUPS)
    assert {g: v.value for g, v in found.items()} == _by_orders(utility)
    total = utility[frozenset(GROUPS)] - utility[frozenset()]
    assert sum(v.value for v in found.values()) == total


class _Additive(dict[frozenset[str], Fraction]):
    """Utilities of any coalition of many groups: worths, and a bonus for pairs."""

    def __init__(self, worth: dict[str, int], bonus: int) -> None:
        super().__init__()
        self.worth, self.bonus = worth, bonus

    def __getitem__(self, members: frozenset[str]) -> Fraction:
        pairs = len(members) * (len(members) - 1) // 2
        return Fraction(sum(self.worth[m] for m in members) + self.bonus * pairs)


def test_sampled_values_cover_the_known_ones() -> None:
    """Beyond 12 groups the estimate is efficient and its interval holds the truth."""
    worth = {f"g{i:02}": i for i in range(14)}
    paired = _Additive(worth, 2)
    base = random.Random(5)
    extra = {g: base.randrange(3) for g in worth}

    class Curved(_Additive):
        def __getitem__(self, members: frozenset[str]) -> Fraction:
            first = min(members, default=None)
            bonus = extra[first] if first is not None else 0
            return super().__getitem__(members) + bonus

    found = shapley_values(Curved(worth, 0), list(worth), n_orders=64)
    total = sum(v.value for v in found.values())
    assert total == Curved(worth, 0)[frozenset(worth)]
    assert all(v.low <= v.value <= v.high for v in found.values())
    assert any(v.low < v.high for v in found.values())
    # What a pair adds cancels in an order and its reverse: nothing is uncertain.
    even = shapley_values(paired, list(worth), n_orders=4)
    assert {g: v.value - 13 for g, v in even.items()} == worth
    assert all(v.low == v.value == v.high for v in even.values())


def test_a_missing_coalition_is_named() -> None:
    """Whoever has not trained a sub-model is told which."""
    with pytest.raises(AllocationError, match="coalition of a, b"):
        shapley_values({c: Fraction(1) for c in COALITIONS if len(c) < 2}, ["a", "b"])


def test_groups_that_are_not_told_apart_get_no_share() -> None:
    """Their part is unattributed and is not handed to the others."""
    sure = GroupValue(value=Fraction(3), low=Fraction(1), high=Fraction(5))
    unsure = GroupValue(value=Fraction(1), low=Fraction(-1), high=Fraction(3))
    assert shapley_shares({"a": sure, "b": unsure}) == {"a": Fraction(3, 4)}


def test_shapley_pays_groups_by_their_value(make: SimpleNamespace) -> None:
    """A group's money is divided over its recordings by length."""
    utility = {
        frozenset(): Fraction(0),
        frozenset("g"): Fraction(3),
        frozenset("h"): Fraction(1),
        frozenset("gh"): Fraction(4),
    }
    known = Facts(
        sizes={s: Size(duration_ms=n) for s, n in (("x", 1), ("y", 2), ("z", 9))},
        utilities={"o": utility},
        groups={"g": ("x", "y"), "h": ("z",)},
    )
    case = make.case([make.play(1, "o")], [], known)
    found = POLICIES["shapley"].divide(case)
    by_source = {source: part for (source, _), part in found.attributed.items()}
    assert by_source == {
        "x": Fraction(1, 4),
        "y": Fraction(1, 2),
        "z": Fraction(1, 4),
    }


@pytest.mark.parametrize(
    ("by", "parts"),
    [
        ("works", {"x": "1/4", "y": "1/4", "z": "1/2"}),
        ("recordings", {"x": "1/3", "y": "1/3", "z": "1/3"}),
        ("minutes", {"x": "1/4", "y": "1/4", "z": "1/2"}),
    ],
)
def test_what_pro_rata_counts(
    make: SimpleNamespace, by: str, parts: dict[str, str]
) -> None:
    """Two recordings of one work are one work, two recordings, and their minutes."""
    known = Facts(
        sizes={s: Size(duration_ms=n) for s, n in (("x", 5), ("y", 5), ("z", 10))},
        works={"x": "w", "y": "w", "z": "v"},
    )
    found = corpus_parts(make.case([], [], known), by=by)
    assert found == {source: Fraction(part) for source, part in parts.items()}


@pytest.mark.parametrize(
    ("predicted", "measured", "expected"),
    [
        ([1, 2, 4], [1, 2, 4], Fraction(1)),
        ([3, 6, 12], [1, 2, 4], Fraction(3333, 10_000)),  # inflated three times
        ([1, 2, 4], [3, 6, 12], Fraction(1)),  # too modest is reliable
        ([1, 1, 1, 1], [1, -1, 1, -1], Fraction(0)),
        ([1, 2], [1, 2], Fraction(0)),  # too few
        ([1, 0, 1], [1, 1, 0], Fraction(1, 4)),
    ],
)
def test_reliability_sees_noise_and_inflation(
    predicted: list[float], measured: list[float], expected: Fraction
) -> None:
    """It is 1 for the truth, and falls with noise as with a wrong scale."""
    assert reliability_of(predicted, measured) == expected


def test_reliability_is_snr_over_one_plus_snr(rng: object) -> None:
    """For truth plus independent noise, it is the share of signal in the variance."""
    draws = random.Random(1)
    truth = [draws.gauss(0, 1) for _ in range(4000)]
    noisy = [m + draws.gauss(0, 2) for m in truth]
    # Signal 1, noise 4: 1 / 5, to within the error of 4,000 draws.
    assert abs(float(reliability_of(noisy, truth)) - 0.2) < 0.02


def test_blended_trusts_each_catalogue_for_itself(make: SimpleNamespace) -> None:
    """Of two equal shares, the reliable one stays and the other is background."""
    known = Facts(
        sizes={"x": Size(duration_ms=1), "y": Size(duration_ms=3)},
        catalogues={"x": "good", "y": "bad"},
        reliability={"good": Fraction(1), "bad": Fraction(1, 4)},
    )
    case = make.case(
        [make.play(1, "o")], [make.attribution("o", x="2/5", y="2/5")], known
    )
    found = POLICIES["blended"].divide(case)
    (place,) = {place for _, place in found.attributed}
    assert place == Place("", place.day)
    assert found.attributed == {
        ("x", place): Fraction(2, 5),
        ("y", place): Fraction(1, 10),
    }
    assert found.background == {
        ("x", place): Fraction(1, 8),
        ("y", place): Fraction(3, 8),
    }


def test_an_unknown_policy_is_named() -> None:
    """The message lists those that exist."""
    with pytest.raises(AllocationError, match=r"no policy 'fair'.*blended"):
        find_policy("fair")
    assert find_policy("influence").id == "influence/1"
