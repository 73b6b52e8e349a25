"""Payouts: a closed period as a plan that anybody can pay by, and as a transfer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from contrafact.audit.merkle import leaf_hash, verify_inclusion
from contrafact.catalog import Workspace
from contrafact.catalog.atomic import write_bytes
from contrafact.core.entities import Problem
from contrafact.core.errors import StatementError
from contrafact.ledger.book import parse_period
from contrafact.ledger.closing import Payment, pay_period, period_of
from contrafact.ledger.exports.pain001 import (
    BankAccount,
    credit_transfer,
    read_accounts,
)
from contrafact.ledger.payout import PayoutPlan, make_payout
from contrafact.ledger.trees import canonical
from contrafact.workflows.ledger import merkle_tree, open_journal

__all__ = ["BankTransfer", "PayoutFiles", "export_payout", "verify_payout_proof"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BankTransfer:
    """What a transfer is made of.

    Attributes:
        payer: Whose account is debited.
        accounts: CSV of the payees' accounts.
        on: The day of the transfer.
    """

    payer: BankAccount
    accounts: Path
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutFiles:
    """What was written.

    Attributes:
        without_account: Payees in the plan that the transfer leaves out.
        problems: Rows of the accounts that cannot be used.
    """

    plan: PayoutPlan
    payments: tuple[Payment, ...]
    files: tuple[Path, ...]
    without_account: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def export_payout(
    workspace: Workspace,
    period: str,
    out: Path,
    *,
    minimum: int = 1,
    transfer: BankTransfer | None = None,
) -> PayoutFiles:
    """Write the payout of a closed period into a folder.

    The first export enters the payments in the journal; a later one gives the
    same, whatever the minimum.

    Args:
        workspace: Where the journal is.
        period: A closed month.
        out: The folder, made if it is missing.
        minimum: In minor units; who has less waits for the next period.
        transfer: For pain.001 as well, one file for each currency.

    Raises:
        StatementError: If the period is open, or there is nothing to pay.
        StorageError: If the folder is not writable.
    """
    period = parse_period(period)
    # Read before anything is entered: a bad table must not cost a payment.
    accounts, problems = _accounts(transfer)
    with open_journal(workspace) as journal:
        payments = pay_period(journal, period, minimum=minimum)
        settled = period_of(journal, period, tree=merkle_tree)
    if not payments:
        raise StatementError(
            f"Nobody is to be paid {minimum} minor units or more for {period}. "
            "Nothing was written."
        )
    digests = {code: one.digest for code, one in settled.items()}
    plan = make_payout(payments, period=period, settlements=digests, tree=merkle_tree)
    files = [_write(out / "payout.json", plan.header)]
    for (code, payee), proof in plan.proofs.items():
        files.append(_write(out / "proofs" / f"{code}-{payee}.json", proof))
    if transfer is not None:
        files += _transfers(payments, period, out, transfer, accounts)
    missing = {p.payee for p in payments if transfer and p.payee not in accounts}
    return PayoutFiles(
        plan=plan,
        payments=tuple(payments),
        files=tuple(files),
        without_account=tuple(sorted(missing)),
        problems=tuple(problems),
    )


def _write(path: Path, document: object) -> Path:
    write_bytes(path, canonical(document) + b"\n")
    return path


def _accounts(
    transfer: BankTransfer | None,
) -> tuple[dict[str, BankAccount], list[Problem]]:
    if transfer is None:
        return {}, []
    try:
        text = transfer.accounts.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StatementError(
            f"Cannot read {transfer.accounts}: {error}. Give CSV in UTF-8."
        ) from error
    return read_accounts(text, source=transfer.accounts.name)


def _transfers(
    payments: list[Payment],
    period: str,
    out: Path,
    transfer: BankTransfer,
    accounts: dict[str, BankAccount],
) -> list[Path]:
    written = []
    for code in sorted({p.currency for p in payments}):
        mine = [p for p in payments if p.currency == code and p.payee in accounts]
        if mine:
            data = credit_transfer(
                mine,
                period=period,
                payer=transfer.payer,
                accounts=accounts,
                on=transfer.on,
            )
            path = out / f"pain.001-{period}-{code}.xml"
            write_bytes(path, data)
            written.append(path)
    return written


def verify_payout_proof(proof: Path, *, root: str) -> Payment:
    """Return the payment that a proof shows to be under a root.

    Raises:
        StatementError: If it is not.
    """
    try:
        plain = json.loads(proof.read_text(encoding="utf-8"))
        leaf = plain["leaf"]
        path = [bytes.fromhex(part) for part in plain["path"]]
        is_in = verify_inclusion(
            leaf_hash(canonical(leaf)),
            path,
            index=plain["index"],
            size=plain["n_leaves"],
            root=bytes.fromhex(root),
        )
        payment = Payment(
            currency=leaf["currency"], payee=leaf["payee"], amount=leaf["amount"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StatementError(f"{proof} is no proof of a payment: {error}.") from error
    if not is_in:
        raise StatementError(
            f"{proof} does not lead to the root {root}. Get both from the payer again."
        )
    return payment
