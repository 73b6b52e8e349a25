"""Allocations and comparisons as documents and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrafact.cli._output import print_lines, print_rows

if TYPE_CHECKING:
    from contrafact.ledger.allocation import Allocation
    from contrafact.ledger.intervals import Intervals
    from contrafact.ledger.lab import AttackResult, Compared
    from contrafact.workflows.allocate import AllocationRun, Comparison

__all__ = ["comparison_document", "run_document", "show_comparison", "show_run"]

_N_SHOWN = 20


def _by_bucket(allocation: Allocation) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in allocation.lines:
        if line.payee is not None:
            own = found.setdefault(line.payee, {"attributed": 0, "background": 0})
            own[line.bucket] += line.amount
    return found


def _payees(
    allocation: Allocation,
    intervals: Intervals,
    names: Mapping[str, str],
) -> list[dict[str, Any]]:
    buckets = _by_bucket(allocation)
    rows = [
        {
            "payee": payee,
            "name": names.get(payee, payee),
            "amount": amount,
            "low": intervals.payees[payee].low,
            "high": intervals.payees[payee].high,
            **buckets[payee],
        }
        for payee, amount in allocation.by_payee.items()
    ]
    return sorted(rows, key=lambda row: (-row["amount"], row["payee"]))


def _allocation_document(
    allocation: Allocation,
    intervals: Intervals,
    names: Mapping[str, str],
) -> dict[str, Any]:
    currency = allocation.pool.currency
    return {
        "right": allocation.right,
        "policy": allocation.policy,
        "background_rule": allocation.background,
        "currency": currency.code,
        "exponent": currency.exponent,
        "pool": allocation.pool.amount,
        "buckets": allocation.buckets,
        "bucket_intervals": {
            name: [one.low, one.high] for name, one in intervals.buckets.items()
        },
        "payees": _payees(allocation, intervals, names),
        "notices": list(allocation.notices),
    }


def run_document(found: AllocationRun) -> dict[str, Any]:
    """Return an allocation as one JSON document; amounts are minor units."""
    pools = []
    for right, allocation in found.allocations.items():
        document = _allocation_document(allocation, found.intervals[right], found.names)
        document["held"] = [
            {
                "reason": reason,
                "amount": amount,
                "since": found.held_since[reason].isoformat(),
            }
            for reason, amount in allocation.held.items()
        ]
        document["lines"] = [
            {
                "bucket": line.bucket,
                "payee": line.payee,
                "source": line.source_id,
                "amount": line.amount,
                "part": str(line.part),
                "reason": line.reason,
            }
            for line in allocation.lines
        ]
        pools.append(document)
    return {
        "pools": pools,
        "payments": list(found.payments),
        "inputs": found.inputs,
        "notices": list(found.notices),
        "problems": list(found.problems),
    }


def show_run(found: AllocationRun) -> None:
    """Print what each payee gets of each pool, and what is held."""
    for right, allocation in found.allocations.items():
        money = allocation.pool.currency.written
        print_lines(
            f"{right}: {allocation.pool} by {allocation.policy}. "
            f"Background: {allocation.background}."
        )
        _show_buckets(allocation, found.intervals[right])
        rows = _payees(allocation, found.intervals[right], found.names)
        print_rows(
            ("payee", "amount", "90 % interval", "attributed", "background"),
            [
                (
                    row["name"],
                    money(row["amount"]),
                    f"{money(row['low'])} to {money(row['high'])}",
                    money(row["attributed"]),
                    money(row["background"]),
                )
                for row in rows[:_N_SHOWN]
            ],
        )
        _say_rest(len(rows))
        for reason, units in allocation.held.items():
            since = found.held_since[reason].date()
            print_lines(f"held: {money(units)}: {reason} (oldest of {since})")
        print_lines(*allocation.notices, "")
    carried = sum(p.carried for p in found.payments)
    paid = sum(p.payable for p in found.payments)
    recouped = sum(p.recouped for p in found.payments)
    print_lines(
        f"To pay now: {money(paid)}; recouped: {money(recouped)}; "
        f"carried over: {money(carried)}."
    )


def _show_buckets(allocation: Allocation, intervals: Intervals) -> None:
    money, texts = allocation.pool.currency.written, []
    for name, units in allocation.buckets.items():
        own = intervals.buckets[name]
        span = f" [{money(own.low)} to {money(own.high)}]" if own.low < own.high else ""
        texts.append(f"{name} {money(units)}{span}")
    print_lines("  ".join(texts), "")


def _say_rest(n_rows: int) -> None:
    if n_rows > _N_SHOWN:
        print_lines(f"and {n_rows - _N_SHOWN} more; all of them with --json")


def comparison_document(found: Comparison) -> dict[str, Any]:
    """Return a comparison as one JSON document."""
    return {
        "rights": [
            {
                "right": right,
                "policies": [
                    {
                        **_allocation_document(c.allocation, c.intervals, found.names),
                        "changes": c.changes,
                        "inequality": c.inequality,
                    }
                    for c in compared
                ],
                "attacks": [_attack(row) for row in found.attacks[right]],
                "attacks_behind_defences": [
                    _attack(row) for row in found.defended[right]
                ],
            }
            for right, compared in found.compared.items()
        ],
        "notices": list(found.notices),
        "problems": list(found.problems),
    }


def _attack(row: AttackResult) -> dict[str, Any]:
    return {
        "policy": row.policy,
        "attack": row.attack,
        "worst_gain": float(row.worst),
        "worst_catalogue": row.worst_catalogue,
        "median_gain": float(row.median),
        "part_within_target": float(row.within_target),
        "n_catalogues": row.n_catalogues,
    }


def show_comparison(found: Comparison) -> None:
    """Print who gets what by each policy, how unequal it is, and the tricks."""
    for right, compared in found.compared.items():
        first = compared[0].allocation
        print_lines(f"{right}: {first.pool}; compared with {first.policy}", "")
        _show_payees(compared, found.names)
        print_lines("")
        _show_inequality(compared)
        print_lines("")
        if found.attacks[right]:
            _show_attacks(found.attacks[right], found.defended[right])


def _show_payees(compared: tuple[Compared, ...], names: Mapping[str, str]) -> None:
    payees = sorted(
        compared[0].changes,
        key=lambda p: (-max(abs(c.changes[p]) for c in compared), p),
    )
    rows = []
    for payee in payees[:_N_SHOWN]:
        cells = []
        for c in compared:
            money = c.allocation.pool.currency.written
            interval = c.intervals.payees.get(payee)
            text = money(interval.amount if interval else 0)
            if interval and interval.low != interval.high:
                text += f" [{money(interval.low)}, {money(interval.high)}]"
            if c is not compared[0]:
                change = money(c.changes[payee]).partition(" ")[0]
                text += f" ({'' if c.changes[payee] < 0 else '+'}{change})"
            cells.append(text)
        rows.append((names.get(payee, payee), *cells))
    print_rows(("payee", *(c.allocation.policy for c in compared)), rows)
    _say_rest(len(payees))


def _show_inequality(compared: tuple[Compared, ...]) -> None:
    rows = []
    for c in compared:
        i, buckets, pool = c.inequality, c.allocation.buckets, c.allocation.pool.amount
        parts = (f"{buckets[name] / pool:.1%}" if pool else "–" for name in buckets)
        numbers = (i.gini, i.top, i.top_tenth, i.herfindahl)
        rows.append((c.allocation.policy, *parts, *(f"{n:.3f}" for n in numbers)))
    columns = ("attributed", "background", "unmatched")
    print_rows(("policy", *columns, "Gini", "top payee", "top tenth", "HHI"), rows)


def _show_attacks(
    plain: tuple[AttackResult, ...], behind: tuple[AttackResult, ...]
) -> None:
    rows = [
        (
            a.policy,
            a.attack,
            f"{float(a.worst):+.0%}",
            f"{float(a.median):+.0%}",
            f"{float(d.worst):+.0%}",
            f"{float(d.median):+.0%}",
        )
        for a, d in zip(plain, behind, strict=True)
    ]
    print_rows(
        ("policy", "trick", "worst gain", "median", "worst, defended", "median"), rows
    )
