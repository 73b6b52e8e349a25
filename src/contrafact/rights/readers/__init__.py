"""Readers of files that say what is allowed, one a format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contrafact.catalog.files import digest_file
from contrafact.core.errors import CatalogError, RightsFileError
from contrafact.rights._intake import Record
from contrafact.rights.readers._lines import Tick
from contrafact.rights.readers._problems import ProblemLog
from contrafact.rights.readers.c2pa import read_c2pa
from contrafact.rights.readers.ddex import read_ddex
from contrafact.rights.readers.robots import read_robots
from contrafact.rights.readers.table import TEMPLATES, read_table
from contrafact.rights.readers.tdm import read_tdm

__all__ = ["TEMPLATES", "ProblemLog", "ReaderOptions", "read_records"]

_TABLES = (".csv", ".tsv", ".xlsx")
_AUDIO = (".wav", ".flac", ".mp3", ".m4a")
_PLACES = ("robots.txt", "ai.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderOptions:
    """What the user points readers at.

    Attributes:
        schema: The XSD that DDEX messages shall be checked against.
        trust: Certificates, in PEM, of those whose content credentials may
            allow something.
    """

    schema: Path | None = None
    trust: Path | None = None


def read_records(
    path: Path,
    problems: ProblemLog,
    *,
    options: ReaderOptions | None = None,
    tick: Tick | None = None,
) -> Iterator[Record]:
    """Yield the records of a file, told by its name.

    Args:
        path: A table (CSV, TSV, XLSX), a DDEX message (XML), an audio file with
            content credentials, a TDM declaration (JSON), `robots.txt` or
            `ai.txt`.
        problems: Told of everything that is wrong.
        options: What to read it with.
        tick: Told how far a table is read.

    Raises:
        RightsFileError: If the file cannot be read at all.
    """
    options = options or ReaderOptions()
    suffix, name = path.suffix.lower(), path.name.lower()
    try:
        digest = str(digest_file(path))
    except CatalogError as error:
        raise RightsFileError(str(error)) from error
    if suffix in _TABLES:
        yield from read_table(path, problems, digest=digest, tick=tick)
    elif suffix == ".xml":
        yield from read_ddex(path, problems, digest=digest, schema=options.schema)
    elif suffix in _AUDIO:
        yield from read_c2pa(path, problems, digest=digest, trust=options.trust)
    elif suffix == ".json":
        yield from read_tdm(path, problems, digest=digest)
    elif name in _PLACES:
        yield from read_robots(path, problems, digest=digest)
    else:
        raise RightsFileError(
            f"{path} is none of: table (CSV, TSV, XLSX), DDEX message (XML), audio "
            "with content credentials (WAV, FLAC, MP3, M4A), TDM declaration (JSON), "
            "robots.txt, ai.txt. Rename it if it is one of them."
        )
