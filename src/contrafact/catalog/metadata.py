"""Tables about recordings: CSV or XLSX, one row a file.

A table is read whole and every fault is reported by its line. Rows that
contradict each other are left out, all of them: which one is right cannot be
known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contrafact.catalog._table import TableLine, read_lines
from contrafact.core.entities import Problem
from contrafact.core.errors import MetadataError
from contrafact.core.units import is_valid_isrc, is_valid_iswc, normalise_name

__all__ = ["MetadataRow", "MetadataTable", "read_metadata"]

_COLUMNS = {
    "file": ("file", "filename", "file name", "path", "audio", "filepath"),
    "title": ("title", "name", "track", "track title", "recording"),
    "artists": ("artists", "artist", "performer", "performers", "artist name"),
    "work": ("work", "work title", "composition"),
    "isrc": ("isrc",),
    "iswc": ("iswc",),
    "label": ("label", "record label", "publisher"),
    "release": ("release", "album", "release title", "album title"),
    "group": ("group", "collection", "catalog", "catalogue", "corpus"),
    "caption": ("caption", "description", "prompt"),
    "caption_anonymous": ("caption_anonymous", "caption anonymous"),
}
_NAMES = {name: column for column, names in _COLUMNS.items() for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRow:
    """What a table says about one file; None where it says nothing.

    Attributes:
        source: The table and the line, for problems.
        isrc: Twelve characters without hyphens.
        iswc: As in `T0345246801`.
    """

    source: str
    file: str
    title: str | None = None
    artists: tuple[str, ...] = ()
    work: str | None = None
    isrc: str | None = None
    iswc: str | None = None
    label: str | None = None
    release: str | None = None
    group: str | None = None
    caption: str | None = None
    caption_anonymous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataTable:
    """A table as read: the rows that can be used, and what was wrong.

    Attributes:
        rejected: Files named only by rows that were left out.
    """

    path: Path
    rows: tuple[MetadataRow, ...]
    rejected: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_metadata(path: str | Path) -> MetadataTable:
    """Read a table about recordings.

    Columns are told by their names, in any order and case, with the usual
    synonyms; only `file` must be there. Several artists are parted by `;`.

    Args:
        path: CSV in UTF-8, parted by `,`, `;` or tabulators; or XLSX, of which
            the first sheet is read.

    Returns:
        The rows in order, and the problems by line.

    Raises:
        MetadataError: If the table cannot be read at all, or has no column
            that names the files.
    """
    path = Path(path)
    lines = read_lines(path)
    header = next(lines, None)
    if header is None:
        sheet = "the first sheet of " if path.suffix.lower() == ".xlsx" else ""
        raise MetadataError(f"{sheet}{path} is empty. Give it a header line and rows.")
    if header.fault:
        raise MetadataError(f"{header.source}: {header.fault}")
    columns, problems = _columns(header)
    rows = []
    for line in lines:
        row, found = _row(line, columns)
        problems += found
        rows += [row] if row else []
    rows, clashes = _without_contradictions(rows)
    problems += _shared_isrcs(rows)
    kept = {row.file for row in rows}
    lost = {row.file for row, _ in clashes} - kept
    problems += [Problem(source=row.source, message=text) for row, text in clashes]
    return MetadataTable(
        path=path,
        rows=tuple(_with_known_iswc(rows)),
        rejected=tuple(sorted(lost)),
        problems=tuple(problems),
    )


def _columns(header: TableLine) -> tuple[list[str | None], list[Problem]]:
    """Return what each column means; None for those that mean nothing here."""
    names = [
        " ".join(cell.casefold().replace("_", " ").split()) for cell in header.cells
    ]
    columns = [_NAMES.get(name) or _NAMES.get(name.replace(" ", "_")) for name in names]
    for column in _COLUMNS:
        if columns.count(column) > 1:
            raise MetadataError(
                f"{header.source}: {columns.count(column)} columns mean '{column}'. "
                "Keep one of them."
            )
    if "file" not in columns:
        raise MetadataError(
            f"{header.source}: no column 'file', found {', '.join(names)}. "
            "Add one that names the audio files."
        )
    pairs = zip(header.cells, columns, strict=True)
    unknown = [cell for cell, column in pairs if column is None and cell]
    if not unknown:
        return columns, []
    message = (
        f"columns not used: {', '.join(unknown)}. Known ones are {', '.join(_COLUMNS)}."
    )
    return columns, [Problem(source=header.source, message=message, is_fatal=False)]


def _row(
    line: TableLine, columns: Sequence[str | None]
) -> tuple[MetadataRow | None, list[Problem]]:
    if line.fault:
        return None, [Problem(source=line.source, message=line.fault)]
    if len(line.cells) > len(columns):
        message = (
            f"{len(line.cells)} cells under {len(columns)} columns. "
            "Quote cells that contain the separator."
        )
        return None, [Problem(source=line.source, message=message)]
    cells = {
        c: text for c, text in zip(columns, line.cells, strict=False) if c and text
    }
    if "file" not in cells:
        message = "the row names no file. Fill in its 'file' cell."
        return None, [Problem(source=line.source, message=message)]
    isrc, problems = _identifier(cells.get("isrc"), "ISRC", is_valid_isrc, line)
    iswc, found = _identifier(cells.get("iswc"), "ISWC", is_valid_iswc, line)
    artists = tuple(filter(None, map(str.strip, cells.get("artists", "").split(";"))))
    row = MetadataRow(
        source=line.source,
        file=cells["file"],
        title=cells.get("title"),
        artists=artists,
        work=cells.get("work"),
        isrc=isrc,
        iswc=iswc,
        label=cells.get("label"),
        release=cells.get("release"),
        group=cells.get("group"),
        caption=cells.get("caption"),
        caption_anonymous=cells.get("caption_anonymous"),
    )
    return row, problems + found


def _identifier(
    text: str | None, name: str, is_valid: Callable[[str], bool], line: TableLine
) -> tuple[str | None, list[Problem]]:
    if text is None:
        return None, []
    if is_valid(text):
        return "".join(c for c in text.upper() if c not in "-. "), []
    message = f"{name} '{text}' is not valid; left out. Correct it."
    return None, [Problem(source=line.source, message=message, is_fatal=False)]


_Clash = tuple[MetadataRow, str]


def _without_contradictions(
    rows: list[MetadataRow],
) -> tuple[list[MetadataRow], list[_Clash]]:
    """Return the rows that agree with all others, once each, and the others."""
    clashes = [
        *_clashes(rows, lambda r: r.file, _content, "file", "other values"),
        *_clashes(rows, lambda r: r.isrc, _work_key, "ISRC", "another work"),
        *_clashes(rows, lambda r: r.isrc, _credited, "ISRC", "another artist"),
        *_clashes(rows, _titled_work, lambda r: r.iswc, "work", "another ISWC"),
        *_clashes(rows, lambda r: r.iswc, _titled_work, "ISWC", "another work"),
    ]
    bad = {row.source for row, _ in clashes}
    unique = {row.file: row for row in reversed(rows) if row.source not in bad}
    kept = [row for row in rows if unique.get(row.file) is row]
    order = {row.source: number for number, row in enumerate(rows)}
    return kept, sorted(clashes, key=lambda clash: order[clash[0].source])


def _content(row: MetadataRow) -> MetadataRow:
    return replace(row, source="")


def _credited(row: MetadataRow) -> frozenset[str] | None:
    return frozenset(map(normalise_name, row.artists)) or None


def _titled_work(row: MetadataRow) -> str | None:
    return normalise_name(row.work) if row.work else None


def _work_key(row: MetadataRow) -> str | None:
    return _titled_work(row) or row.iswc


def _clashes(
    rows: Iterable[MetadataRow],
    key: Callable[[MetadataRow], str | None],
    value: Callable[[MetadataRow], object],
    name: str,
    found: str,
) -> Iterator[_Clash]:
    """Yield the rows that share a key but have different values under it."""
    groups: dict[str, list[MetadataRow]] = defaultdict(list)
    for row in rows:
        shared = key(row)
        if shared is not None and value(row) is not None:
            groups[shared].append(row)
    for shared, group in groups.items():
        for row in group:
            other = next((o for o in group if value(o) != value(row)), None)
            if other is not None:
                where = other.source.rpartition(":")[2]
                yield (
                    row,
                    (
                        f"{name} '{shared}' has {found} on line {where}. "
                        "Correct one of them; both were left out."
                    ),
                )


def _shared_isrcs(rows: Sequence[MetadataRow]) -> Iterator[Problem]:
    """Yield a note on every row whose ISRC another file has had before."""
    first: dict[str, MetadataRow] = {}
    for row in rows:
        if row.isrc is None or first.setdefault(row.isrc, row) is row:
            continue
        where = first[row.isrc].source.rpartition(":")[2]
        message = (
            f"ISRC '{row.isrc}' is that of line {where} too, another file. Both were "
            "taken; if they are not one recording, correct one of them."
        )
        yield Problem(source=row.source, message=message, is_fatal=False)


def _with_known_iswc(rows: Sequence[MetadataRow]) -> Iterator[MetadataRow]:
    """Give every row of a work the ISWC that another row states for it."""
    known = {_titled_work(row): row.iswc for row in rows if row.work and row.iswc}
    for row in rows:
        yield replace(row, iswc=row.iswc or known.get(_titled_work(row)))
