"""Two stores that share nothing: what is licensed, and what is not.

The licensed store is the workspace itself. The unlicensed one is a workspace
of its own in its folder `unlicensed`: with its own catalog, files, latents,
models, indexes and attributions. A model belongs to one store, and everything
asked of it is read from and written to that store alone; so no question to
one can touch the other, and deleting the folder deletes all of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from contrafact.catalog import Entry, Workspace, storage_errors, write_json
from contrafact.catalog.workspace import FORMAT_VERSION
from contrafact.core.entities import Recording
from contrafact.core.errors import UnknownEntityError

__all__ = [
    "STAMP",
    "add_to_store",
    "all_stores",
    "bring_back",
    "has_file",
    "home_of",
    "home_of_attribution",
    "is_unlicensed",
    "set_apart",
    "unlicensed_store",
]

STAMP = "unlicensed-research"
"""What models, indexes, songs and reports of the unlicensed store are marked with."""

_FOLDER = "unlicensed"
_MARKER = "contrafact.json"


def is_unlicensed(workspace: Workspace) -> bool:
    """Tell whether a workspace is an unlicensed store."""
    marker = json.loads((workspace.root / _MARKER).read_text(encoding="utf-8"))
    return bool(marker.get("store") == STAMP)


def unlicensed_store(workspace: Workspace) -> Workspace:
    """Return the unlicensed store of a workspace, made if there is none.

    Raises:
        StorageError: If the place is not writable.
    """
    if is_unlicensed(workspace):
        return workspace
    root = workspace.root / _FOLDER
    if not (root / _MARKER).is_file():
        marker = {"format": FORMAT_VERSION, "catalog_url": None, "store": STAMP}
        write_json(root / _MARKER, marker)
    return Workspace.open(root)


def all_stores(workspace: Workspace) -> list[Workspace]:
    """Return the workspace, and its unlicensed store if there is one."""
    is_there = (workspace.root / _FOLDER / _MARKER).is_file()
    return [workspace, *([unlicensed_store(workspace)] if is_there else [])]


def home_of(workspace: Workspace, model: str) -> Workspace:
    """Return the store that a model of this name is in; the workspace if in none."""
    return _first(workspace, lambda s: s.models_dir / model / "manifest.json")


def home_of_attribution(workspace: Workspace, attribution_id: str) -> Workspace:
    """Return the store with an attribution whose id begins so, else the workspace."""
    for store in all_stores(workspace) if attribution_id else ():
        if any(store.attributions_dir.glob(f"{attribution_id}*/attribution.json")):
            return store
    return workspace


def _first(workspace: Workspace, path_in: Callable[[Workspace], Path]) -> Workspace:
    found = (s for s in all_stores(workspace) if path_in(s).is_file())
    return next(found, workspace)


def add_to_store(
    workspace: Workspace, store: Workspace, recordings: Sequence[Recording]
) -> None:
    """Copy recordings, with all that the catalog says of them, into another store.

    Args:
        workspace: Where they are; their files may have been set apart already.
        store: Where to; what is there already stays.
        recordings: Which.

    Raises:
        StorageError: If the disk is full or not writable.
        UnknownEntityError: If a file is in neither.
    """
    with workspace.catalog() as catalog:
        works = {w.id: w for w in catalog.works()}
        releases = {r.id: r for r in catalog.releases()}
        parties = {p.id: p for p in catalog.parties()}
    entries = []
    for recording in recordings:
        if not has_file(store, recording):
            store.files.put(workspace.audio_path(recording))
        named = (*recording.artists, recording.label)
        entries.append(
            Entry(
                recording=recording,
                parties=tuple(parties[p] for p in named if p is not None),
                work=works[recording.work_id] if recording.work_id else None,
                release=releases[recording.release_id]
                if recording.release_id
                else None,
            )
        )
    with store.lock(), store.catalog() as catalog:
        catalog.add(entries)


def set_apart(workspace: Workspace, recordings: Iterable[Recording]) -> None:
    """Move the files of recordings from the licensed store to the unlicensed one.

    Their latents leave the licensed store's cache too. The licensed catalog
    keeps what it says of them: that they are known, and not allowed.
    """
    for recording in recordings:
        if has_file(workspace, recording):
            path, store = workspace.audio_path(recording), unlicensed_store(workspace)
            store.files.put(path)
            _remove(path)
        for latents in workspace.cache_dir.glob(f"latents/*/{recording.digest}.*"):
            _remove(latents)


def bring_back(workspace: Workspace, recordings: Iterable[Recording]) -> None:
    """Copy files that were set apart into the licensed store again.

    Raises:
        UnknownEntityError: If a file is in neither.
    """
    missing = [r for r in recordings if not has_file(workspace, r)]
    for recording in missing:
        for store in all_stores(workspace)[1:]:
            workspace.files.put(store.audio_path(recording))


def has_file(store: Workspace, recording: Recording) -> bool:
    """Tell whether a recording's file is in a store."""
    try:
        store.audio_path(recording)
    except UnknownEntityError:
        return False
    return True


def _remove(path: Path) -> None:
    with storage_errors(path):
        os.unlink(path)
