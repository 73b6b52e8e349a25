"""What is paid: once, under one root, and in the form of banks."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from contrafact.audit.merkle import leaf_hash, verify_inclusion
from contrafact.core.errors import StatementError
from contrafact.ledger.closing import Payment, close_period, pay_period, require_sound
from contrafact.ledger.exports.pain001 import (
    NAMESPACE,
    BankAccount,
    credit_transfer,
    read_accounts,
)
from contrafact.ledger.journal import Journal
from contrafact.ledger.payout import make_payout
from contrafact.ledger.trees import canonical

# Made for documentation by the registry of IBANs and by ISO 9362.
IBAN, OTHER = "DE89370400440532013000", "FR1420041010050500013M02606"
PAYER = BankAccount.of("Bühne Müller & Co", IBAN, "COBADEFFXXX")
ON = date(2026, 4, 3)


@pytest.fixture
def closed(journal: Journal, plays: Any, plan: Any, tree: Any) -> Journal:
    """Give a journal with March closed."""
    journal.add_plans([plan(f"song-{n}", a="1/3", b="1/70") for n in range(3)])
    journal.post(plays(200))
    close_period(journal, "2026-03", tree=tree)
    return journal


def test_what_is_settled_is_paid_once(closed: Journal, tree: Any) -> None:
    """A second export is the first one again, whatever minimum it names."""
    first = pay_period(closed, "2026-03", minimum=20)
    assert [p.payee for p in first] == ["a", "label"]
    assert pay_period(closed, "2026-03", minimum=1) == first
    require_sound(closed)
    with pytest.raises(StatementError, match="is not closed"):
        pay_period(closed, "2026-04")


def test_little_waits_for_the_next_period(
    closed: Journal, plays: Any, plan: Any, tree: Any
) -> None:
    """What is below the minimum is paid with what comes next, to the cent."""
    first = {p.payee: p.amount for p in pay_period(closed, "2026-03", minimum=20)}
    closed.post(plays(1000, first=700))
    settled = close_period(closed, "2026-05", tree=tree)["EUR"]
    second = {p.payee: p.amount for p in pay_period(closed, "2026-05", minimum=20)}
    for payee, amount in second.items():
        paid = first.get(payee, 0) + amount
        assert paid == settled.now.amounts[f"payee:{payee}"]
    assert "b" in second
    assert "b" not in first


def test_every_proof_leads_to_the_root(tree: Any) -> None:
    """And a leaf with another amount does not."""
    payments = [Payment(currency="EUR", payee=f"P-{n}", amount=n + 1) for n in range(7)]
    plan = make_payout(
        payments, period="2026-03", settlements={"EUR": "s" * 64}, tree=tree
    )
    assert plan.header["totals"] == {"EUR": 28}
    root = bytes.fromhex(plan.header["root"])
    for proof in plan.proofs.values():
        place = {"index": proof["index"], "size": proof["n_leaves"], "root": root}
        path = [bytes.fromhex(part) for part in proof["path"]]
        leaf = proof["leaf"]
        assert verify_inclusion(leaf_hash(canonical(leaf)), path, **place)
        more = {**leaf, "amount": leaf["amount"] + 1}
        assert not verify_inclusion(leaf_hash(canonical(more)), path, **place)


def test_the_transfer_says_what_is_paid() -> None:
    """Amounts, sums and accounts, in the order that the schema wants."""
    payments = [
        Payment(currency="EUR", payee="P-1", amount=105),
        Payment(currency="EUR", payee="P-2", amount=7),
    ]
    accounts = {
        "P-1": BankAccount.of("Zoë Ångström", OTHER),
        "P-2": BankAccount.of("Bob", IBAN, "COBADEFF"),
    }
    options: Any = {"period": "2026-03", "payer": PAYER, "accounts": accounts, "on": ON}
    data = credit_transfer(payments, **options)
    assert credit_transfer(payments[::-1], **options) == data
    root = etree.fromstring(data)
    names = {"p": NAMESPACE}
    assert root.tag == f"{{{NAMESPACE}}}Document"

    def texts(path: str) -> list[str]:
        return [e.text for e in root.findall(f".//p:{path}", names)]

    assert texts("InstdAmt") == ["1.05", "0.07"]
    assert texts("CtrlSum") == ["1.12", "1.12"]
    assert texts("IBAN") == [IBAN, OTHER, IBAN]
    assert texts("SvcLvl/p:Cd") == ["SEPA"]
    assert "Zoe Angstrom" in texts("Nm")
    assert all(len(text) <= 35 for text in (*texts("EndToEndId"), *texts("MsgId")))
    one = root.find(".//p:CdtTrfTxInf[2]", names)
    assert one is not None
    order = [etree.QName(child).localname for child in one]
    assert order == ["PmtId", "Amt", "CdtrAgt", "Cdtr", "CdtrAcct", "RmtInf"]


@pytest.mark.parametrize(
    ("iban", "bic", "message"),
    [
        ("DE89370400440532013001", "", "is no IBAN"),
        ("", "", "is no IBAN"),
        (IBAN, "NOBIC", "is no BIC"),
    ],
)
def test_wrong_accounts_are_refused(iban: str, bic: str, message: str) -> None:
    """A digit that was swapped never reaches a bank."""
    with pytest.raises(StatementError, match=message):
        BankAccount.of("Ann", iban, bic)


def test_a_table_of_accounts_names_its_bad_rows() -> None:
    """The good ones can be used; one payee has one account."""
    text = (
        f"payee,name,iban,bic\nP-1,Ann,{IBAN},\nP-2,Bob,DE00,\nP-1,Ann,{OTHER},\n"
        f"P-3,,{IBAN},\n"
    )
    found, problems = read_accounts(text, source="accounts.csv")
    assert found == {"P-1": BankAccount(name="Ann", iban=IBAN)}
    places = ["accounts.csv:3", "accounts.csv:4", "accounts.csv:5"]
    assert [problem.source for problem in problems] == places
    with pytest.raises(StatementError, match="no column 'iban'"):
        read_accounts("payee,name\n", source="a.csv")


@pytest.mark.parametrize("amounts", [[], [0], [10**12], [5, -5]])
def test_transfers_that_cannot_be_are_refused(amounts: list[int]) -> None:
    """Nothing, less than nothing, and more than a bank takes."""
    payments = [
        Payment(currency="EUR", payee=f"P-{n}", amount=a) for n, a in enumerate(amounts)
    ]
    with pytest.raises(StatementError):
        credit_transfer(payments, period="2026-03", payer=PAYER, accounts={}, on=ON)


def test_the_root_is_empty_of_others(
    closed: Journal, tree: Any, tmp_path: Path
) -> None:
    """A proof shows the payee's own leaf and hashes, and no other payee."""
    payments = pay_period(closed, "2026-03")
    plan = make_payout(
        payments, period="2026-03", settlements={"EUR": "s" * 64}, tree=tree
    )
    shown = canonical(plan.proofs["EUR", "a"]).decode()
    assert '"a"' in shown
    assert '"label"' not in shown
