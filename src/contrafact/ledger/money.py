"""Money as integers, and the one place where anything is rounded.

An amount is a whole number of units of a currency: of its minor unit (cents),
or of a millionth of its major unit where plays are worth less than a cent.
Whatever divides an amount goes through `split`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import nsmallest
from typing import Self

from contrafact.core.errors import MoneyError

__all__ = ["CumulativeSplit", "Currency", "Money", "as_integers", "split"]

MICRO_EXPONENT = 6
_LARGEST_EXPONENT = 18

# ISO 4217: every currency has two decimals but these.
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENTS = {
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
    "CLF": 4,
    "UYW": 4,
}


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency and the unit in which it is counted.

    Attributes:
        code: Three capital letters, as in ISO 4217.
        exponent: One unit is the major unit times 10 to the power of minus
            this; 2 for cents, 6 for micro-units.

    Raises:
        MoneyError: If either is not so.
    """

    code: str
    exponent: int

    def __post_init__(self) -> None:
        """Check what cannot be."""
        code = self.code
        if not re.fullmatch(r"[A-Z]{3}", code):
            raise MoneyError(
                f"'{code}' is no currency. Write the ISO 4217 code, such as EUR."
            )
        if not 0 <= self.exponent <= _LARGEST_EXPONENT:
            raise MoneyError(
                f"A unit has 0 to {_LARGEST_EXPONENT} decimals, not {self.exponent}. "
                "Correct it."
            )

    @classmethod
    def of(cls, code: str, *, is_micro: bool = False) -> Self:
        """Return a currency counted in its minor unit, or in micro-units.

        Args:
            code: As in ISO 4217.
            is_micro: Count in millionths of the major unit.

        Raises:
            MoneyError: If it is no code.

        Example:
            >>> Currency.of("EUR").exponent, Currency.of("JPY").exponent
            (2, 0)
        """
        exponent = MICRO_EXPONENT if is_micro else _EXPONENTS.get(code, 2)
        return cls(code, exponent)

    def written(self, amount: int) -> str:
        """Return an amount as people write it, exactly.

        Example:
            >>> Currency.of("EUR").written(-105), Currency.of("JPY").written(7)
            ('-1.05 EUR', '7 JPY')
        """
        digits = f"{abs(amount):0{self.exponent + 1}}"
        whole, part = digits[: len(digits) - self.exponent], ""
        if self.exponent:
            part = "." + digits[-self.exponent :]
        return f"{'-' if amount < 0 else ''}{whole}{part} {self.code}"


@dataclass(frozen=True, slots=True)
class Money:
    """A whole number of units of one currency; may be negative.

    Example:
        >>> print(Money.of(1999, "EUR") + Money.of(1, "EUR"))
        20.00 EUR
    """

    amount: int
    currency: Currency

    @classmethod
    def of(cls, amount: int, code: str, *, is_micro: bool = False) -> Self:
        """Return an amount in minor units of a currency, or in micro-units."""
        return cls(amount, Currency.of(code, is_micro=is_micro))

    def __add__(self, other: Money) -> Money:
        """Return the sum.

        Raises:
            MoneyError: If the other is counted in another unit.
        """
        self._require_same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Return the difference.

        Raises:
            MoneyError: If the other is counted in another unit.
        """
        self._require_same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        """Return the amount owed the other way."""
        return Money(-self.amount, self.currency)

    def __str__(self) -> str:
        """Return it as people write it, exactly."""
        return self.currency.written(self.amount)

    def counted_in(self, currency: Currency) -> Money:
        """Return the same money in another unit of its currency.

        Raises:
            MoneyError: If the currency is another, or a part would be lost.

        Example:
            >>> Money.of(105, "EUR").counted_in(Currency.of("EUR", is_micro=True))
            Money(amount=1050000, currency=Currency(code='EUR', exponent=6))
        """
        exact = Fraction(10) ** (currency.exponent - self.currency.exponent)
        exact *= self.amount
        if currency.code != self.currency.code or exact.denominator != 1:
            raise MoneyError(
                f"{self} is no whole number of units of {currency.code} with "
                f"{currency.exponent} decimals. Settle it first, by `split`."
            )
        return Money(exact.numerator, currency)

    def _require_same(self, other: Money) -> None:
        if other.currency != self.currency:
            raise MoneyError(
                f"{self} and {other} are counted in different units. Keep one pool "
                "for each currency."
            )


def as_integers(weights: Sequence[Fraction | int]) -> list[int]:
    """Return integers in the same ratios, by the least common denominator.

    Example:
        >>> as_integers([Fraction(1, 2), Fraction(1, 3), 1])
        [3, 2, 6]
    """
    # Integers are fractions too: they have a numerator, and the denominator 1.
    common = math.lcm(*{w.denominator for w in weights})
    if common == 1:
        return [w.numerator for w in weights]
    return [w.numerator * (common // w.denominator) for w in weights]


def split(
    total: int,
    weights: Sequence[Fraction | int],
    *,
    ids: Sequence[str] | None = None,
) -> list[int]:
    """Divide whole units by weights: the method of largest remainders.

    Everyone gets their exact part rounded down; the units left over go one
    each to the largest remainders. **Of equal remainders, the smaller id comes
    first**, by the code points of its characters; without ids, the earlier
    place. So with distinct ids nothing depends on the order of the input. A
    negative total is divided as its positive counterpart, so that a reversal
    takes back exactly what was given.

    Args:
        total: Units to divide.
        weights: At least 0, not all 0 unless the total is 0; only their ratios
            count.
        ids: Of the payees, for the tie-break.

    Returns:
        Units of each, in the order of the weights; they sum to `total`, and
        each is less than one unit from its exact part.

    Raises:
        MoneyError: If a weight is negative, or nobody has any.

    References:
        The method of Hamilton: Balinski and Young, "Fair Representation",
        Yale University Press, 1982.

    Example:
        >>> split(100, [1, 1, 1], ids=["c", "a", "b"])
        [33, 34, 33]
    """
    parts = as_integers(weights)
    if any(part < 0 for part in parts):
        raise MoneyError(
            f"A weight is {min(weights)}; weights are 0 or more. Correct the input."
        )
    whole = sum(parts)
    if whole == 0:
        if total == 0:
            return [0] * len(parts)
        raise MoneyError(
            f"{total} unit(s) are to be divided and nobody has a weight. Put the "
            "amount on hold instead."
        )
    units, remainders = [], []
    for part in parts:
        unit, remainder = divmod(abs(total) * part, whole)
        units.append(unit)
        remainders.append(remainder)
    n_left = abs(total) - sum(units)
    # Only the first few are wanted, and there may be millions to choose from.
    for i in nsmallest(
        n_left,
        (i for i, r in enumerate(remainders) if r),
        key=lambda i: (-remainders[i], ids[i] if ids else "", i),
    ):
        units[i] += 1
    return [-u for u in units] if total < 0 else units


class CumulativeSplit:
    """Divides a growing total so that rounding never adds up.

    What everyone has after any number of amounts is `split` of the sum of the
    amounts: less than one unit from their exact part, whatever the number,
    size and order of the amounts. So the state is the sum alone, and replaying
    amounts in another order ends in the same place.

    An increment can be one unit against the direction of the amount: where
    the total grows by one, largest remainders may pass a unit from one payee
    to another (the Alabama paradox). It is a correction, not an error.

    Example:
        >>> plan = CumulativeSplit({"a": 1, "b": 1, "c": 1})
        >>> plan.add(1), plan.add(1)
        ({'a': 1}, {'b': 1})
        >>> plan.amounts
        {'a': 1, 'b': 1, 'c': 0}
    """

    def __init__(self, weights: dict[str, Fraction | int], *, total: int = 0) -> None:
        """Divide by weights, by payee id; `total` is what was added before."""
        self._ids = sorted(weights)
        self._weights = as_integers([weights[i] for i in self._ids])
        self._total = total

    @property
    def total(self) -> int:
        """The sum of all that was added."""
        return self._total

    @property
    def amounts(self) -> dict[str, int]:
        """What everyone has of the total, by payee id."""
        return dict(zip(self._ids, self._split(), strict=True))

    def add(self, amount: int) -> dict[str, int]:
        """Add an amount, or take one back; return the increments that are not 0.

        Raises:
            MoneyError: If nobody has a weight.
        """
        before = self._split()
        self._total += amount
        try:
            after = self._split()
        except MoneyError:
            self._total -= amount
            raise
        rows = zip(self._ids, before, after, strict=True)
        return {id_: new - old for id_, old, new in rows if new != old}

    def _split(self) -> list[int]:
        return split(self._total, self._weights, ids=self._ids)
