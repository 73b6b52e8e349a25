"""Finding the audio files below some paths, always in the same order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contrafact.catalog._containers import AUDIO_SUFFIXES
from contrafact.core.entities import Problem

__all__ = ["Found", "find_audio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The files to examine, each once, and what could not be looked into."""

    paths: tuple[Path, ...]
    problems: list[Problem] = field(default_factory=list)


_OWN_TABLE = "metadata.csv"


def find_audio(
    paths: Sequence[Path], *, skip: frozenset[Path], table: Path | None = None
) -> Found:
    """Return the audio files that are named, or lie in folders that are named.

    In folders, files are told by their suffix, and hidden ones are left out;
    a file that is named itself is always examined.

    Args:
        paths: Files and folders.
        skip: Folders not to enter on the way, absolute.
        table: What describes the files. With one, a folder on the way that has
            another table of its own is not entered, and is a problem.
    """
    problems: list[Problem] = []
    found: dict[str, Path] = {}
    for path in paths:
        n_before = len(found)
        for file in _below(path, skip, table, problems):
            key = os.path.abspath(file)
            if _is_utf8(key):
                found.setdefault(key, file)
            else:
                message = "its name is not UTF-8 text. Rename it."
                shown = os.fsencode(file).decode("utf-8", "replace")
                problems.append(Problem(source=shown, message=message))
        if path.is_dir() and len(found) == n_before:
            message = "no audio files here that are not named already. Check the path."
            problems.append(Problem(source=str(path), message=message, is_fatal=False))
    ordered = tuple(found[key] for key in sorted(found))
    return Found(paths=ordered, problems=problems)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _below(
    path: Path, skip: frozenset[Path], table: Path | None, problems: list[Problem]
) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        message = "no such file or folder. Check the path."
        problems.append(Problem(source=str(path), message=message))
        return

    def report(error: OSError) -> None:
        message = f"cannot be looked into: {error.strerror}."
        problems.append(Problem(source=str(error.filename), message=message))

    for where, folders, names in os.walk(path, onerror=report):
        below = [Path(where, n) for n in sorted(folders) if not n.startswith(".")]
        entered = [folder for folder in below if folder.absolute() not in skip]
        apart = [folder for folder in entered if _is_apart(folder, table)]
        problems += [_not_entered(folder) for folder in apart]
        folders[:] = [folder.name for folder in entered if folder not in apart]
        for name in sorted(names):
            is_audio = Path(name).suffix.lower() in AUDIO_SUFFIXES
            if is_audio and not name.startswith("."):
                yield Path(where, name)


def _is_apart(folder: Path, table: Path | None) -> bool:
    """Tell whether a folder has a table of its own, other than the one given."""
    own = folder / _OWN_TABLE
    # No file is seen in a folder that may not be looked into; the walk reports it.
    return table is not None and os.path.isfile(own) and not own.samefile(table)


def _not_entered(folder: Path) -> Problem:
    message = (
        f"has a {_OWN_TABLE} of its own; not entered. Ingest it apart with that "
        "table, or name it too."
    )
    return Problem(source=str(folder), message=message, is_fatal=False)
