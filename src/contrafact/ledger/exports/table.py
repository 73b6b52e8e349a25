"""A statement as CSV: the totals first, then a table of its lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from contrafact.ledger.exports.fields import COLUMNS, line_fields, totals
from contrafact.ledger.statements import Statement

__all__ = ["statement_csv"]

# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "@", "\t", "\r")


def statement_csv(statement: Statement, names: Mapping[str, str]) -> bytes:
    """Return a statement as CSV in UTF-8.

    Two columns of totals, an empty line, and the lines under `COLUMNS`. A text
    that a spreadsheet would run is put behind an apostrophe.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    payee = names.get(statement.payee, statement.payee)
    writer.writerow(("name", _safe(payee)))
    writer.writerows((key, _safe(value)) for key, value in totals(statement).items())
    writer.writerow(())
    writer.writerow(COLUMNS)
    for line in statement.lines:
        fields = line_fields(line, names.get(line.line.source_id, ""))
        writer.writerow(_safe(fields[column]) for column in COLUMNS)
    return text.getvalue().encode()


def _safe(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
