"""Statements, payments and the journal in the forms that others read.

Every form is a pure function of what it shows: the same statement gives the
same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from contrafact.core.errors import StatementError
from contrafact.ledger.exports.document import statement_json
from contrafact.ledger.exports.dsr import statement_dsr
from contrafact.ledger.exports.pdf import statement_pdf
from contrafact.ledger.exports.table import statement_csv
from contrafact.ledger.statements import Statement

__all__ = ["STATEMENT_FORMATS", "StatementWriter", "write_statement"]

StatementWriter = Callable[[Statement, Mapping[str, str]], bytes]
"""From a statement and the names of parties by id to the bytes of a file."""

STATEMENT_FORMATS: Mapping[str, StatementWriter] = MappingProxyType(
    {
        "csv": statement_csv,
        "dsr": statement_dsr,
        "json": statement_json,
        "pdf": statement_pdf,
    }
)
"""Every form of a statement, by name."""


def write_statement(
    statement: Statement, form: str, *, names: Mapping[str, str]
) -> bytes:
    """Return a statement in one of its forms.

    Args:
        statement: What to write.
        form: One of `STATEMENT_FORMATS`.
        names: Of payees and titles of sources, by id; ids stand in for others.

    Raises:
        StatementError: If there is no such form.
    """
    if form not in STATEMENT_FORMATS:
        raise StatementError(
            f"There is no form {form!r}. Use one of: {', '.join(STATEMENT_FORMATS)}."
        )
    return STATEMENT_FORMATS[form](statement, names)
