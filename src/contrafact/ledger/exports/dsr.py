"""A statement in the shape of a DDEX sales report: a flat file of records.

One `HEAD`, one summary record, one block for each line, one `FOOT`; cells are
divided by tabs. The header and footer are those of the standard. The summary
and block records are our own, since no DDEX profile knows shares by influence;
their names begin with `X`, so that nobody takes them for the standard's.

References:
    DDEX, Digital Sales Report Message Suite, Part 1 (architecture) and Part 8
    (record types), dsr8.ddex.net. Whoever sends these as DDEX messages needs
    DDEX's implementation licence and a party id of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from contrafact.ledger._plays import next_period
from contrafact.ledger.exports.fields import COLUMNS, line_fields, totals
from contrafact.ledger.statements import Statement

__all__ = ["PROFILE", "statement_dsr"]

VERSION = "dsrf/1.1.2/1.6/1.0"
PROFILE = "X-contrafact-influence"
_SERVICE = "contrafact"


def statement_dsr(statement: Statement, names: Mapping[str, str]) -> bytes:
    """Return a statement as a tab-separated flat file in UTF-8.

    The message id is made from the settlement and the payee, and the time is
    the end of the period, so that the same statement is the same message.
    """
    fields = totals(statement)
    start = min((statement.period, *(line.period for line in statement.lines)))
    first = date.fromisoformat(f"{start}-01")
    after = date.fromisoformat(f"{next_period(statement.period)}-01")
    summary_keys = ("currency", "amount_minor", "before_minor", "cumulative_minor")
    head = [
        "HEAD",
        VERSION,
        PROFILE,
        "1.0",
        f"{statement.settlement[:24]}-{statement.payee}",
        f"{after.isoformat()}T00:00:00Z",
        "1",
        "1",
        first.isoformat(),
        (after - timedelta(days=1)).isoformat(),
        "",
        _SERVICE,
        _SERVICE,
        statement.payee,
        names.get(statement.payee, statement.payee),
        "",
    ]
    summary = ["XS01", "1", *(fields[k] for k in summary_keys), fields["exact"]]
    rows = [head, summary]
    for number, line in enumerate(statement.lines, start=1):
        cells = line_fields(line, names.get(line.line.source_id, ""))
        rows.append(["XL01", str(number), "1", *(cells[c] for c in COLUMNS)])
    n_lines, n_blocks = str(len(rows) + 1), str(len(statement.lines))
    rows.append(["FOOT", n_lines, n_lines, "1", n_blocks, n_blocks])
    return "".join("\t".join(map(_cell, row)) + "\n" for row in rows).encode()


def _cell(text: str) -> str:
    """Return a text without what ends a cell; `|` divides values in one."""
    return " ".join(text.split()).replace("|", "/")
