"""Tables of consents and of shares: CSV and XLSX, one statement a row.

`TEMPLATES` says what the columns are. A row that is wrong is reported by its
line and left out; the others are not harmed by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from contrafact.core.errors import ConsentError, RightsError, RightsFileError
from contrafact.core.units import work_id
from contrafact.rights.consent import (
    Consent,
    SubjectKind,
    Use,
    parse_right,
    parse_use,
)
from contrafact.rights.identifiers import (
    parse_digest,
    parse_ipi_base,
    parse_ipi_name,
    parse_isni,
    parse_isrc,
    parse_iswc,
)
from contrafact.rights.parties import (
    Holder,
    HoldingRight,
    RightsHolding,
    parse_holding_right,
    parse_share,
)
from contrafact.rights.readers._lines import Tick, read_table_lines
from contrafact.rights.readers._problems import ProblemLog
from contrafact.rights.territory import WORLDWIDE, Territory

__all__ = ["CONSENT_COLUMNS", "SHARE_COLUMNS", "TEMPLATES", "read_table"]

_SUBJECTS = {
    "isrc": "the recording, by its ISRC; or",
    "iswc": "the work, by its ISWC; or",
    "recording": "the recording, by its id in the catalog; or",
    "work": "the work, by its id in the catalog; or",
    "file_sha256": "the recording, by the SHA-256 of its file; or",
    "work_title": "the work, by its title, if the catalog has no ISWC for it",
}
_WHEN = {
    "territory": "worldwide; DE FR; worldwide -CN",
    "from": "first day, as in 2026-01-31; none if empty",
    "until": "last day; none if empty",
}
_SOURCE = {
    "source": "the document that says so",
    "source_digest": "SHA-256 of that document; of the table if empty",
}
CONSENT_COLUMNS: dict[str, str] = {
    "right": "master, composition, or both parted by ;",
    **_SUBJECTS,
    "title": "what it is called; for people, and to find an ISRC on two recordings",
    "use": f"one or more of {', '.join(Use)}, parted by ;",
    "allowed": "yes, or no for a reservation",
    "grantor": "who says so; needed where it is allowed",
    **_WHEN,
    "revocable": "no if it cannot be revoked; yes if empty",
    "date": "day on which it was said; it has no force before",
    **_SOURCE,
}
"""Columns of a table of consents, with what they mean."""

SHARE_COLUMNS: dict[str, str] = {
    "right": f"one of {', '.join(HoldingRight)}",
    **_SUBJECTS,
    "title": "what it is called, for people",
    "party": "who holds it; empty for an unclaimed share",
    "ipi_name": "IPI name number of the party",
    "ipi_base": "IPI base number of the party",
    "isni": "ISNI of the party",
    "share": "an exact fraction: 1/3, 0.25, 25 %",
    **_WHEN,
    **_SOURCE,
}
"""Columns of a table of shares, with what they mean."""

TEMPLATES = {"consents": CONSENT_COLUMNS, "shares": SHARE_COLUMNS}
"""What tables there are; a table is told by its column `use` or `share`."""

_TRUE = ("yes", "y", "true", "1", "allowed", "allow")
_FALSE = ("no", "n", "false", "0", "reserved", "denied", "deny")
_ID = re.compile(r"([RW])-[0-9a-f]{16}")
_NOT_KNOWN = "columns not used: {}. Known ones are {}."

Cells = Mapping[str, str]
_T = TypeVar("_T")


def read_table(
    path: Path, problems: ProblemLog, *, digest: str, tick: Tick | None = None
) -> Iterator[Consent | RightsHolding]:
    """Yield the records of a table, row by row, in flat memory.

    Args:
        path: See `read_table_lines`.
        problems: Told of every row that is wrong.
        digest: SHA-256 of the file, kept with rows that name no document.
        tick: Told how far it is.

    Raises:
        RightsFileError: If the file is no table of consents or shares.
    """
    lines = read_table_lines(path, problems, tick=tick)
    _, header = next(lines, (1, ()))
    columns = ["_".join(cell.casefold().split()) for cell in header]
    read, known = _kind(path, columns)
    _check_header(path, columns, known, problems)
    for number, values in lines:
        place = f"{path}:{number}"
        if len(values) > len(columns) and any(values[len(columns) :]):
            problems.bad(place, f"{len(values)} cells under {len(columns)} columns.")
            continue
        cells = {
            name: text
            for name, value in zip(columns, values, strict=False)
            if (text := value.strip())
        }
        try:
            records = read(cells, f"{path.name}:{number}", digest)
        except RightsError as error:
            problems.bad(place, str(error))
            continue
        yield from records


_Read = Callable[[Cells, str, str], Sequence[Consent | RightsHolding]]


def _kind(path: Path, columns: Sequence[str]) -> tuple[_Read, Collection[str]]:
    if "share" in columns:
        return _holding, SHARE_COLUMNS
    if "use" in columns:
        return _consents, CONSENT_COLUMNS
    raise RightsFileError(
        f"{path} is no table of consents or shares: it has neither a column 'use' "
        "nor 'share'. See `contrafact consent template`."
    )


def _check_header(
    path: Path, columns: Sequence[str], known: Collection[str], problems: ProblemLog
) -> None:
    double = sorted({name for name in columns if name and columns.count(name) > 1})
    if double:
        raise RightsFileError(
            f"{path}: more than one column is named '{double[0]}'. Keep one of them."
        )
    unknown = [name for name in columns if name and name not in known]
    if unknown:
        text = _NOT_KNOWN.format(", ".join(unknown), ", ".join(known))
        problems.note(f"{path}:1", text)


def _consents(cells: Cells, place: str, digest: str) -> list[Consent]:
    """Return the consents of a row: one for each right and use that it names."""
    kind, subject = _subject(cells)
    is_allowed = _yes_or_no(_needed(cells, "allowed"), "allowed")
    # Where a permission holds must be said; a reservation is meant everywhere.
    where = _needed(cells, "territory") if is_allowed else cells.get("territory")
    grantor = _needed(cells, "grantor") if is_allowed else cells.get("grantor", "")
    document = cells.get("source_digest")
    return [
        Consent(
            right=right,
            subject_kind=kind,
            subject_id=subject,
            grantor=grantor,
            use=use,
            is_allowed=is_allowed,
            territory=_territory(where),
            valid_from=_day(cells.get("from"), "from"),
            valid_until=_day(cells.get("until"), "until"),
            is_revocable=_yes_or_no(cells.get("revocable", "yes"), "revocable"),
            source=f"{cells['source']}, {place}" if "source" in cells else place,
            source_digest=_digest(document) if document else digest,
            signal_date=_day(cells.get("date"), "date"),
            title=cells.get("title"),
        )
        for right in _several(_needed(cells, "right"), _right)
        for use in _several(_needed(cells, "use"), _use)
    ]


def _holding(cells: Cells, place: str, digest: str) -> list[RightsHolding]:
    """Return the one share of a row."""
    kind, subject = _subject(cells)
    document = cells.get("source_digest")
    holding = RightsHolding(
        right=parse_holding_right(_needed(cells, "right")),
        subject_kind=kind,
        subject_id=subject,
        holder=_holder(cells),
        share=parse_share(_needed(cells, "share")),
        territory=_territory(cells.get("territory")),
        valid_from=_day(cells.get("from"), "from"),
        valid_until=_day(cells.get("until"), "until"),
        source=f"{cells['source']}, {place}" if "source" in cells else place,
        source_digest=_digest(document) if document else digest,
    )
    return [holding]


def _holder(cells: Cells) -> Holder | None:
    """Return the party of a row, or None where its share is unclaimed."""
    name = cells.get("party")
    found = {
        column: parse(cells[column])
        for column, parse in _PARTY_NUMBERS.items()
        if column in cells
    }
    if name is None and not found:
        return None
    if name is None:
        raise ConsentError("it has a party's number and no name. Fill in 'party'.")
    return Holder(name=name, **found)


_PARTY_NUMBERS = {
    "ipi_name": parse_ipi_name,
    "ipi_base": parse_ipi_base,
    "isni": parse_isni,
}


def _subject(cells: Cells) -> tuple[SubjectKind, str]:
    """Return what the row is about; it names one thing, in one way."""
    named = [name for name in _SUBJECTS if name in cells]
    if len(named) != 1:
        found = ", ".join(named) or "none"
        raise ConsentError(
            f"it must fill in one of {', '.join(_SUBJECTS)}; found {found}. Name the "
            "recording or the work in one way."
        )
    name = named[0]
    kind = SubjectKind.WORK if name in _OF_WORK else SubjectKind.RECORDING
    return kind, _PARSE[name](cells[name])


def _catalog_id(letter: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        match = _ID.fullmatch(text)
        if match is None or match[1] != letter:
            raise ConsentError(
                f"'{text}' is no id of the catalog, such as {letter}-0123456789abcdef. "
                "See `contrafact catalog list`."
            )
        return text

    return parse


_OF_WORK = ("iswc", "work", "work_title")
_PARSE: dict[str, Callable[[str], str]] = {
    "isrc": parse_isrc,
    "iswc": parse_iswc,
    "recording": _catalog_id("R"),
    "work": _catalog_id("W"),
    "file_sha256": parse_digest,
    "work_title": lambda title: str(work_id(title)),
}


def _needed(cells: Cells, name: str) -> str:
    text = cells.get(name)
    if text is None:
        raise ConsentError(f"'{name}' is empty. Fill it in.")
    return text


def _several(text: str, parse: Callable[[str], _T]) -> list[_T]:
    found = [parse(part) for part in text.split(";") if part.strip()]
    if not found:
        raise ConsentError(f"'{text}' names nothing. Fill it in.")
    return list(dict.fromkeys(found))


def _yes_or_no(text: str, name: str) -> bool:
    plain = text.casefold()
    if plain in _TRUE or plain in _FALSE:
        return plain in _TRUE
    raise ConsentError(f"'{name}' is '{text}'. Write yes or no.")


def _day(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    try:
        return _parsed_day(text)
    except ValueError as error:
        raise ConsentError(
            f"'{name}' is '{text}', no day. Write it as in 2026-01-31."
        ) from error


@lru_cache(maxsize=8192)
def _parsed_day(text: str) -> date:
    if len(text) != len("2026-01-31"):
        raise ValueError(text)
    return date.fromisoformat(text)


# A table says the same few things again and again.
_territory = lru_cache(maxsize=4096)(
    lambda text: WORLDWIDE if text is None else Territory.parse(text)
)
_right = lru_cache(maxsize=64)(parse_right)
_use = lru_cache(maxsize=64)(parse_use)
_digest = lru_cache(maxsize=4096)(parse_digest)
