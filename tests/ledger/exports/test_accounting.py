"""The journal as accountants' programs see it, checked by those programs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from contrafact.ledger.closing import close_period, pay_period
from contrafact.ledger.exports.accounting import (
    beancount_text,
    hledger_text,
    transactions,
)
from contrafact.ledger.journal import Journal

CHECKS: dict[str, tuple[Callable[..., str], list[str]]] = {
    "hledger": (hledger_text, ["hledger", "-f", "FILE", "check"]),
    "beancount": (beancount_text, ["bean-check", "FILE"]),
}


@pytest.fixture
def entries(tmp_path: Path, plays: Any, plan: Any, tree: Any) -> list[Any]:
    """Give the entries of a journal with every kind of them."""
    with Journal.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as journal:
        journal.add_plans([plan("song-0", a="1/3", b="1/7"), plan("song-1", a=1)])
        events = plays(60)
        from dataclasses import replace

        journal.post([*events[:40], *(replace(e, currency="JPY") for e in events[40:])])
        odd = replace(events[5], event_id='odd " ; id', output_id="a:b é#x")
        journal.post([odd])
        journal.flag("e3", "robot")
        journal.flag("e4", "robot")
        journal.clear("e4", "human")
        journal.reverse("e3", "robot")
        journal.reverse("e8", "charged back")
        close_period(journal, "2026-03", tree=tree)
        pay_period(journal, "2026-03")
        return list(journal.entries())


@pytest.mark.parametrize("program", sorted(CHECKS))
@pytest.mark.parametrize("is_each", [False, True])
def test_it_balances_there(
    program: str, is_each: bool, entries: list[Any], tmp_path: Path
) -> None:
    """The program adds up all entries and finds the balances that are stated."""
    write, command = CHECKS[program]
    if which(command[0]) is None:
        pytest.skip(f"needs {command[0]}, as Debian has it")
    path = tmp_path / "books"
    text = write(transactions(entries, is_each=is_each))
    path.write_text(text)
    command = [str(path) if word == "FILE" else word for word in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = text.replace("1.05 EUR", "1.06 EUR", 1) if "1.05 EUR" in text else None
    last = text.rstrip().rpartition("\n")[2]
    amount = last.split()[-2]
    broken = text.replace(last, last.replace(amount, f"{amount}1"))
    path.write_text(wrong or broken)
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_sums_are_those_of_the_entries(entries: list[Any]) -> None:
    """Taken together by days or one by one, the same money moves."""
    together = sum(t.amount for t in transactions(entries))
    assert together == sum(t.amount for t in transactions(entries, is_each=True))
    assert together == sum(entry.amount for entry in entries)
    assert {t.currency for t in transactions(entries)} == {"EUR", "JPY"}
