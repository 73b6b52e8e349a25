"""Tables about recordings: what is read, and what is wrong by line."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from contrafact.catalog import MetadataRow, read_metadata
from contrafact.core.errors import MetadataError

FULL = (
    "File;Title;Artist;Work;ISRC;ISWC;Label;Album;Collection;Caption;"
    "Caption Anonymous\n"
    'a.wav;Rag;"Ann; Bob";Rag No. 1;US-RC1-76-07839;T-034.524.680-1;L;D;G;by A;a rag\n'
)
FULL_ROW = {
    "file": "a.wav",
    "title": "Rag",
    "artists": ("Ann", "Bob"),
    "work": "Rag No. 1",
    "isrc": "USRC17607839",
    "iswc": "T0345246801",
    "label": "L",
    "release": "D",
    "group": "G",
    "caption": "by A",
    "caption_anonymous": "a rag",
}


def table(tmp_path: Path, text: str) -> Path:
    """Write a CSV table and return its path."""
    path = tmp_path / "catalog.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def messages(path: Path) -> list[str]:
    """Return the problems of a table without the folder."""
    problems = read_metadata(path).problems
    return [str(problem).replace(f"{path.parent}/", "") for problem in problems]


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_column_is_read(tmp_path: Path, start: str, newline: str) -> None:
    """Synonyms, any case, `;` as separator, and what Excel adds are understood."""
    path = table(tmp_path, start + FULL.replace("\n", newline))
    result = read_metadata(path)
    assert result.rows == (MetadataRow(source=f"{path}:2", **FULL_ROW),)
    assert result.problems == ()


def test_a_workbook_is_read_like_a_table(tmp_path: Path) -> None:
    """XLSX gives the same rows, whole numbers without a fraction."""
    book = openpyxl.Workbook()
    book.active.append(["filename", "Title", None, "artists"])
    book.active.append(["a.wav", 1904.0, None, "Ann;Bob"])
    book.save(tmp_path / "catalog.xlsx")
    (row,) = read_metadata(tmp_path / "catalog.xlsx").rows
    assert (row.title, row.artists) == ("1904", ("Ann", "Bob"))
    assert row.source.endswith("catalog.xlsx:2")


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Cells with line breaks and blank lines do not shift the line numbers."""
    text = 'file,caption\na.wav,"two\nlines"\n\n,x\n'
    expected = ["catalog.csv:5: the row names no file. Fill in its 'file' cell."]
    assert messages(table(tmp_path, text)) == expected


def test_wrong_identifiers_are_left_out_by_line(tmp_path: Path) -> None:
    """A wrong ISRC or ISWC is named with its line; the rest of the row is used."""
    path = table(tmp_path, "file,isrc,iswc\na.wav,XX,T-034.524.680-2\n")
    assert messages(path) == [
        "catalog.csv:2: ISRC 'XX' is not valid; left out. Correct it.",
        "catalog.csv:2: ISWC 'T-034.524.680-2' is not valid; left out. Correct it.",
    ]
    (row,) = read_metadata(path).rows
    assert (row.file, row.isrc, row.iswc) == ("a.wav", None, None)


def test_unknown_columns_are_named_once(tmp_path: Path) -> None:
    """Columns that mean nothing here are one problem, however many rows follow."""
    (message,) = messages(table(tmp_path, "file,bpm,mood\na.wav,1,2\nb.wav,3,4\n"))
    assert message.startswith("catalog.csv:1: columns not used: bpm, mood.")


@pytest.mark.parametrize(
    ("header", "first", "second", "expected"),
    [
        ("file,title", "a.wav,One", "a.wav,Two", "file 'a.wav' has other values"),
        (
            "file,isrc,work",
            "a.wav,USRC17607839,One",
            "b.wav,USRC17607839,Two",
            "ISRC 'USRC17607839' has another work",
        ),
        (
            "file,isrc,artists",
            "a.wav,USRC17607839,Ann;Bob",
            "b.wav,USRC17607839,Cleo",
            "ISRC 'USRC17607839' has another artist",
        ),
        (
            "file,work,iswc",
            "a.wav,One,T0345246801",
            "b.wav,one,T0000000010",
            "work 'one' has another ISWC",
        ),
        (
            "file,work,iswc",
            "a.wav,One,T0345246801",
            "b.wav,Two,T0345246801",
            "ISWC 'T0345246801' has another work",
        ),
    ],
)
def test_contradictions_leave_out_both_rows(
    tmp_path: Path, header: str, first: str, second: str, expected: str
) -> None:
    """Both lines are named, each with the other, and neither is used."""
    path = table(tmp_path, f"{header}\n{first}\nc.wav\n{second}\n")
    found = messages(path)
    assert [line.split(": ")[0] for line in found] == ["catalog.csv:2", "catalog.csv:4"]
    assert f"{expected} on line 4." in found[0]
    assert f"{expected} on line 2." in found[1]
    result = read_metadata(path)
    assert [row.file for row in result.rows] == ["c.wav"]
    files = {row.partition(",")[0] for row in (first, second)}
    assert result.rejected == tuple(sorted(files))


def test_equal_rows_are_one(tmp_path: Path) -> None:
    """Saying the same twice is no contradiction."""
    result = read_metadata(table(tmp_path, "file,title\na.wav,T\na.wav,T\n"))
    assert [row.file for row in result.rows] == ["a.wav"]
    assert result.problems == ()


def test_one_isrc_on_two_files_is_pointed_out(tmp_path: Path) -> None:
    """A second file of one recording is taken, and it is said, on its line."""
    text = (
        "file,isrc,artists\na.wav,USRC17607839,Ann;Bob\nb.flac,USRC17607839,bob;ann\n"
    )
    path = table(tmp_path, text)
    (message,) = messages(path)
    assert message.startswith(
        "catalog.csv:3: ISRC 'USRC17607839' is that of line 2 too"
    )
    assert [row.file for row in read_metadata(path).rows] == ["a.wav", "b.flac"]


def test_the_iswc_of_a_work_is_stated_once(tmp_path: Path) -> None:
    """Rows of one work share the ISWC that one of them states."""
    text = "file,work,iswc\na.wav,One,\nb.wav,ONE,T0345246801\nc.wav,Two,\n"
    rows = read_metadata(table(tmp_path, text)).rows
    assert [row.iswc for row in rows] == ["T0345246801", "T0345246801", None]


def test_too_many_cells_are_a_problem(tmp_path: Path) -> None:
    """An unquoted separator shifts no values into wrong columns."""
    (message,) = messages(table(tmp_path, "file,title\na.wav,Rag, slow\n"))
    assert message.startswith("catalog.csv:2: 3 cells under 2 columns.")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"title\nx\n", "no column 'file', found title"),
        (b"file,path\na,b\n", "2 columns mean 'file'"),
        (b"file,title\na.wav,\xe9tude\n", "catalog.csv:2: not UTF-8"),
        (b'file\n"a.wav\n', "not a CSV line"),
        ("file,title\na.wav,T\n".encode("utf-16"), "catalog.csv:1: not UTF-8"),
        ("file,title\na.wav,T\n".encode("utf-16-le"), "catalog.csv:1: not UTF-8"),
        (b"file,title\na.wav,T\0\n", "catalog.csv:2: not UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error(
    tmp_path: Path, data: bytes, message: str
) -> None:
    """Nothing is guessed about a table that makes no sense as a whole."""
    (tmp_path / "catalog.csv").write_bytes(data)
    with pytest.raises(MetadataError, match=message):
        read_metadata(tmp_path / "catalog.csv")


def test_missing_tables_and_false_workbooks_are_errors(tmp_path: Path) -> None:
    """A missing file and a text called XLSX are named as such."""
    with pytest.raises(MetadataError, match="Cannot read"):
        read_metadata(tmp_path / "catalog.csv")
    (tmp_path / "catalog.xlsx").write_text("file,title\n")
    with pytest.raises(MetadataError, match="not an XLSX workbook"):
        read_metadata(tmp_path / "catalog.xlsx")


def test_formulas_without_values_are_faults_of_their_lines(tmp_path: Path) -> None:
    """What a program wrote but no spreadsheet ever computed is not taken as blank."""
    book = openpyxl.Workbook()
    for cells in (["file", "title"], ["a.wav", '="A"&"B"'], ["b.wav", "B"]):
        book.active.append(cells)
    path = tmp_path / "catalog.xlsx"
    book.save(path)
    (message,) = messages(path)
    assert message.startswith("catalog.xlsx:2: cell B2 holds a formula without")
    assert [row.file for row in read_metadata(path).rows] == ["b.wav"]


def test_error_values_are_faults_of_their_lines(tmp_path: Path) -> None:
    """A formula that failed gives no title of '#DIV/0!'."""
    book = openpyxl.Workbook()
    for cells in (["file", "title"], ["a.wav", "#DIV/0!"], ["b.wav", "B"]):
        book.active.append(cells)
    path = tmp_path / "catalog.xlsx"
    book.save(path)
    assert messages(path) == [
        "catalog.xlsx:2: cell B2 holds the error #DIV/0!. Correct it."
    ]


def test_an_empty_first_sheet_is_named(tmp_path: Path) -> None:
    """Who keeps the table on the second sheet is told where it is looked for."""
    book = openpyxl.Workbook()
    book.create_sheet("data").append(["file"])
    book.save(tmp_path / "catalog.xlsx")
    with pytest.raises(MetadataError, match=r"the first sheet of .* is empty"):
        read_metadata(tmp_path / "catalog.xlsx")


def test_a_workbook_without_a_table_is_an_error(tmp_path: Path) -> None:
    """A chart in the place of the sheet is refused as what cannot be read."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    book.create_chartsheet("chart")
    book.create_sheet("hidden")
    book.save(tmp_path / "catalog.xlsx")
    with pytest.raises(MetadataError, match="not an XLSX workbook"):
        read_metadata(tmp_path / "catalog.xlsx")
