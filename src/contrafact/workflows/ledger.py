"""The workspace's journal: opened, read, corrected, closed, exported."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from contrafact.audit.merkle import HashTree, leaf_hash
from contrafact.catalog import Workspace
from contrafact.catalog.atomic import write_json
from contrafact.core.errors import JournalError, PlanError
from contrafact.ledger.balance import balance_document
from contrafact.ledger.book import Dispute, parse_period
from contrafact.ledger.closing import close_period, require_sound
from contrafact.ledger.exports.accounting import (
    beancount_text,
    hledger_text,
    transactions,
)
from contrafact.ledger.journal import Journal
from contrafact.ledger.period import PeriodSettlement
from contrafact.ledger.rates import card_from_json
from contrafact.ledger.trees import MerkleTree

__all__ = [
    "EXPORTS",
    "Corrected",
    "JournalSettings",
    "add_rates",
    "close",
    "correct",
    "dispute",
    "export_journal",
    "journal_balance",
    "journal_check",
    "journal_entries",
    "merkle_tree",
    "open_journal",
    "read_settings",
    "release",
    "write_settings",
]

EXPORTS = {"hledger": hledger_text, "beancount": beancount_text}
"""Forms of the whole journal, by the program that reads them."""

_MARKER = "ledger.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """Where the journal is, and how plans are made for it.

    Attributes:
        url: Database; an SQLite file of the workspace if None.
        policy: By which outputs are divided.
        rates: The part of the royalty of each right, as texts.
        by_credits: Whether the catalog's credits stand in for shares on record.
    """

    url: str | None = None
    policy: str = "influence"
    rates: tuple[tuple[str, str], ...] = (("master", "1"),)
    by_credits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What became of a correction.

    Attributes:
        is_known: Whether the play is there; else it is corrected as it comes.
    """

    event_id: str
    kind: str
    is_known: bool


def read_settings(workspace: Workspace) -> JournalSettings:
    """Return the settings of the workspace's journal.

    Raises:
        JournalError: If the file of settings is damaged.
    """
    path = workspace.root / _MARKER
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if "rates" in plain:
            plain["rates"] = tuple((str(k), str(v)) for k, v in plain["rates"])
        return JournalSettings(**plain)
    except FileNotFoundError:
        return JournalSettings()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise JournalError(
            f"{path} is damaged ({error}). Delete it, and run `contrafact ledger "
            "plan` with the options you want."
        ) from error


def write_settings(workspace: Workspace, settings: JournalSettings) -> None:
    """Keep the settings of the workspace's journal.

    Raises:
        StorageError: If they cannot be written.
    """
    names = ("url", "policy", "rates", "by_credits")
    plain = {name: getattr(settings, name) for name in names}
    write_json(workspace.root / _MARKER, plain)


def open_journal(workspace: Workspace) -> Journal:
    """Open the workspace's journal; use it as a context manager or close it.

    Raises:
        StorageError: If the database cannot be written.
        JournalError: If it cannot be used.
    """
    path = (workspace.root / "ledger.sqlite").absolute()
    return Journal.open(read_settings(workspace).url or f"sqlite:///{path}")


def merkle_tree(leaves: Iterable[bytes]) -> MerkleTree:
    """Return the tree over leaves, as RFC 9162 has it."""
    return HashTree(map(leaf_hash, leaves))


def journal_balance(workspace: Workspace) -> dict[str, Any]:
    """Return who is owed what and what is held; see `balance_document`.

    Raises:
        JournalError: If the journal cannot be used.
    """
    with open_journal(workspace) as journal:
        book, pots = journal.snapshot()
    return balance_document(pots, book)


def journal_entries(
    workspace: Workspace, *, limit: int | None = None
) -> list[dict[str, Any]]:
    """Return entries as they are kept, in an order that is not that of arrival.

    Args:
        workspace: Where the journal is.
        limit: At most so many; all if None.
    """
    names = ("id", "kind", "debit", "credit", "amount", "at", "period", "note")
    with open_journal(workspace) as journal:
        found = islice(journal.entries(), limit)
        return [{name: getattr(entry, name) for name in names} for entry in found]


def journal_check(workspace: Workspace) -> int:
    """Add up all entries again; return how many there are.

    Raises:
        JournalError: If totals are not the sums of their entries.
    """
    with open_journal(workspace) as journal:
        return require_sound(journal)


def correct(
    workspace: Workspace, event_id: str, *, kind: str, reason: str
) -> Corrected:
    """Reverse, flag or clear a play, now or as soon as it comes.

    Args:
        workspace: Where the journal is.
        event_id: Of the play.
        kind: `reverse`, `flag` or `clear`.
        reason: Kept with it.

    Raises:
        JournalError: If there is no reason, or no flag to clear.
    """
    with open_journal(workspace) as journal:
        run = {
            "reverse": journal.reverse,
            "flag": journal.flag,
            "clear": journal.clear,
        }[kind]
        is_known = run(event_id, reason)
    return Corrected(event_id=event_id, kind=kind, is_known=is_known)


def dispute(workspace: Workspace, reason: str, **scope: str) -> Dispute:
    """Freeze what `output_id`, `source_id` or `payee` is owed.

    Raises:
        JournalError: If nothing is named or no reason is given.
    """
    with open_journal(workspace) as journal:
        return journal.dispute(reason, **scope)


def release(workspace: Workspace, dispute_id: str, reason: str) -> Dispute:
    """Give free what a dispute holds.

    Raises:
        JournalError: If there is no such dispute.
    """
    with open_journal(workspace) as journal:
        return journal.release(dispute_id, reason)


def close(workspace: Workspace, period: str) -> dict[str, PeriodSettlement]:
    """Close a period and all before it; return the settlement by currency.

    Raises:
        JournalError: If there is nothing to close, or it is no period.
    """
    with open_journal(workspace) as journal:
        return close_period(journal, parse_period(period), tree=merkle_tree)


def add_rates(workspace: Workspace, path: Path) -> int:
    """Take in the rate cards of a JSON file; return how many are new.

    Raises:
        PlanError: If the file cannot be read, or a card overlaps another.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"), parse_float=str)
    except (OSError, ValueError) as error:
        raise PlanError(f"Cannot read {path}: {error}. Give a JSON list.") from error
    cards = [card_from_json(card) for card in _listed(plain, path)]
    with open_journal(workspace) as journal:
        return sum(journal.add_card(card) for card in cards)


def _listed(plain: Any, path: Path) -> list[Any]:
    if isinstance(plain, list) and all(isinstance(one, dict) for one in plain):
        return plain
    raise PlanError(f"{path} is no JSON list of objects. See docs/ledger.md.")


def export_journal(workspace: Workspace, form: str, *, is_each: bool = False) -> str:
    """Return the whole journal as text for another program.

    Args:
        workspace: Where the journal is.
        form: One of `EXPORTS`.
        is_each: A transaction for every play, not one for a pot and a day.

    Raises:
        JournalError: If there is no such form.
    """
    if form not in EXPORTS:
        raise JournalError(
            f"There is no export for {form!r}. Choose one of: {', '.join(EXPORTS)}."
        )
    with open_journal(workspace) as journal:
        return EXPORTS[form](transactions(journal.entries(), is_each=is_each))
