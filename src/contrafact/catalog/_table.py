"""Lines of a CSV or XLSX file as text, each with its place."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from contrafact.core.errors import MetadataError

__all__ = ["TableLine", "read_lines"]

_SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLine:
    """One line that is not blank; cells are stripped of white space."""

    source: str
    cells: tuple[str, ...]


def read_lines(path: Path) -> Iterator[TableLine]:
    """Yield the lines of a table that are not blank, the header first.

    Raises:
        MetadataError: If the file cannot be read as CSV or XLSX.
    """
    numbered = _xlsx(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    for number, cells in numbered:
        stripped = [cell.strip() for cell in cells]
        while stripped and not stripped[-1]:
            stripped.pop()
        if stripped:
            yield TableLine(source=f"{path}:{number}", cells=tuple(stripped))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MetadataError(f"Cannot read {path}: {error.strerror}.") from error


def _csv(path: Path) -> Iterator[tuple[int, Iterable[str]]]:
    data = _read(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise MetadataError(
            f"{path}:{number}: not UTF-8 text. Save the table as 'CSV UTF-8'."
        ) from error
    head = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 1
    try:
        for cells in reader:
            yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise MetadataError(
            f"{path}:{number}: not a CSV line: {error}. Check its quotes."
        ) from error


def _xlsx(path: Path) -> Iterator[tuple[int, Iterable[str]]]:
    # Imported here: openpyxl is slow to load and seldom needed.
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    _read(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise MetadataError(
            f"{path} is not an XLSX workbook. Save it again, or as CSV."
        ) from error
    try:
        rows = book.worksheets[0].iter_rows(values_only=True)
        for number, values in enumerate(rows, start=1):
            yield number, [_plain(value) for value in values]
    finally:
        book.close()


def _plain(value: Any) -> str:
    if value is None:
        return ""
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value)
