"""What goes to standard output: one JSON document, or lines and tables."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "plain",
    "print_json",
    "print_lines",
    "print_next",
    "print_rows",
    "print_stamp",
    "print_table",
    "to_json",
]

_WIDTH = 120
# Control characters, halves of characters, and what has no meaning.
_UNSAFE = {"Cc", "Cs", "Co", "Cn"}
# They turn the direction of what follows, so that a name can look like another.
_TURNING = {chr(n) for n in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def to_json(value: Any) -> Any:
    """Return records, paths and collections as JSON has them.

    A number that does not exist (not a number, or infinite) becomes null,
    since JSON has no word for it.

    Example:
        >>> to_json({"path": Path("a"), "sizes": (1, float("nan"))})
        {'path': 'a', 'sizes': [1, None]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: to_json(getattr(value, f.name)) for f in fields}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def print_json(document: Any) -> None:
    """Print one JSON document, in ASCII so that every terminal and pipe takes it."""
    typer.echo(json.dumps(to_json(document), indent=2, allow_nan=False))


def print_lines(*lines: str) -> None:
    """Print lines; control characters in them are made visible."""
    for line in lines:
        typer.echo(plain(line))


def print_next(*words: object, workspace: Path | None) -> None:
    """Print what to type next, in the workspace that was named by `-w`, if any."""
    place = [] if workspace is None else ["-w", str(workspace)]
    typed = ["contrafact", *map(str, words), *place]
    print_lines(f"Next: {shlex.join(typed)}")


def print_stamp(stamp: str) -> None:
    """Print what a result is marked with, if anything."""
    if stamp:
        print_lines(
            f"MARKED {stamp}: made with material that nobody allowed this use of."
        )


def plain(text: object) -> str:
    r"""Return foreign text fit for a terminal: one line, no control characters.

    Example:
        >>> plain("Title\x1b[2J")
        'Title\ufffd[2J'
    """
    return "".join("\ufffd" if _is_unsafe(c) else c for c in str(text))


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in _UNSAFE or character in _TURNING


def print_table(table: RenderableType) -> None:
    """Print what `rich` renders; as wide as the terminal, or wide for a pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH
    Console(width=width, highlight=False).print(table)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with a header; None is printed as a dash."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = ("–" if cell is None else plain(cell) for cell in row)
        table.add_row(*(Text(cell) for cell in cells))
    print_table(table)
