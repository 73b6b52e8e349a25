from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from contrafact.core.entities import Problem
from contrafact.core.errors import RightsFileError
from contrafact.core.units import work_id
from contrafact.rights import Right, SubjectKind, Use
from contrafact.rights.readers import TEMPLATES

Read = Callable[..., tuple[list[Any], list[Problem]]]
HEAD = "right,isrc,use,allowed,grantor,territory,from,until"
ROW = "master,USRC17607839,train-generative,yes,Label,worldwide,,"


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a table."""

    def write(*lines: str | bytes, name: str = "t.csv", end: bytes = b"\n") -> Path:
        data = end.join(x if isinstance(x, bytes) else x.encode() for x in lines)
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def test_a_row_becomes_a_consent(table: Callable[..., Path], read: Read) -> None:
    """Every column lands where it belongs."""
    head = "right,iswc,title,use,allowed,grantor,territory,from,until,revocable,date,"
    row = "composition,T-034.524.680-1,Name,TDM,no,Ann,DE FR,2025-01-01,2025-12-31,no,"
    path = table(head + "source,source_digest", row + "2024-05-06,letter," + "AB" * 32)
    [c], problems = read(path)
    assert problems == []
    assert (c.right, c.subject_kind, c.subject_id) == (
        Right.COMPOSITION,
        SubjectKind.WORK,
        "T0345246801",
    )
    assert (c.use, c.is_allowed, c.grantor) == (Use.TEXT_AND_DATA_MINING, False, "Ann")
    assert str(c.territory) == "DE FR"
    assert (c.valid_from, c.valid_until) == (date(2025, 1, 1), date(2025, 12, 31))
    assert (c.is_revocable, c.signal_date) == (False, date(2024, 5, 6))
    assert (c.source, c.source_digest, c.title) == (
        "letter, t.csv:2",
        "ab" * 32,
        "Name",
    )


def test_a_row_may_name_several_rights_and_uses(
    table: Callable[..., Path], read: Read
) -> None:
    """One consent for each pair."""
    row = "master;composition,USRC17607839,tdm;identification,yes,A,worldwide,,"
    records, _ = read(table(HEAD, row))
    assert len({(c.right, c.use) for c in records}) == 4


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("master,USRC1760783,tdm,yes,A,worldwide,,", "no ISRC"),
        ("owner,USRC17607839,tdm,yes,A,worldwide,,", "no right"),
        ("master,USRC17607839,sing,yes,A,worldwide,,", "no use"),
        ("master,USRC17607839,tdm,perhaps,A,worldwide,,", "yes or no"),
        ("master,USRC17607839,tdm,yes,,worldwide,,", "'grantor' is empty"),
        ("master,USRC17607839,tdm,yes,A,,,", "'territory' is empty"),
        ("master,USRC17607839,tdm,yes,A,UK,,", "Write GB"),
        ("master,USRC17607839,tdm,yes,A,worldwide,01.02.2025,", "no day"),
        ("master,USRC17607839,tdm,yes,A,worldwide,20250101,", "no day"),
        ("master,USRC17607839,tdm,yes,A,DE,2026-01-01,2025-01-01", "backwards"),
        ("master,,tdm,yes,A,worldwide,,", "found none"),
        ("master,USRC17607839,;,yes,A,worldwide,,", "names nothing"),
        ("master,USRC17607839,tdm,yes,A,worldwide,,,extra", "9 cells under 8"),
        ("master,USRC17607839,tdm,yes,A\0,worldwide,,", "control character"),
    ],
)
def test_a_bad_row_is_named_by_its_line(
    table: Callable[..., Path], read: Read, row: str, said: str
) -> None:
    """The rows around it are read all the same."""
    path = table(HEAD, ROW, row, ROW.replace("Label", "Other"))
    records, [problem] = read(path)
    assert [c.grantor for c in records] == ["Label", "Other"]
    assert problem.source == f"{path}:3"
    assert said in problem.message
    assert problem.is_fatal


def test_two_names_for_one_subject_are_refused(
    table: Callable[..., Path], read: Read
) -> None:
    """Which of them was meant cannot be known."""
    path = table(
        "right,isrc,iswc,use,allowed,grantor,territory",
        "master,USRC17607839,T0345246801,tdm,yes,A,worldwide",
    )
    records, [problem] = read(path)
    assert records == []
    assert "found isrc, iswc" in problem.message


def test_a_reservation_needs_no_place_and_no_name(
    table: Callable[..., Path], read: Read
) -> None:
    """It is meant everywhere, whoever says so."""
    [c], _ = read(table(HEAD, "master,USRC17607839,tdm,no,,,,"))
    assert (str(c.territory), c.grantor) == ("worldwide", "")


def test_mixed_encodings_harm_only_their_rows(
    table: Callable[..., Path], read: Read
) -> None:
    """A row in Latin-1 among rows in UTF-8 is told by its line."""
    umlaut = ROW.replace("Label", "Bücher")
    path = table(HEAD, umlaut, umlaut.encode("latin-1"), ROW)
    records, [problem] = read(path)
    assert [c.grantor for c in records] == ["Bücher", "Label"]
    assert problem.source == f"{path}:3"
    assert "not UTF-8" in problem.message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_encodings_are_understood(
    table: Callable[..., Path], read: Read, encoding: str
) -> None:
    """As spreadsheets write them, with other separators and line ends."""
    text = f"{HEAD}\r\n{ROW}\r\n".replace(",", ";").replace("Label", "Bücher")
    [c], problems = read(table(text.encode(encoding)))
    assert (c.grantor, problems) == ("Bücher", [])


def test_an_open_quote_costs_what_it_swallows_and_no_more(
    table: Callable[..., Path], read: Read
) -> None:
    """The lines that are lost are named; those before and after are read."""
    filler = [ROW] * 3_000
    broken = ROW.replace("Label", '"Label')
    path = table(HEAD, ROW.replace("Label", "First"), broken, *filler)
    records, problems = read(path)
    assert records[0].grantor == "First"
    assert problems[0].source.startswith(f"{path}:3 to ")
    assert "Check the quotes" in problems[0].message


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["right,isrc"], "neither a column 'use' nor 'share'"),
        ([""], "neither a column"),
        ([HEAD + ",use", ROW], "more than one column is named 'use'"),
        ([b"\x89PNG\0\0"], "is no text"),
        ([HEAD, "x" * (1 << 20)], "a line longer than"),
        ([b"\xff\xfea"], "not UTF-16"),
    ],
)
def test_what_is_no_table_is_refused(
    table: Callable[..., Path], read: Read, lines: list[Any], said: str
) -> None:
    """In one line, with the name of the file."""
    path = table(*lines)
    with pytest.raises(RightsFileError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_unknown_columns_are_a_note(table: Callable[..., Path], read: Read) -> None:
    """A misspelt column does not go unnoticed."""
    records, [note] = read(table(HEAD + ",ends_on", ROW))
    assert len(records) == 1
    assert not note.is_fatal
    assert "ends_on" in note.message


def test_workbooks_are_read_too(tmp_path: Path, read: Read) -> None:
    """Numbers and dates come as a spreadsheet keeps them; lines are rows."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(HEAD.split(","))
    sheet.append([*ROW.split(",")[:6], datetime(2025, 1, 1), None])
    sheet.append([None])
    sheet.append(["master", "no ISRC", "tdm", True, "A", "worldwide"])
    book.save(tmp_path / "t.xlsx")
    [c], [problem] = read(tmp_path / "t.xlsx")
    assert c.valid_from == date(2025, 1, 1)
    assert problem.source.endswith("t.xlsx:4")


def test_a_workbook_that_unpacks_without_end_is_refused(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would unpack to is looked at before it is unpacked."""
    from contrafact.rights.readers import _lines

    monkeypatch.setattr(_lines, "_N_XLSX", 1 << 20)
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b"0" * (2 << 20))
    with pytest.raises(RightsFileError, match="unpacks to"):
        read(tmp_path / "t.xlsx")
    (tmp_path / "u.xlsx").write_bytes(b"no workbook")
    with pytest.raises(RightsFileError, match="not an XLSX"):
        read(tmp_path / "u.xlsx")


def test_shares_are_read_from_a_table_of_their_own(
    table: Callable[..., Path], read: Read
) -> None:
    """A party with its numbers, and an unclaimed part."""
    path = table(
        "right,work_title,party,ipi_name,share",
        "mechanical,A Work,Ann,14107338,1/3",
        "mechanical,A Work,,,2/3",
        "mechanical,A Work,,14107338,1/3",
        "mechanical,A Work,Ben,,4/3",
    )
    [known, unclaimed], [nameless, much] = read(path)
    assert known.subject_id == work_id("A Work")
    assert (known.holder.ipi_name, known.share) == ("00014107338", Fraction(1, 3))
    assert (unclaimed.holder, unclaimed.share) == (None, Fraction(2, 3))
    assert "no name" in nameless.message
    assert "at most 1" in much.message


def test_templates_are_read_as_what_they_are(
    table: Callable[..., Path], read: Read
) -> None:
    """A template without rows is a good table without records."""
    for columns in TEMPLATES.values():
        assert read(table(",".join(columns))) == ([], [])


MEASURE = """
import resource, sys
from pathlib import Path
from contrafact.rights.readers import ProblemLog, read_records
limit = int(sys.argv[2]) << 20
usage = open("/proc/self/statm").read().split()[0]
top = int(usage) * resource.getpagesize() + limit
resource.setrlimit(resource.RLIMIT_AS, (top, top))
log = ProblemLog()
print(sum(1 for _ in read_records(Path(sys.argv[1]), log)), log.n_bad)
"""


def test_a_large_table_is_read_in_little_memory(table: Callable[..., Path]) -> None:
    """40 MB pass with 16 MB to spare, every tenth row of them bad."""
    n_rows = 24_000
    name = "L" * 1_600
    rows = [
        f"master,USXXX{n:07},{'tdm' if n % 10 else 'none'},yes,{name},worldwide,,"
        for n in range(n_rows)
    ]
    path = table(HEAD, *rows)
    assert path.stat().st_size > 38_000_000
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), "16"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(n_rows * 9 // 10), str(n_rows // 10)], (
        done.stderr
    )


def test_a_header_that_cannot_be_read_ends_it(tmp_path: Path, read: Read) -> None:
    """One line about the file, not one for each row of what is no table."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"right,us\xe9\nmaster,x\nmaster,y\n")
    with pytest.raises(RightsFileError, match=r"t\.csv:1: not UTF-8"):
        read(path)
