"""What a payee needs to work out their own payment again, and nothing of others.

One document for each currency: the public header of the settlement, the
payee's leaf, and every line with the plan it is of and the pool it divides,
each with its proof. `verify/contrafact_verify_payment.py` reads it.
"""

from __future__ import annotations

from typing import Any

from contrafact.ledger.period import PeriodSettlement
from contrafact.ledger.rates import line_to_json
from contrafact.ledger.settlement import Due

__all__ = ["payment_evidence"]

FORMAT = 1
Json = dict[str, Any]


def payment_evidence(settlement: PeriodSettlement, payee: str) -> Json:
    """Return the evidence for one payee's payment in one currency.

    Raises:
        StatementError: If the payee has nothing in this currency.
    """
    plans: dict[str, Json] = {}
    pools: dict[str, Json] = {}
    lines: list[Json] = []
    disputes: set[str] = set()
    for place, number, due in settlement.dues(payee):
        pool, plan = settlement.changes[place].pool, settlement.changes[place].contents
        if plan.plan is None or due.line is None:
            continue
        plans[pool.plan_id] = settlement.plan_header(pool.plan_id, plan.plan)
        pools[str(place)] = settlement.pool_proof(place)
        disputes |= set(due.disputes)
        path = settlement.plan_proof(pool.plan_id, number)
        lines.append(_line(due, place, number, path))
    return {
        "format": FORMAT,
        "header": settlement.header,
        "payee": settlement.payee_proof(payee),
        "plans": plans,
        "pools": pools,
        "disputes": {id_: settlement.dispute(id_) for id_ in sorted(disputes)},
        "lines": lines,
    }


def _line(due: Due, place: int, number: int, path: list[str]) -> Json:
    """Return a line with the proof that it is in its plan."""
    line = {} if due.line is None else line_to_json(due.line)
    return {
        "pool": str(place),
        "line": line,
        "index": number,
        "path": path,
        "disputes": list(due.disputes),
    }
