"""Payout plans: what is paid for a period, under one root, with proofs.

Whoever pays needs the root and one leaf with its proof for each payee that
asks; it sees nobody else, and cannot pay anybody twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contrafact.ledger.closing import Payment
from contrafact.ledger.trees import TreeMaker, canonical

__all__ = ["PayoutPlan", "make_payout", "payout_leaf"]

FORMAT = 1
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutPlan:
    """The payments of one period, ready to be checked one by one.

    Attributes:
        header: Public: root, number and total by currency.
        proofs: By currency and payee: the leaf with its proof.
    """

    header: Json
    proofs: dict[tuple[str, str], Json]


def payout_leaf(payment: Payment, *, period: str, settlement: str) -> Json:
    """Return what is hashed for one payment.

    Args:
        payment: Who gets what.
        period: For which it is paid.
        settlement: SHA-256 of the header of the currency's settlement.
    """
    return {
        "payee": payment.payee,
        "period": period,
        "currency": payment.currency,
        "amount": payment.amount,
        "settlement": settlement,
    }


def make_payout(
    payments: Iterable[Payment],
    *,
    period: str,
    settlements: dict[str, str],
    tree: TreeMaker,
) -> PayoutPlan:
    """Return the plan of the payments of a period.

    Args:
        payments: As `pay_period` returns them.
        period: A closed one.
        settlements: SHA-256 of the header of each currency's settlement.
        tree: Makes Merkle trees, as RFC 9162 has them.
    """
    every = sorted(payments)
    leaves = [
        payout_leaf(p, period=period, settlement=settlements[p.currency]) for p in every
    ]
    made = tree(canonical(leaf) for leaf in leaves)
    header = {
        "format": FORMAT,
        "period": period,
        "root": made.root().hex(),
        "n_payments": len(every),
        "totals": _totals(every),
        "settlements": settlements,
    }
    proofs = {
        (payment.currency, payment.payee): {
            "leaf": leaf,
            "index": index,
            "n_leaves": len(every),
            "root": header["root"],
            "path": [h.hex() for h in made.inclusion(index)],
        }
        for index, (payment, leaf) in enumerate(zip(every, leaves, strict=True))
    }
    return PayoutPlan(header=header, proofs=proofs)


def _totals(payments: Sequence[Payment]) -> dict[str, int]:
    found: dict[str, int] = {}
    for payment in payments:
        found[payment.currency] = found.get(payment.currency, 0) + payment.amount
    return found
