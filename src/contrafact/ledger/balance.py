"""The balance of a journal: the same content gives the same document.

Nothing in it depends on when or in which order plays came, nor on the clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from contrafact.ledger._reading import Pot
from contrafact.ledger.book import Book
from contrafact.ledger.settlement import (
    END_OF_TIME,
    PLATFORM,
    Due,
    Dues,
    Pools,
    Standing,
    gather,
    standing_at,
)

__all__ = ["balance_document"]

FORMAT = 1
_PAYEE, _HELD = "payee:", "held:"
Json = dict[str, Any]


def balance_document(pots: Iterable[Pot], book: Book) -> Json:
    """Return who is owed what, and what is held and why, by currency.

    Amounts are whole minor units. By account and by bucket, they sum to the
    total of each currency.
    """
    pools = gather(pots, book, as_of=END_OF_TIME)
    dues = Dues(book)
    standings = standing_at(pools, book, dues=dues)
    buckets = standing_at(pools, book, by=_bucket, dues=dues)
    since = _since(pools, dues)
    return {
        "format": FORMAT,
        "last_closed": book.last_closed,
        "currencies": {
            code: {
                **_counts(pools, code),
                "total_minor": standing.total,
                "buckets": dict(buckets[code].amounts),
                "payees": _under(standing, _PAYEE),
                "platform": standing.amounts.get(PLATFORM, 0),
                "held": {
                    reason: {"minor": amount, "since": since.get((code, reason), "")}
                    for reason, amount in _under(standing, _HELD).items()
                },
            }
            for code, standing in standings.items()
        },
        "disputes": [
            {
                name: getattr(dispute, name)
                for name in ("id", "output_id", "source_id", "payee", "reason")
            }
            for dispute in book.disputes
            if dispute.released_after is None
        ],
    }


def _bucket(due: Due) -> str:
    """Return the bucket of a due: what attribution found, the rest, or held."""
    if due.disputes:
        return "disputed"
    if due.line is not None:
        return due.line.bucket
    return PLATFORM if due.account == PLATFORM else "unmatched"


def _under(standing: Standing, prefix: str) -> dict[str, int]:
    return {
        account.removeprefix(prefix): amount
        for account, amount in standing.amounts.items()
        if account.startswith(prefix)
    }


def _counts(pools: Pools, currency: str) -> dict[str, int]:
    found = [c for pool, c in pools.items() if pool.currency == currency]
    return {
        "n_plays": sum(c.n_plays for c in found),
        "n_reversed": sum(c.n_reversed for c in found),
    }


def _since(pools: Pools, dues: Dues) -> dict[tuple[str, str], str]:
    """Return the day of the oldest money held, by currency and reason."""
    found: dict[tuple[str, str], str] = defaultdict(lambda: "9999-12-31")
    for pool, contents in pools.items():
        reasons = {
            due.account.removeprefix(_HELD)
            for due in dues.of(pool, contents)
            if due.account.startswith(_HELD) and contents.total
        }
        for reason in reasons | ({"fraud-flag"} if contents.flagged else set()):
            key = (pool.currency, reason)
            found[key] = min(found[key], contents.first_day)
    return dict(found)
