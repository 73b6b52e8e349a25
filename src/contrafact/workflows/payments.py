"""Checking a payment bundle: the files, the log, and the payment worked out anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrafact.audit.merkle import leaf_hash, verify_inclusion
from contrafact.core.entities import Problem
from contrafact.core.errors import ConfigError
from contrafact.ledger.recompute import Json, payment_problems
from contrafact.ledger.trees import digest_of_document
from contrafact.workflows.bundles import verify_bundle

__all__ = ["PaymentVerdict", "verify_payment_bundle"]

_FOLDER = "releases/payment"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentVerdict:
    """Whether a payment is what its bundle says.

    Attributes:
        problems: What is wrong, each with its file; none if it is true.
        notes: What was worked out.
    """

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    is_true: bool


def verify_payment_bundle(bundle: Path, *, key: Path | None = None) -> PaymentVerdict:
    """Work out a payment again from its bundle alone.

    Args:
        bundle: The folder.
        key: The payer's public key; one that the bundle brings if None, which
            shows only that nothing changed since.

    Raises:
        ConfigError: If `key` cannot be read, or there is no such folder.
        SigningKeyError: If `key` holds no key.
    """
    if not bundle.is_dir():
        raise ConfigError(f"There is no folder {bundle}. Name the bundle's folder.")
    whole = verify_bundle(bundle, key=key)
    problems, notes = list(whole.problems), []
    paths = sorted((bundle / _FOLDER).glob("*.evidence.json"))
    if not paths:
        problems.append(Problem(source=_FOLDER, message="There is no payment in it."))
    for path in paths if not problems else ():
        found, note = _checked(bundle, path)
        name = path.relative_to(bundle).as_posix()
        problems += [Problem(source=name, message=message) for message in found]
        notes.append(note)
    return PaymentVerdict(
        problems=tuple(problems), notes=tuple(notes), is_true=not problems
    )


def _checked(bundle: Path, path: Path) -> tuple[list[str], str]:
    evidence = json.loads(path.read_bytes())
    problems = payment_problems(evidence, is_under=_is_under)
    if problems:
        return problems, ""
    digest = digest_of_document(evidence["header"])
    entries = (bundle / "log").rglob("tile/entries/**/*")
    if not any(digest.encode() in p.read_bytes() for p in entries if p.is_file()):
        problems.append("the header of the settlement is not in the log")
    leaf, header = evidence["payee"]["leaf"], evidence["header"]
    amount = leaf["cumulative"] - leaf["before"]
    statement = json.loads(
        path.with_name(path.name.replace("evidence", "statement")).read_bytes()
    )
    if statement["amount_minor"] != str(amount) or statement["payee"] != leaf["payee"]:
        problems.append("the statement says another amount than was worked out")
    money = f"{amount} / 10^{header['exponent']} {header['currency']}"
    return problems, f"{leaf['payee']} is owed {money} for {header['period']}"


def _is_under(leaf: bytes, proof: Json, root: str, size: int) -> bool:
    path: Any = [bytes.fromhex(part) for part in proof["path"]]
    return verify_inclusion(
        leaf_hash(leaf), path, index=proof["index"], size=size, root=bytes.fromhex(root)
    )
