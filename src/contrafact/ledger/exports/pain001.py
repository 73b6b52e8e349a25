"""Payments as a credit transfer that banks read: ISO 20022 pain.001.001.09.

In euro it is a SEPA transfer; in another currency a plain one, which banks
treat each in their own way.

References:
    ISO 20022, pain.001.001.09; European Payments Council, SEPA Credit Transfer
    Customer-to-PSP Implementation Guidelines (EPC132-08).
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from lxml import etree
from stdnum import bic as stdnum_bic
from stdnum import iban as stdnum_iban
from stdnum.exceptions import ValidationError

from contrafact.core.entities import Problem
from contrafact.core.errors import StatementError
from contrafact.ledger.closing import Payment
from contrafact.ledger.money import Currency

__all__ = ["NAMESPACE", "BankAccount", "credit_transfer", "read_accounts"]

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_COLUMNS = ("payee", "name", "iban", "bic")
_MAX_NAME = 70
_MAX_SEPA = 99_999_999_999
# What every bank in SEPA takes; other characters are replaced.
_UNSAFE = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """Where somebody is paid.

    Attributes:
        iban: Checked, without blanks.
        bic: Checked, or "" where the bank finds it from the IBAN.
    """

    name: str
    iban: str
    bic: str = ""

    @classmethod
    def of(cls, name: str, iban: str, bic: str = "") -> BankAccount:
        """Return an account whose numbers are in order.

        Raises:
            StatementError: If the IBAN or BIC is not one, or the name is empty.
        """
        if not name.strip():
            raise StatementError("The holder of an account has no name. Give it.")
        try:
            iban = stdnum_iban.validate(iban)
        except ValidationError as error:
            raise StatementError(
                f"{iban!r} is no IBAN: {error} Ask {name} for the right one."
            ) from error
        try:
            bic = stdnum_bic.validate(bic) if bic.strip() else ""
        except ValidationError as error:
            raise StatementError(
                f"{bic!r} is no BIC: {error} Leave it empty, or correct it."
            ) from error
        return cls(name=name.strip(), iban=iban, bic=bic)


def read_accounts(
    text: str, *, source: str
) -> tuple[dict[str, BankAccount], list[Problem]]:
    """Return the accounts in a table, by payee, and what is wrong with its rows.

    Args:
        text: CSV with the columns `payee`, `name`, `iban` and, if known, `bic`.
        source: Name of the file, for problems.

    Raises:
        StatementError: If a column is missing.
    """
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""))
    missing = [c for c in _COLUMNS[:3] if c not in (reader.fieldnames or ())]
    if missing:
        raise StatementError(
            f"{source} has no column '{missing[0]}'. It needs {', '.join(_COLUMNS)}."
        )
    found: dict[str, BankAccount] = {}
    problems = []
    for row in reader:
        cells = {c: (row.get(c) or "").strip() for c in _COLUMNS}
        try:
            if cells["payee"] in found:
                raise StatementError(f"{cells['payee']} has two accounts. Keep one.")
            account = BankAccount.of(cells["name"], cells["iban"], cells["bic"])
            found[cells["payee"]] = account
        except StatementError as error:
            place = f"{source}:{reader.line_num}"
            problems.append(Problem(source=place, message=str(error)))
    return found, problems


def credit_transfer(
    payments: Iterable[Payment],
    *,
    period: str,
    payer: BankAccount,
    accounts: Mapping[str, BankAccount],
    on: date,
) -> bytes:
    """Return the payments of one currency as XML.

    Args:
        payments: Those whose payee is not in `accounts` must be left out.
        period: For the text on the statement of account.
        payer: Who pays.
        accounts: By payee.
        on: The day of the transfer; it also dates the message, so that the
            same payments give the same bytes.

    Raises:
        StatementError: If there is nothing to pay, currencies are mixed, or an
            amount is more than a bank takes.
    """
    every = sorted(payments)
    currency = _one_currency(every)
    named = f"{period} {payer.iban} {on} {[(p.payee, p.amount) for p in every]}"
    id_ = f"CF-{period}-{currency.code}-{sha256(named.encode()).hexdigest()[:16]}"
    total = _amount(sum(p.amount for p in every), currency)
    root = etree.Element(f"{{{NAMESPACE}}}Document", nsmap={None: NAMESPACE})
    message = _add(root, "CstmrCdtTrfInitn")
    head = _add(message, "GrpHdr")
    _texts(head, MsgId=id_, CreDtTm=f"{on.isoformat()}T00:00:00Z")
    _texts(head, NbOfTxs=str(len(every)), CtrlSum=total)
    _texts(_add(head, "InitgPty"), Nm=_safe(payer.name))
    block = _add(message, "PmtInf")
    _texts(block, PmtInfId=id_, PmtMtd="TRF", NbOfTxs=str(len(every)), CtrlSum=total)
    is_sepa = currency.code == "EUR"
    if is_sepa:
        _texts(_add(_add(block, "PmtTpInf"), "SvcLvl"), Cd="SEPA")
    _texts(_add(block, "ReqdExctnDt"), Dt=on.isoformat())
    _party(block, "Dbtr", payer)
    _texts(block, ChrgBr="SLEV" if is_sepa else "SHAR")
    for payment in every:
        _transfer(block, payment, accounts[payment.payee], period)
    return _xml(root)


def _one_currency(payments: list[Payment]) -> Currency:
    """Return the currency of payments that can be made in one transfer."""
    codes = sorted({payment.currency for payment in payments})
    if len(codes) != 1:
        raise StatementError(
            f"A transfer is of one currency and at least one payment; found "
            f"{', '.join(codes) or 'no payment'}. Make one for each currency."
        )
    for payment in payments:
        if not 0 < payment.amount <= _MAX_SEPA:
            raise StatementError(
                f"{payment.payee} is to get {payment.amount} minor units; a transfer "
                f"is of 1 to {_MAX_SEPA}. Pay it by hand."
            )
    return Currency.of(codes[0])


def _xml(root: Any) -> bytes:
    found: bytes = etree.tostring(
        root, xml_declaration=True, encoding="UTF-8", pretty_print=True
    )
    return found


def _add(parent: Any, name: str) -> Any:
    return etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")


def _texts(parent: Any, **texts: str) -> None:
    for name, text in texts.items():
        _add(parent, name).text = text


def _party(parent: Any, kind: str, account: BankAccount) -> None:
    """Add who pays or is paid; the schema wants payer and payee in other orders."""

    def add_agent() -> None:
        bank = _add(_add(parent, f"{kind}Agt"), "FinInstnId")
        if account.bic:
            _texts(bank, BICFI=account.bic)
        else:
            _texts(_add(bank, "Othr"), Id="NOTPROVIDED")

    if kind == "Cdtr" and account.bic:
        add_agent()
    _texts(_add(parent, kind), Nm=_safe(account.name))
    _texts(_add(_add(parent, f"{kind}Acct"), "Id"), IBAN=account.iban)
    if kind == "Dbtr":
        add_agent()


def _transfer(parent: Any, payment: Payment, account: BankAccount, period: str) -> None:
    currency = Currency.of(payment.currency)
    one = _add(parent, "CdtTrfTxInf")
    named = f"{period} {payment.currency} {payment.payee}"
    id_ = f"{period}-{sha256(named.encode()).hexdigest()[:24]}"
    _texts(_add(one, "PmtId"), EndToEndId=id_)
    amount = _add(_add(one, "Amt"), "InstdAmt")
    amount.text = _amount(payment.amount, currency)
    amount.set("Ccy", payment.currency)
    _party(one, "Cdtr", account)
    _texts(_add(one, "RmtInf"), Ustrd=f"Royalties {period} {_safe(payment.payee)}")


def _amount(units: int, currency: Currency) -> str:
    return currency.written(units).partition(" ")[0]


def _safe(text: str) -> str:
    """Return a name in the letters that every bank takes."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return _UNSAFE.sub("?", kept)[:_MAX_NAME]
