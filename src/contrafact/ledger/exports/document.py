"""A statement as JSON, in its one canonical form."""

from __future__ import annotations

from collections.abc import Mapping

from contrafact.catalog.atomic import canonical_json
from contrafact.ledger.exports.fields import line_fields, totals
from contrafact.ledger.statements import Statement

__all__ = ["statement_json"]


def statement_json(statement: Statement, names: Mapping[str, str]) -> bytes:
    """Return a statement as JSON: totals, and its lines by name of column.

    Numbers that are not whole are texts, so that no reader rounds them.
    """
    document = {
        **totals(statement),
        "name": names.get(statement.payee, statement.payee),
        "lines": [
            line_fields(line, names.get(line.line.source_id, ""))
            for line in statement.lines
        ],
    }
    return canonical_json(document).encode()
