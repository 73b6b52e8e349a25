"""Working a payment out again from its evidence; says what does not hold.

The same as `verify/contrafact_verify_payment.py`, written for the package: the
two are held to each other by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import floor
from typing import Any

from contrafact.ledger.rates import identified
from contrafact.ledger.settlement import Cut
from contrafact.ledger.trees import canonical, digest_of_document, fraction_of

__all__ = ["Json", "UnderRoot", "payment_problems"]

Json = Mapping[str, Any]
UnderRoot = Callable[[bytes, Json, str, int], bool]
"""Tells whether a leaf's bytes, with `index` and `path`, are under a root of a
tree of that size."""


def payment_problems(evidence: Json, *, is_under: UnderRoot) -> list[str]:
    """Return what is wrong with a payment's evidence; nothing if it holds.

    Args:
        evidence: As `payment_evidence` makes it.
        is_under: Checks Merkle proofs.
    """
    try:
        return _Recomputed(evidence, is_under).problems
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as e:
        return [f"the evidence is not of its form ({type(e).__name__}: {e})"]


class _Recomputed:
    """One payment, derived anew."""

    def __init__(self, evidence: Json, is_under: UnderRoot) -> None:
        self.problems: list[str] = []
        self._is_under = is_under
        self._header: Json = evidence["header"]
        self._payee: Json = evidence["payee"]["leaf"]
        self._plans: Json = evidence["plans"]
        self._disputes: Json = evidence["disputes"]
        self._pools: dict[str, Json] = {}
        self._tree(self._payee, evidence["payee"], "payees", "the payee's leaf")
        for id_, dispute in self._disputes.items():
            self._require(identified("D", dispute) == id_, f"{id_} is another dispute")
        for key, pool in evidence["pools"].items():
            self._pool(key, pool)
        owed = sum((self._line(n) for n in evidence["lines"]), start=Fraction(0))
        self._amounts(owed)

    def _require(self, is_so: bool, message: str) -> None:
        if not is_so:
            self.problems.append(message)

    def _tree(self, leaf: Json, proof: Json, name: str, what: str) -> None:
        root, size = self._header[f"{name}_root"], self._header[f"n_{name}"]
        is_in = self._is_under(canonical(leaf), proof, root, size)
        self._require(is_in, f"{what} is not under the root of {name}")

    def _pool(self, key: str, proof: Json) -> None:
        leaf: Json = proof["leaf"]
        self._tree(leaf, proof, "pools", f"pool {key}")
        plan = self._plans[leaf["plan_id"]]
        is_its_plan = digest_of_document(plan) == leaf["plan"]
        self._require(is_its_plan, f"pool {key} was divided by another plan")
        is_its_output = plan["output_id"] == leaf["output_id"]
        self._require(is_its_output, f"pool {key} is of another output")
        is_here = leaf["currency"] == self._header["currency"]
        is_now = leaf["period"] <= self._header["period"]
        self._require(is_here and is_now, f"pool {key} is no part of this")
        self._pools[key] = leaf

    def _line(self, proof: Json) -> Fraction:
        pool, line = self._pools[proof["pool"]], proof["line"]
        plan = self._plans[pool["plan_id"]]
        root, size = plan["lines_root"], plan["n_lines"]
        where = f"line {proof['index']} of {plan['id']}"
        is_in = self._is_under(canonical(line), proof, root, size)
        self._require(is_in, f"{where} is not in its plan")
        is_mine = line["payee"] == self._payee["payee"]
        self._require(is_mine, f"{where} is of another payee")
        weight = Fraction(line["weight"])
        known = [line[name] for name in ("part", "share", "fraction")]
        is_direct = plan["policy"].startswith("influence/")
        if line["bucket"] == "attributed" and is_direct and None not in known:
            part, share, fraction = map(Fraction, known)
            is_weight = part * share * fraction == weight
            self._require(is_weight, f"{where} has not the weight of its share")
        holds = [d for d in pool["frozen"] if self._covers(d, pool, line)]
        is_held = sorted(holds) == sorted(proof["disputes"])
        self._require(is_held, f"{where} names other disputes than hold it")
        sign = 1 if pool["state"] == "now" else -1
        money = sign * pool["total"] * Fraction(pool["rate"]) * weight
        return Fraction(0) if holds else money

    def _covers(self, dispute: str, pool: Json, line: Json) -> bool:
        about = self._disputes.get(dispute)
        return about is not None and all(
            about[name] in ("", value)
            for name, value in (
                ("output_id", pool["output_id"]),
                ("source_id", line["source_id"]),
                ("payee", line["payee"]),
            )
        )

    def _amounts(self, owed: Fraction) -> None:
        leaf, account = self._payee, f"payee:{self._payee['payee']}"
        before, exact = fraction_of(leaf["exact_before"]), fraction_of(leaf["exact"])
        self._require(before + owed == exact, "the lines are not what is owed")
        for name, value, cut in (
            ("before", before, self._header["cut_before"]),
            ("cumulative", exact, self._header["cut"]),
        ):
            rest = value - floor(value)
            made = cut and Cut(fraction_of(cut["remainder"]), cut["account"])
            units = floor(value) + bool(made and rest and made.gives(rest, account))
            is_rounded = leaf[name] == units
            self._require(is_rounded, f"{name} is not what its exact sum rounds to")
