"""The journal for accountants: text for hledger and for beancount.

Both programs add up all entries again, and check the balances stated at the
end. Plays of one pot on one day are one transaction unless every one is asked
for.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

from contrafact.ledger._plays import next_period
from contrafact.ledger._reading import JournalEntry
from contrafact.ledger.money import Currency

__all__ = ["Transaction", "beancount_text", "hledger_text", "transactions"]

_ROOTS = {
    "receivable": ("assets", "receivable"),
    "pot": ("liabilities", "pots"),
    "flagged": ("liabilities", "flagged"),
    "settled": ("liabilities", "pots-settled"),
    "payable": ("liabilities", "payable"),
    "paid": ("assets", "bank"),
}


class Transaction(NamedTuple):
    """An amount from one account to another, on a day.

    Attributes:
        debit: The parts of the account's name.
    """

    day: str
    kind: str
    currency: str
    debit: tuple[str, ...]
    credit: tuple[str, ...]
    amount: int
    n_entries: int
    id: str = ""


def transactions(
    entries: Iterable[JournalEntry], *, is_each: bool = False
) -> Iterator[Transaction]:
    """Yield transactions in order of their days.

    Args:
        entries: Of the journal.
        is_each: One for each entry; else those of a day and two accounts are
            one. Entries of nothing are left out.
    """
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for entry in entries:
        if entry.amount:
            day = entry.at[:10] or _last_day(entry.period)
            id_ = entry.id if is_each else ""
            row = sums[day, entry.kind, entry.debit, entry.credit, id_]
            row[0] += entry.amount
            row[1] += 1
    for (day, kind, debit, credit, id_), (amount, count) in sorted(sums.items()):
        currency = (credit if kind == "reverse" else debit).split(":")[1]
        if kind == "flag":
            currency = credit.split(":")[1]
        yield Transaction(
            day, kind, currency, _parts(debit), _parts(credit), amount, count, id_
        )


def _last_day(period: str) -> str:
    year, month = int(period[:4]), int(period[5:])
    return f"{period}-{monthrange(year, month)[1]:02}"


def _parts(account: str) -> tuple[str, ...]:
    """Return the parts of an account's name in a text ledger."""
    kind, _, rest = account.partition(":")
    root, name = _ROOTS[kind]
    if kind == "pot":
        currency, period, day, territory, play, output = rest.split(":", 5)
        where = territory or "any"
        return (root, name, currency, period, output, f"{day}-{where}-{play}")
    return (root, name, *rest.split(":", 2))


def _balances(found: Iterable[Transaction]) -> dict[tuple[tuple[str, ...], str], int]:
    sums: dict[tuple[tuple[str, ...], str], int] = defaultdict(int)
    for one in found:
        sums[one.debit, one.currency] += one.amount
        sums[one.credit, one.currency] -= one.amount
    return dict(sorted(sums.items()))


def hledger_text(found: Iterable[Transaction]) -> str:
    """Return a journal that `hledger check` takes, its balances stated."""
    every = list(found)
    lines = ["; From the journal of contrafact. Debits are above 0.", ""]
    for one in every:
        money = _money(one.amount, one.currency)
        id_ = f" {_plain(one.id)}" if one.id else f" of {one.n_entries}"
        lines += [
            f"{one.day} * {one.kind}{id_}",
            f"    {_hledger(one.debit)}  {money}",
            f"    {_hledger(one.credit)}  {_money(-one.amount, one.currency)}",
            "",
        ]
    if every:
        lines.append(f"{_day_after(every)} * balances")
        for (account, currency), amount in _balances(every).items():
            zero, money = _money(0, currency), _money(amount, currency)
            lines.append(f"    {_hledger(account)}  {zero} = {money}")
        lines.append("")
    return "\n".join(lines)


def beancount_text(found: Iterable[Transaction]) -> str:
    """Return a ledger that `bean-check` takes, its balances stated."""
    every = list(found)
    lines = ["; From the journal of contrafact. Debits are above 0.", ""]
    balances = _balances(every)
    first = min((one.day for one in every), default="")
    accounts = sorted({(_beancount(a), c) for a, c in balances})
    lines += [f"{first} open {account} {currency}" for account, currency in accounts]
    for one in every:
        money = _money(one.amount, one.currency)
        id_ = f" {_plain(one.id)}" if one.id else f" of {one.n_entries}"
        lines += [
            "",
            f'{one.day} * "{one.kind}{id_}"',
            f"  {_beancount(one.debit)}  {money}",
            f"  {_beancount(one.credit)}  {_money(-one.amount, one.currency)}",
        ]
    lines.append("")
    for (account, currency), amount in balances.items():
        day, name = _day_after(every), _beancount(account)
        lines.append(f"{day} balance {name}  {_money(amount, currency)}")
    return "\n".join([*lines, ""])


def _day_after(every: list[Transaction]) -> str:
    last = max(one.day for one in every)
    return f"{next_period(last[:7])}-01"


def _money(amount: int, currency: str) -> str:
    return Currency.of(currency).written(amount)


def _plain(text: str) -> str:
    return re.sub(r"[^\w.@/:+-]", "_", text)


def _hledger(parts: tuple[str, ...]) -> str:
    return ":".join(_named(part, r"[^\w.@+-]") for part in parts)


def _beancount(parts: tuple[str, ...]) -> str:
    """Return an account name; each part begins with a capital or a digit."""
    names = [_named(part, r"[^A-Za-z0-9-]") for part in parts]
    return ":".join(
        name[0].upper() + name[1:] if name[0].isalpha() else f"X{name}"
        for name in names
    )


def _named(part: str, unsafe: str) -> str:
    """Return a part that holds nothing unsafe, and is still that part's alone."""
    clean = re.sub(unsafe, "-", part) or "-"
    if clean != part or not clean[0].isascii():
        clean = f"{clean}-{sha256(part.encode()).hexdigest()[:8]}"
    return clean
