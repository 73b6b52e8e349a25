"""Lines of CSV and XLSX tables one by one, however large the file."""

from __future__ import annotations

import csv
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from contrafact.core.errors import RightsFileError
from contrafact.rights.readers._problems import ProblemLog

__all__ = ["Line", "Tick", "read_table_lines"]

Line = tuple[int, Sequence[str]]
"""The number of a line, from 1, and its cells."""

Tick = Callable[[int, int], None]
"""Called with (bytes read, bytes in all) now and then."""

_SEPARATORS = ",;\t"
_N_LINE = 1 << 20
_N_XLSX = 1 << 30
_TICK_LINES = 2_000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_table_lines(
    path: Path, problems: ProblemLog, *, tick: Tick | None = None
) -> Iterator[Line]:
    """Yield the lines of a table that are not blank, the header first.

    Lines that cannot be read are reported and passed over.

    Args:
        path: CSV in UTF-8 (or UTF-16 with its mark), parted by `,`, `;` or
            tabulators; or XLSX, of which the first sheet is read.
        problems: Where to report.
        tick: Told how far it is.

    Raises:
        RightsFileError: If the file cannot be read at all.
    """
    try:
        if path.suffix.lower() == ".xlsx":
            yield from _xlsx(path)
        else:
            with path.open("rb") as file, _text(file) as text:
                lines = _Lines(path, file, text, tick=tick)
                yield from _csv(path, lines, problems)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RightsFileError(f"Cannot read {path}: {reason}.") from error


def _text(file: BinaryIO) -> TextIOWrapper:
    head = file.read(2)
    file.seek(0)
    if head in _UTF_16:
        return TextIOWrapper(file, encoding="utf-16", newline="")
    # Bytes that are no UTF-8 come through as surrogates, and so does the line.
    return TextIOWrapper(
        file, encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


def _csv(path: Path, lines: _Lines, problems: ProblemLog) -> Iterator[Line]:
    reader = csv.reader(lines, delimiter=_separator(path, lines), strict=True)
    is_head = True
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = reader.line_num
            where = str(number) if number == last else f"{number} to {last}"
            problems.bad(f"{path}:{where}", f"no CSV: {error}. Check the quotes.")
            continue
        if not any(cells):
            continue
        fault = _fault(cells)
        if fault is None:
            is_head = False
            yield number, cells
        elif is_head:
            # Without its columns no row of a table means anything.
            raise RightsFileError(f"{path}:{number}: {fault}")
        else:
            problems.bad(f"{path}:{number}", fault)


def _separator(path: Path, lines: _Lines) -> str:
    """Return what parts the cells of the first line, which is then read again."""
    first = next(lines, "")
    if "\0" in first:
        raise RightsFileError(
            f"{path} is no text. Save the table as 'CSV UTF-8', or as XLSX."
        )
    lines.put_back(first)
    return max(_SEPARATORS, key=first.count)


def _fault(cells: Sequence[str]) -> str | None:
    joined = "".join(cells)
    # Most cells are printable ASCII; only the others are looked at closely.
    if joined.isascii() and joined.isprintable():
        return None
    if any("\ud800" <= c <= "\udfff" for c in joined):
        return "not UTF-8 text. Save the table as 'CSV UTF-8'."
    if any(ord(c) < 32 and c not in "\t\n\r" for c in joined):
        return "a control character in a cell. Take it out."
    return None


class _Lines:
    """The lines of a text, none of them longer than a megabyte."""

    def __init__(
        self, path: Path, file: BinaryIO, text: TextIOWrapper, *, tick: Tick | None
    ) -> None:
        self._path, self._file, self._text, self._tick = path, file, text, tick
        self._n_bytes = os.fstat(text.fileno()).st_size
        self._n_lines = 0
        self._waiting: list[str] = []

    def put_back(self, line: str) -> None:
        """Give this line once more."""
        if line:
            self._waiting.append(line)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._waiting:
            return self._waiting.pop()
        try:
            line = self._text.readline(_N_LINE)
        except UnicodeDecodeError as error:
            raise RightsFileError(
                f"{self._path}:{self._n_lines + 1}: not UTF-16 text. Save it as 'CSV "
                "UTF-8'."
            ) from error
        if not line:
            raise StopIteration
        self._n_lines += 1
        if len(line) == _N_LINE:
            raise RightsFileError(
                f"{self._path}:{self._n_lines}: a line longer than {_N_LINE} "
                "characters. This is no table, or its quotes are broken."
            )
        if self._tick is not None and self._n_lines % _TICK_LINES == 0:
            self._tick(self._file.tell(), self._n_bytes)
        return line


def _xlsx(path: Path) -> Iterator[Line]:
    # Imported here: openpyxl is slow to load and seldom needed.
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    refused = RightsFileError(f"{path} is not an XLSX workbook. Save it again, or CSV.")
    faults = (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError)
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(entry.file_size for entry in archive.infolist())
        if n_bytes > _N_XLSX:
            raise RightsFileError(
                f"{path} unpacks to {n_bytes} bytes, more than a workbook may have "
                f"({_N_XLSX}). Save it as CSV."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except RightsFileError:
        raise
    except (*faults, SyntaxError) as error:
        raise refused from error
    try:
        rows = book.worksheets[0].iter_rows(values_only=True)
        for number, values in enumerate(rows, start=1):
            cells = [_plain(value) for value in values]
            if any(cells):
                yield number, cells
    except (*faults, SyntaxError) as error:
        raise refused from error
    finally:
        book.close()


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value)
