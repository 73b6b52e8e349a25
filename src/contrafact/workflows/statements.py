"""Statements and the bundles that prove them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from contrafact.audit import BundleContent, write_bundle
from contrafact.catalog import Workspace
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import StatementError
from contrafact.ledger.book import parse_period
from contrafact.ledger.closing import period_of
from contrafact.ledger.evidence import payment_evidence
from contrafact.ledger.exports import STATEMENT_FORMATS, write_statement
from contrafact.ledger.period import PeriodSettlement
from contrafact.ledger.statements import Statement, make_statement
from contrafact.ledger.trees import canonical
from contrafact.workflows.audit import (
    append_entry,
    has_log,
    list_entries,
    read_log,
    workspace_signer,
)
from contrafact.workflows.holdings import payee_names
from contrafact.workflows.ledger import merkle_tree, open_journal

__all__ = [
    "StatementFile",
    "make_payment_bundle",
    "make_statements",
    "publish",
    "settlements_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """A statement and where it was written, in each of its forms."""

    statement: Statement
    files: tuple[Path, ...]


def settlements_of(workspace: Workspace, period: str) -> dict[str, PeriodSettlement]:
    """Return the settlement of a period, by currency.

    Raises:
        JournalError: If it is no period, or the journal cannot be used.
        StatementError: If nothing was played up to its end.
    """
    with open_journal(workspace) as journal:
        found = period_of(journal, parse_period(period), tree=merkle_tree)
    if not found:
        raise StatementError(
            f"There are no plays up to the end of {period}. Ingest some with "
            "`contrafact plays ingest`."
        )
    return found


def make_statements(
    workspace: Workspace,
    period: str,
    out: Path,
    *,
    payee: str | None = None,
    forms: tuple[str, ...] = ("csv", "dsr", "json", "pdf"),
) -> list[StatementFile]:
    """Write the statements of a period into a folder.

    Args:
        workspace: Where the journal is.
        period: A month; if it is open, statements are marked as preliminary.
        out: The folder, made if it is missing.
        payee: Only theirs; everybody's if None.
        forms: Of `STATEMENT_FORMATS`.

    Raises:
        StatementError: If there is no such payee or form, or nothing to state.
        StorageError: If the folder is not writable.
    """
    if unknown := set(forms) - set(STATEMENT_FORMATS):
        raise StatementError(
            f"There is no form {min(unknown)!r}. Use some of: "
            f"{', '.join(STATEMENT_FORMATS)}."
        )
    names = _names(workspace)
    made = []
    for statement in _statements(settlements_of(workspace, period), payee):
        paths = []
        for form in forms:
            suffix = "dsr.tsv" if form == "dsr" else form
            path = out / f"{_stem(statement)}.{suffix}"
            write_bytes(path, write_statement(statement, form, names=names))
            paths.append(path)
        made.append(StatementFile(statement=statement, files=tuple(paths)))
    return made


def _stem(statement: Statement) -> str:
    return f"{statement.period}-{statement.currency.code}-{statement.payee}"


def _statements(
    settlements: Mapping[str, PeriodSettlement], payee: str | None
) -> Iterator[Statement]:
    found = [
        make_statement(settlement, one)
        for settlement in settlements.values()
        for one in settlement.payees
        if payee in (None, one)
    ]
    if not found:
        raise StatementError(
            f"{payee or 'Nobody'} has nothing in this period. `contrafact ledger "
            "balance` lists the payees."
        )
    # Everybody who got anything before is known; only this period is told.
    yield from (s for s in found if payee or s.lines or s.amount)


def _names(workspace: Workspace) -> dict[str, str]:
    """Return names of payees and titles of sources, by id."""
    with workspace.catalog() as catalog:
        titles = {str(r.id): r.title for r in catalog.recordings()}
        titles |= {str(w.id): w.title for w in catalog.works()}
    return {**titles, **payee_names(workspace)}


def publish(workspace: Workspace, settlement: PeriodSettlement) -> None:
    """Enter the digest of a settlement's header in the log, once.

    That makes it public: everybody is shown the same one, and it cannot be
    another one later.

    Raises:
        SigningKeyError: If there is no key to sign with.
        LogDamagedError: If the log is damaged.
    """
    body = {
        "period": settlement.period,
        "currency": settlement.currency.code,
        "settlement": settlement.digest,
        "pools_root": settlement.header["pools_root"],
        "payees_root": settlement.header["payees_root"],
    }
    if has_log(workspace):
        known = (e.entry for e in list_entries(workspace))
        if any(e["kind"] == "statement" and e["body"] == body for e in known):
            return
    append_entry(workspace, "statement", body)


def make_payment_bundle(
    workspace: Workspace, period: str, payee: str, out: Path
) -> list[str]:
    """Write a folder from which a payee works out their payment again.

    It is an audit bundle: the signed log with the settlement's header in it,
    and below `releases/payment/` the evidence and the statement in all forms.

    Args:
        workspace: Where journal and log are.
        period: A closed one.
        payee: Whose payment it is.
        out: A folder that does not exist or is empty.

    Returns:
        The names of its files.

    Raises:
        StatementError: If the period is open, or the payee has nothing.
        SigningKeyError: If there is no key to sign with.
        StorageError: If `out` is not empty.
    """
    mine = {
        code: one
        for code, one in settlements_of(workspace, period).items()
        if payee in one.payees
    }
    if not mine or not all(one.is_final for one in mine.values()):
        found = "is still open" if mine else f"has nothing for {payee!r}"
        raise StatementError(
            f"{period} {found}. A bundle is of a closed period: `contrafact ledger "
            "close`, and of a payee that `contrafact ledger balance` lists."
        )
    names = _names(workspace)
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for code, settlement in sorted(mine.items()):
            publish(workspace, settlement)
            for name, data in _documents(settlement, payee, names).items():
                files[f"payment/{code}.{name}"] = Path(folder, f"{code}.{name}")
                write_bytes(Path(folder, f"{code}.{name}"), data)
        content = BundleContent(releases=files)
        return write_bundle(
            read_log(workspace), out, signer=workspace_signer(), content=content
        )


def _documents(
    settlement: PeriodSettlement, payee: str, names: Mapping[str, str]
) -> dict[str, bytes]:
    statement = make_statement(settlement, payee)
    evidence = canonical(payment_evidence(settlement, payee)) + b"\n"
    endings = {"csv": "csv", "dsr": "dsr.tsv", "json": "json", "pdf": "pdf"}
    found = {
        f"statement.{endings[form]}": write_statement(statement, form, names=names)
        for form in STATEMENT_FORMATS
    }
    return {"evidence.json": evidence, **found}
