"""What payees were paid ahead and what was carried over: a table, checked."""

from __future__ import annotations

import csv
from pathlib import Path

from contrafact.core.errors import AllocationError
from contrafact.ledger.terms import PaymentTerms

__all__ = ["read_payment_terms"]

_COLUMNS = ("advance", "brought")


def read_payment_terms(path: Path | None, *, minimum: int = 0) -> PaymentTerms:
    """Return minimum, advances and what was carried over.

    Args:
        path: CSV with a column `payee` and one or both of `advance` (paid ahead
            and not yet earned) and `brought` (carried over), in whole minor
            units; none if None.
        minimum: Smallest amount that is paid out, in minor units.

    Raises:
        AllocationError: If it cannot be read, names a payee twice, or a cell is
            no whole number.
    """
    if path is None:
        return PaymentTerms(minimum=minimum)
    found: dict[str, dict[str, int]] = {name: {} for name in _COLUMNS}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or ()
            if "payee" not in names or not set(names) & set(_COLUMNS):
                raise AllocationError(
                    f"{path} has the columns {', '.join(names) or 'none'}. It needs "
                    "payee, and advance or brought."
                )
            for row in reader:
                _take(row, found, where=f"{path.name}:{reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AllocationError(f"Cannot read {path}: {error}. Give CSV.") from error
    return PaymentTerms(
        minimum=minimum, advances=found["advance"], brought=found["brought"]
    )


def _take(row: dict[str, str], found: dict[str, dict[str, int]], *, where: str) -> None:
    payee = (row["payee"] or "").strip()
    for name in _COLUMNS:
        text = (row.get(name) or "").strip()
        if not text:
            continue
        if not payee or payee in found[name]:
            raise AllocationError(f"{where}: the payee is missing, or named twice.")
        digits = text.removeprefix("-") if name == "brought" else text
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 30):
            raise AllocationError(
                f"{where}: {name} is '{text}'. Write a whole number of minor units."
            )
        found[name][payee] = int(text)
