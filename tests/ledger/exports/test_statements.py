"""A statement in all its forms: the same bytes, and sums that others find too."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from contrafact.core.errors import StatementError
from contrafact.ledger.closing import close_period
from contrafact.ledger.exports import STATEMENT_FORMATS, write_statement
from contrafact.ledger.exports.fields import COLUMNS, as_decimal
from contrafact.ledger.journal import Journal
from contrafact.ledger.statements import Statement, make_statement

NAMES = {"a": "Zoë \x1b[2J & Söhne", "R-a": "=cmd()\tLied"}


@pytest.fixture
def statement(tmp_path: Path, plays: Any, plan: Any, tree: Any) -> Statement:
    """Give a statement with a line that is held."""
    return made(tmp_path / "ledger.sqlite", plays, plan, tree)


def made(path: Path, plays: Any, plan: Any, tree: Any) -> Statement:
    """Return a statement from a journal of its own."""
    with Journal.open(f"sqlite:///{path}") as journal:
        journal.add_plans([plan(f"song-{n}", a="1/3", b="1/7") for n in range(3)])
        journal.post(plays(100))
        journal.dispute("two claims", output_id="song-1")
        return make_statement(close_period(journal, "2026-03", tree=tree)["EUR"], "a")


@pytest.mark.parametrize("form", sorted(STATEMENT_FORMATS))
def test_the_same_inputs_give_the_same_bytes(
    form: str, tmp_path: Path, plays: Any, plan: Any, tree: Any
) -> None:
    """Two journals, two runs, one file; another name gives another."""
    once = made(tmp_path / "one.sqlite", plays, plan, tree)
    twice = made(tmp_path / "two.sqlite", plays, plan, tree)
    data = write_statement(once, form, names=NAMES)
    assert write_statement(twice, form, names=NAMES) == data
    assert write_statement(twice, form, names={"a": "Other"}) != data


def test_every_line_names_what_it_is_from(statement: Statement) -> None:
    """Events, run, model, corpus, policy, share with interval, hold reasons."""
    document = json.loads(write_statement(statement, "json", names={}))
    for line in document["lines"]:
        assert set(line) == set(COLUMNS)
        for name in ("events_sha256", "attribution_id", "model", "corpus", "policy"):
            assert line[name]
        low, share, high = (
            Fraction(line[n]) for n in ("share_low", "share", "share_high")
        )
        assert low <= share <= high
    assert [bool(line["hold_reasons"]) for line in document["lines"]] == [0, 1, 0]


def test_lines_add_up_in_csv(statement: Statement) -> None:
    """Exact parts sum to what the amount was rounded from."""
    text = write_statement(statement, "csv", names={}).decode()
    above, _, below = text.partition("\n\n")
    fields = dict(csv.reader(above.splitlines()))
    rows = list(csv.DictReader(below.splitlines()))
    exact = sum(Fraction(row["owed_exact"]) for row in rows)
    assert exact == Fraction(fields["exact"])
    assert abs(exact - int(fields["amount_minor"])) < 1


def test_csv_runs_nothing(statement: Statement) -> None:
    """A title that a spreadsheet would take for a formula is put behind a mark."""
    text = write_statement(statement, "csv", names=NAMES).decode()
    assert "'=cmd()" in text
    assert ",=cmd" not in text


def test_the_flat_file_counts_itself(statement: Statement) -> None:
    """One head, one foot that knows the lines and blocks, tabs only between cells."""
    text = write_statement(statement, "dsr", names=NAMES).decode()
    rows = [line.split("\t") for line in text.splitlines()]
    assert rows[0][0] == "HEAD"
    assert rows[0][5:10] == [
        "2026-04-01T00:00:00Z",
        "1",
        "1",
        "2026-03-01",
        "2026-03-31",
    ]
    n_lines, n_blocks = str(len(rows)), str(len(statement.lines))
    assert rows[-1] == ["FOOT", n_lines, n_lines, "1", n_blocks, n_blocks]
    assert {len(row) for row in rows if row[0] == "XL01"} == {3 + len(COLUMNS)}


@pytest.mark.skipif(which("pdftotext") is None, reason="needs pdftotext of poppler")
def test_the_pdf_can_be_read(statement: Statement, tmp_path: Path) -> None:
    """Name, amount and sources are text in it, on pages that a reader opens."""
    path = tmp_path / "s.pdf"
    path.write_bytes(write_statement(statement, "pdf", names=NAMES))
    command = ["pdftotext", "-layout", str(path), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Zoë" in text
    assert f"Owed for this period: {statement.currency.written(statement.amount)}" in (
        text
    )
    assert "33.33 % (16.66 % to 66.66 %)" in text


def test_an_unknown_form_is_refused(statement: Statement) -> None:
    """The message names the known ones."""
    with pytest.raises(StatementError, match="csv, dsr, json, pdf"):
        write_statement(statement, "docx", names={})


def test_who_has_nothing_has_no_statement(
    tmp_path: Path, plays: Callable[..., Any], tree: Any
) -> None:
    """Asking for one says where payees are listed."""
    with Journal.open(f"sqlite:///{tmp_path / 'j.sqlite'}") as journal:
        journal.post(plays(3))
        settled = close_period(journal, "2026-03", tree=tree)["EUR"]
    with pytest.raises(StatementError, match="has nothing in EUR"):
        make_statement(settled, "nobody")


def test_decimals_are_cut_not_rounded() -> None:
    """A reader never sees more than is owed."""
    assert as_decimal(Fraction(2, 3), places=2) == "0.66"
    assert as_decimal(Fraction(-1, 10**9)) == "0.000000"
    assert as_decimal(Fraction(10**40, 3), places=0) == "3" * 40
