"""Lines of a CSV or XLSX file as text, each with its place."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import repeat
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from contrafact.core.errors import MetadataError

__all__ = ["TableLine", "read_lines"]

_SEPARATORS = ",;\t"
_Numbered = tuple[int, Iterable[str], str]
"""Number of a line, its cells, and its fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLine:
    """One line that is not blank; cells are stripped of white space.

    Attributes:
        fault: Why the cells are not what was meant, such as a formula without
            its value; "" if they are.
    """

    source: str
    cells: tuple[str, ...]
    fault: str = ""


def read_lines(path: Path) -> Iterator[TableLine]:
    """Yield the lines of a table that are not blank, the header first.

    Raises:
        MetadataError: If the file cannot be read as CSV or XLSX.
    """
    numbered = _xlsx(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    for number, cells, fault in numbered:
        stripped = [cell.strip() for cell in cells]
        while stripped and not stripped[-1]:
            stripped.pop()
        if stripped or fault:
            source = f"{path}:{number}"
            yield TableLine(source=source, cells=tuple(stripped), fault=fault)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MetadataError(
            f"Cannot read {path}: {error.strerror}. Check the path."
        ) from error


def _text(path: Path) -> str:
    data = _read(path)
    try:
        text = data.decode("utf-8-sig")
        # UTF-16 of plain letters is UTF-8 too, with a NUL beside every letter.
        at = data.find(b"\0")
    except UnicodeDecodeError as error:
        at = error.start
    if at >= 0:
        number = data.count(b"\n", 0, at) + 1
        raise MetadataError(
            f"{path}:{number}: not UTF-8 text. Save the table as 'CSV UTF-8'."
        )
    return text


def _csv(path: Path) -> Iterator[_Numbered]:
    text = _text(path)
    head = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 1
    try:
        for cells in reader:
            yield number, cells, ""
            number = reader.line_num + 1
    except csv.Error as error:
        raise MetadataError(
            f"{path}:{number}: not a CSV line: {error}. Check its quotes."
        ) from error


def _xlsx(path: Path) -> Iterator[_Numbered]:
    # Imported here: openpyxl is slow to load and seldom needed.
    from openpyxl.utils.exceptions import InvalidFileException

    _read(path)
    try:
        yield from _sheet_lines(path)
    # Whatever a damaged workbook makes openpyxl stumble over.
    except (
        InvalidFileException, zipfile.BadZipFile, zlib.error, ParseError, EOFError,
        LookupError, AttributeError, TypeError, ValueError,
    ) as error:  # fmt: skip
        raise MetadataError(
            f"{path} is not an XLSX workbook that can be read. Save it again with "
            "the table on its first sheet, or as CSV."
        ) from error


def _sheet_lines(path: Path) -> Iterator[_Numbered]:
    """Yield the lines of the first sheet, the saved values of formulas in them."""
    formulas = _rows(path, is_formulas=True) if _has_formulas(path) else repeat(())
    for number, cells in enumerate(_rows(path, is_formulas=False), start=1):
        fault = _fault(cells, next(formulas))
        yield number, [_plain(cell.value) for cell in cells], fault


def _rows(path: Path, *, is_formulas: bool) -> Iterator[tuple[Any, ...]]:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=not is_formulas)
    try:
        yield from book.worksheets[0].iter_rows()
    finally:
        book.close()


def _has_formulas(path: Path) -> bool:
    """Tell by the markup; reading every cell twice would take twice the time."""
    with zipfile.ZipFile(path) as file:
        sheets = [n for n in file.namelist() if n.startswith("xl/worksheets/")]
        return any(b"<f>" in data or b"<f " in data for data in map(file.read, sheets))


def _fault(cells: Sequence[Any], formulas: Sequence[Any]) -> str:
    for cell in cells:
        if cell.value is not None and cell.data_type == "e":
            return f"cell {cell.coordinate} holds the error {cell.value}. Correct it."
    for cell, formula in zip(cells, formulas, strict=False):
        if cell.value is None and formula.data_type == "f":
            return (
                f"cell {formula.coordinate} holds a formula without its value. Open "
                "the workbook in a spreadsheet program and save it, or save as CSV."
            )
    return ""


def _plain(value: Any) -> str:
    if value is None:
        return ""
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value)
