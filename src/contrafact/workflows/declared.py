"""What audio files, and the places they lie in, declare about their own use.

Reservations only: what lies beside a file, or in it, comes from anybody, so it
can keep the file out and never lets it in. Permissions in content credentials
count if they are imported with the certificate of who signed them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from contrafact.catalog import Workspace, find_audio
from contrafact.core.entities import Problem
from contrafact.core.errors import RightsFileError
from contrafact.rights import Consent
from contrafact.rights.readers import ProblemLog, read_records
from contrafact.workflows.consent import open_registry

__all__ = ["declared_reservations", "register_declared"]

_CREDENTIALS = (".wav", ".flac", ".mp3", ".m4a")
_BOX = b"jumb"  # the superbox that holds content credentials in every format
_BESIDE = (".tdm.json", ".tdmai.json")
_PLACES = ("robots.txt", "ai.txt", "tdmrep.json", ".well-known/tdmrep.json")
_BLOCK = 1 << 20


def register_declared(
    workspace: Workspace, paths: Sequence[str | Path]
) -> tuple[int, tuple[Problem, ...]]:
    """Keep what files and places reserve.

    Args:
        workspace: Where the registry is; it is locked meanwhile.
        paths: Audio files and folders.

    Returns:
        How many reservations are new, and what could not be understood.

    Raises:
        StorageError: If the disk is full or not writable.
        WorkspaceLockedError: If another process holds the workspace.
    """
    found, problems = declared_reservations(paths, skip=workspace.root)
    if not found:
        return 0, problems
    with workspace.lock(), open_registry(workspace) as registry:
        return registry.add(found).n_new, problems


def declared_reservations(
    paths: Sequence[str | Path], *, skip: Path | None = None
) -> tuple[list[Consent], tuple[Problem, ...]]:
    """Return what audio files, and the places they lie in, reserve.

    Read are content credentials inside, declarations beside a file that are
    named for it, and `robots.txt`, `ai.txt` and `tdmrep.json` in the folders
    between a path that is given and the file.

    Args:
        paths: Audio files and folders.
        skip: A folder not to look into.

    Returns:
        The reservations, and what could not be understood, nothing of it fatal.
    """
    roots = [Path(path) for path in paths]
    own = frozenset() if skip is None else frozenset({skip.absolute()})
    files = find_audio([r for r in roots if r.exists()], skip=own).paths
    found, log = list[Consent](), ProblemLog()
    for source in _sources(files, roots):
        try:
            records = [r for r in read_records(source, log) if isinstance(r, Consent)]
        except RightsFileError as error:
            log.bad(str(source), str(error).removeprefix(f"{source} "))
            continue
        found += [record for record in records if not record.is_allowed]
    return found, tuple(replace(p, is_fatal=False) for p in log.kept if p.is_fatal)


def _sources(files: Iterable[Path], roots: Sequence[Path]) -> Iterator[Path]:
    """Yield each file that may declare something, once."""
    folders = {r.absolute() for r in roots if r.is_dir()}
    looked_into = set[Path]()
    for file in files:
        if file.suffix.lower() in _CREDENTIALS and _has_credentials(file):
            yield file
        beside = (file.with_name(file.name + suffix) for suffix in _BESIDE)
        yield from (path for path in beside if path.is_file())
        for folder in _between(file.absolute().parent, folders):
            if folder not in looked_into:
                looked_into.add(folder)
                places = (folder / name for name in _PLACES)
                yield from (path for path in places if path.is_file())


def _between(folder: Path, roots: set[Path]) -> list[Path]:
    """Return a folder and those above it, up to the last that was named."""
    above = [folder, *folder.parents]
    ends = [number for number, place in enumerate(above) if place in roots]
    return above[: ends[-1] + 1] if ends else []


def _has_credentials(path: Path) -> bool:
    """Tell whether a file may hold content credentials, without parsing it."""
    tail = b""
    if not path.is_file():
        return False  # a pipe would never end
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                if _BOX in tail + block:
                    return True
                tail = block[-len(_BOX) :]
    except OSError:
        return False  # ingest and the gate say so
    return False
