"""Closing a period, and paying what it left: entries that are made once.

What is closed is never settled otherwise. Plays and corrections that come
later count in the first period that is open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from contrafact.core.errors import JournalError, StatementError
from contrafact.ledger import _tables as tables
from contrafact.ledger._pots import Accounts, Entry, add_entries
from contrafact.ledger._reading import book_in, plays_in, pots_in
from contrafact.ledger.journal import Journal
from contrafact.ledger.period import PeriodSettlement, settle_period
from contrafact.ledger.settlement import PLATFORM
from contrafact.ledger.trees import TreeMaker, digest_of_document

__all__ = ["Payment", "close_period", "pay_period", "period_of", "require_sound"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Payment:
    """What one payee is paid for everything up to a closed period."""

    currency: str
    payee: str
    amount: int


def period_of(
    journal: Journal, period: str, *, tree: TreeMaker
) -> dict[str, PeriodSettlement]:
    """Return the settlement of a period by currency, from one state of the journal.

    It is of all that came since the closing before.

    Raises:
        StatementError: If the period was closed together with a later one.
    """
    with journal.reading() as connection:
        return _settled(connection, period, tree)


def _settled(
    connection: Connection, period: str, tree: TreeMaker
) -> dict[str, PeriodSettlement]:
    book, pots = book_in(connection), pots_in(connection)
    closed = book.closed_with(period)
    if closed not in ("", period):
        raise StatementError(
            f"{period} was closed together with {closed}. Ask for {closed}."
        )
    return settle_period(pots, book, plays_in(connection), period=period, tree=tree)


def close_period(
    journal: Journal, period: str, *, tree: TreeMaker
) -> dict[str, PeriodSettlement]:
    """Close a period and all before it; what was closed before stays as it was.

    Returns:
        The settlement by currency.

    Raises:
        JournalError: If there is nothing to close.
        StatementError: If it was closed together with a later period.
    """
    with journal.writing() as connection:
        book = book_in(connection)
        settled = _settled(connection, period, tree)
        if period <= book.last_closed:
            return settled
        periods = [pot.key.period for pot in pots_in(connection)]
        if not any(book.last_closed < p <= period for p in periods):
            raise JournalError(
                f"There are no plays to close up to {period}. Ingest some first, or "
                "correct the period."
            )
        for one in settled.values():
            _post_settlement(connection, one, journal.accounts)
        digests = {currency: one.digest for currency, one in settled.items()}
        row = {"period": period, "digest": digest_of_document(digests)}
        connection.execute(tables.closing.insert(), [row])
    return period_of(journal, period, tree=tree)


def _post_settlement(
    connection: Connection, settled: PeriodSettlement, accounts: Accounts
) -> None:
    """Move what everyone got since the last closing to what is payable to them."""
    code, period = settled.currency.code, settled.period
    pool = accounts.id_of(connection, f"settled:{code}")
    before = _net(connection, "payable:", kind="settle")
    entries: list[Entry] = []
    for account, amount in sorted(settled.now.amounts.items()):
        if not account.startswith("payee:") and account != PLATFORM:
            continue
        name = f"payable:{code}:{account}"
        change = amount - before.get(name, 0)
        if change:
            payable = accounts.id_of(connection, name)
            sides = (pool, payable) if change > 0 else (payable, pool)
            id_ = f"{period}:{code}:{account}"
            entries.append((id_, "settle", *sides, abs(change), "", period, "", ""))
    add_entries(connection, entries)


def _net(connection: Connection, prefix: str, *, kind: str) -> dict[str, int]:
    """Return by account what entries of a kind credited, less what they debited."""
    entry, account = tables.entry.c, tables.account.c
    found: dict[str, int] = defaultdict(int)
    for column, sign in ((entry.credit, 1), (entry.debit, -1)):
        query = (
            sa.select(account.name, entry.amount)
            .join_from(tables.entry, tables.account, account.id == column)
            .where(entry.kind == kind, account.name.startswith(prefix))
        )
        for name, amount in connection.execute(query):
            found[name] += sign * amount
    return dict(found)


def pay_period(journal: Journal, period: str, *, minimum: int = 1) -> list[Payment]:
    """Enter what is paid out for a closed period, once; later calls return the same.

    Args:
        journal: Where it is entered.
        period: The last one closed, or one that was paid already.
        minimum: In minor units, at least 1; who has less waits for the next
            period.

    Raises:
        StatementError: If the period is not closed, or a later one is.
    """
    with journal.writing() as connection:
        known = _payments(connection, period)
        if known:
            return known
        last = book_in(connection, with_plans=False).last_closed
        if last != period:
            found = "is not closed" if last < period else f"came before {last}"
            raise StatementError(
                f"{period} {found}, so nothing is payable for it now. Close a period "
                "with `contrafact ledger close`, and pay the last one that is closed."
            )
        _pay(connection, period, max(minimum, 1), journal.accounts)
        return _payments(connection, period)


def _pay(connection: Connection, period: str, minimum: int, accounts: Accounts) -> None:
    settled = _net(connection, "payable:", kind="settle")
    paid = _net(connection, "payable:", kind="pay")
    entries: list[Entry] = []
    for name in sorted(settled):
        due = settled[name] + paid.get(name, 0)
        _, code, kind, payee = (*name.split(":", 3), "")[:4]
        if kind == "payee" and due >= minimum:
            payable = accounts.id_of(connection, name)
            paid_out = accounts.id_of(connection, f"paid:{code}")
            id_ = f"{period}:{code}:{payee}"
            entries.append((id_, "pay", payable, paid_out, due, "", period, "", ""))
    add_entries(connection, entries)


def _payments(connection: Connection, period: str) -> list[Payment]:
    entry, account = tables.entry.c, tables.account.c
    query = (
        sa.select(account.name, entry.amount)
        .join_from(tables.entry, tables.account, account.id == entry.debit)
        .where(entry.kind == "pay", entry.period == period)
    )
    parts = ((n.split(":", 3), amount) for n, amount in connection.execute(query))
    return sorted(
        Payment(currency=name[1], payee=name[3], amount=amount)
        for name, amount in parts
    )


def require_sound(journal: Journal) -> int:
    """Add up all entries again and compare; return how many there are.

    Raises:
        JournalError: If a pot's totals are not the sums of its entries.
    """
    entry = tables.entry.c
    with journal.reading() as connection:
        sums: dict[int, int] = defaultdict(int)
        for column, sign in ((entry.credit, 1), (entry.debit, -1)):
            query = sa.select(column, sa.func.sum(entry.amount)).group_by(column)
            for id_, amount in connection.execute(query):
                sums[id_] += sign * int(amount)
        for what, stated, found in _totals(connection, sums):
            if stated != found:
                raise JournalError(
                    f"{what} holds {stated} and its entries sum to {found}. Restore "
                    "the journal from a backup."
                )
        if sum(sums.values()):
            raise JournalError("Entries do not balance. Restore it from a backup.")
        count = connection.execute(sa.select(sa.func.count()).select_from(tables.entry))
        return int(count.scalar() or 0)


def _totals(
    connection: Connection, sums: Mapping[int, int]
) -> Iterator[tuple[str, int, int]]:
    """Yield what pots say they hold, and what their entries sum to."""
    pot, account = tables.pot.c, tables.account.c
    flagged: dict[str, int] = defaultdict(int)
    columns = (pot.id, pot.output_id, pot.currency, pot.total, pot.flagged)
    for id_, output, currency, total, held in connection.execute(sa.select(*columns)):
        flagged[f"flagged:{currency}"] += held
        yield f"A pot of {output}", total, sums.get(id_, 0)
    query = sa.select(account.id, account.name)
    for id_, name in connection.execute(query):
        if name in flagged:
            yield name, flagged[name], sums.get(id_, 0)
