#!/usr/bin/env python3
"""Work out a payment again: python3 contrafact_verify_payment.py BUNDLE.

Standard library only; the file `contrafact_verify.py` must lie beside this one.
It first checks the bundle with that, byte by byte; then it derives the payment
from the settlement's public header, the payee's proofs and the plans. What it
checks is in docs/payout.md. Exit code 0: all true; 1: not; 2: cannot tell.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

# With -I, Python does not look in the folder of the script by itself.
sys.path.insert(0, str(Path(__file__).resolve().parent))
from contrafact_verify import (
    MALFORMED,
    Bundle,
    CannotTellError,
    canonical,
    check,
    keys_of,
    leaf_hash,
    root_from,
)

FOLDER = "releases/payment/"
Json = dict[str, Any]


def check_payments(bundle: Bundle) -> None:
    """Check every payment of a bundle; there must be one."""
    names = [n for n in bundle.below("releases") if n.startswith(FOLDER)]
    evidence = [n for n in names if n.endswith(".evidence.json")]
    if not evidence:
        bundle.blame("releases", "holds no payment")
    for name in evidence:
        try:
            Payment(bundle, name).check()
        except (*MALFORMED, ZeroDivisionError) as error:
            bundle.blame(name, f"is not of its form ({type(error).__name__}: {error})")


class Payment:
    """One payee's payment in one currency, with all that it follows from."""

    def __init__(self, bundle: Bundle, name: str) -> None:
        """Read the document."""
        self.bundle, self.name = bundle, name
        document = bundle.json(name)
        self.header: Json = document["header"]
        self.proof: Json = document["payee"]
        self.plans: Json = document["plans"]
        self.pools: Json = document["pools"]
        self.disputes: Json = document["disputes"]
        self.lines: list[Json] = document["lines"]

    def blame(self, message: str, entry: str = "") -> None:
        """Note what is wrong."""
        self.bundle.blame(self.name, message, entry)

    def check(self) -> None:
        """Check everything, from the public header down to the unit."""
        self.check_header()
        self.check_payee()
        self.check_disputes()
        for key, pool in self.pools.items():
            self.check_pool(key, pool)
        owed = Fraction(0)
        for number, line in enumerate(self.lines):
            owed += self.check_line(number, line)
        self.check_amount(owed)
        self.check_statement()

    def check_header(self) -> None:
        """Find the header's digest in the log, which is what makes it public."""
        digest = hashlib.sha256(canonical(self.header)).hexdigest()
        found = [
            number
            for number, entry in enumerate(self.bundle.entries)
            if (plain := json.loads(entry))["kind"] == "statement"
            and digest in json.dumps(plain["body"])
        ]
        if not found:
            self.blame("the header of the settlement is not in the log")
        text = f"settlement {digest} of {self.header['period']}"
        self.bundle.notes.append(f"{text}: entry {found[:1]} of the log")

    def holds(self, leaf: Json, proof: Json, *, root: str, size: int) -> bool:
        """Tell whether a leaf is under a root."""
        path = [bytes.fromhex(part) for part in proof["path"]]
        made = root_from(leaf_hash(canonical(leaf)), path, proof["index"], size)
        return made.hex() == root and made != b""

    def check_payee(self) -> None:
        """Check that the payee's sums are those under the public root."""
        leaf, header = self.proof["leaf"], self.header
        root, size = header["payees_root"], header["n_payees"]
        if not self.holds(leaf, self.proof, root=root, size=size):
            self.blame("the payee's leaf is not under the root", leaf["payee"])
        for name in ("period", "currency"):
            if leaf[name] != header[name]:
                self.blame(f"the payee's leaf is of another {name}", leaf["payee"])

    def check_disputes(self) -> None:
        """Hold each dispute to its id, which is made of it, and to the header."""
        for id_, dispute in self.disputes.items():
            text = json.dumps(dispute, sort_keys=True, separators=(",", ":"))
            made = f"D-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
            if made != id_ or id_ not in self.header["disputes"]:
                self.blame("is not a dispute of this settlement", id_)

    def check_pool(self, key: str, pool: Json) -> None:
        """Check that a pool is under the root, and what it says of itself."""
        leaf, header = pool["leaf"], self.header
        root, size = header["pools_root"], header["n_pools"]
        where = f"pool {key}"
        if not self.holds(leaf, pool, root=root, size=size):
            self.blame("is not under the root of pools", where)
        if leaf["currency"] != header["currency"] or leaf["period"] > header["period"]:
            self.blame("is of another currency or a later period", where)
        plan = self.plans[leaf["plan_id"]]
        if hashlib.sha256(canonical(plan)).hexdigest() != leaf["plan"]:
            self.blame("was divided by another plan", where)
        if plan["output_id"] != leaf["output_id"]:
            self.blame("was divided by the plan of another output", where)

    def check_line(self, number: int, line: Json) -> Fraction:
        """Check a line's proof and holds; return what it adds to the payment."""
        pool, of = self.pools[line["pool"]]["leaf"], line["line"]
        plan, where = self.plans[pool["plan_id"]], f"line {number}"
        root, size = plan["lines_root"], plan["n_lines"]
        if not self.holds(of, line, root=root, size=size):
            self.blame("is not in its plan", where)
        if of["payee"] != self.proof["leaf"]["payee"]:
            self.blame("is of another payee", where)
        weight, rate = Fraction(of["weight"]), Fraction(pool["rate"])
        self.check_weight(of, weight, plan, where)
        holds = [d for d in pool["frozen"] if self.covers(d, pool, of)]
        if sorted(holds) != sorted(line["disputes"]):
            self.blame("names other disputes than those that hold it", where)
        sign = 1 if pool["state"] == "now" else -1
        return Fraction(0) if holds else sign * pool["total"] * rate * weight

    def covers(self, dispute: str, pool: Json, line: Json) -> bool:
        """Tell whether a dispute is about a line; one that is not shown is not."""
        about = self.disputes.get(dispute)
        return (
            about is not None
            and about["output_id"] in ("", pool["output_id"])
            and about["source_id"] in ("", line["source_id"])
            and about["payee"] in ("", line["payee"])
        )

    def check_weight(
        self, line: Json, weight: Fraction, plan: Json, where: str
    ) -> None:
        """Derive the weight of an attributed line from share and holding."""
        is_direct = plan["policy"].startswith("influence/")
        known = [line[name] for name in ("part", "share", "fraction")]
        if line["bucket"] != "attributed" or not is_direct or None in known:
            return
        part, share, fraction = map(Fraction, known)
        if part * share * fraction != weight:
            self.blame("has not the weight of its share", where)
        low, high = line["low"], line["high"]
        if low is not None and not Fraction(low) <= share <= Fraction(high):
            self.blame("has a share outside its interval", where)

    def check_amount(self, owed: Fraction) -> None:
        """Derive the whole units from the exact sums, now and before."""
        leaf, header = self.proof["leaf"], self.header
        before, exact = exactly(leaf["exact_before"]), exactly(leaf["exact"])
        if before + owed != exact:
            self.blame("the lines do not add up to what is owed", leaf["payee"])
        account = f"payee:{leaf['payee']}"
        sums = (
            ("before", before, header["cut_before"], leaf["before"]),
            ("cumulative", exact, header["cut"], leaf["cumulative"]),
        )
        for name, value, cut, units in sums:
            if units != floor(value) + gives(cut, value - floor(value), account):
                self.blame(f"{name} is not what its exact sum rounds to", leaf["payee"])
        amount = leaf["cumulative"] - leaf["before"]
        money = f"{amount} / 10^{header['exponent']} {header['currency']}"
        self.bundle.notes.append(
            f"{leaf['payee']} is owed {money} for {header['period']}"
        )

    def check_statement(self) -> None:
        """Hold the statement that people read to the amount that was derived."""
        name = self.name.replace(".evidence.json", ".statement.json")
        statement, leaf = self.bundle.json(name), self.proof["leaf"]
        digest = hashlib.sha256(canonical(self.header)).hexdigest()
        wanted = {
            "payee": leaf["payee"],
            "amount_minor": str(leaf["cumulative"] - leaf["before"]),
            "cumulative_minor": str(leaf["cumulative"]),
            "exact": leaf["exact"],
            "settlement_sha256": digest,
        }
        for key, value in wanted.items():
            if statement.get(key) != value:
                self.bundle.blame(name, f"says another {key} than was worked out")
        owed = sum(exactly(line["owed_exact"]) for line in statement.get("lines", []))
        if owed != exactly(leaf["exact"]) - exactly(leaf["exact_before"]):
            self.bundle.blame(name, "its lines do not add up")


def exactly(text: str) -> Fraction:
    """Return a fraction; very long ones are written to the base of 16."""
    if "x" not in text:
        return Fraction(text)
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator, 16), int(denominator, 16))


def gives(cut: Json | None, remainder: Fraction, account: str) -> bool:
    """Tell whether largest remainders, ended by this cut, give a unit on top."""
    if cut is None or not remainder:
        return False
    last = exactly(cut["remainder"])
    return remainder > last or (remainder == last and account <= cut["account"])


def main() -> int:
    """Run on the arguments of the process and return the exit code."""
    parser = argparse.ArgumentParser(description="Work out a payment again.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", type=Path, action="append", default=[], metavar="PEM")
    parser.add_argument("--since", type=Path, help="a checkpoint seen earlier")
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    try:
        keys = keys_of([path.read_bytes() for path in options.key])
        if len(keys) < len(options.key):
            raise CannotTellError("A key that was given is no public key in PEM form.")
        since = options.since.read_bytes() if options.since else None
        bundle = check(options.bundle, keys, since)
        if not bundle.problems:
            check_payments(bundle)
    except (CannotTellError, OSError, ValueError) as error:
        print(f"cannot tell: {error}", file=sys.stderr)
        return 2
    is_true = not bundle.problems
    if options.as_json:
        found = {"is_true": is_true, "problems": bundle.problems, "notes": bundle.notes}
        print(json.dumps(found))
    else:
        for problem in bundle.problems:
            print("NOT TRUE", ": ".join(part for part in problem.values() if part))
        print(*bundle.notes, sep="\n")
        whose = "given" if bundle.is_given else "of the bundle: ask its owner for it"
        print(f"all true, by the key {whose}" if is_true else "not all true")
    return int(not is_true)


if __name__ == "__main__":
    sys.exit(main())
