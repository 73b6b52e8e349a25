"""Workspaces, what their catalogs hold, and the corpora to fill them with."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from contrafact.catalog import Catalog, Workspace
from contrafact.catalog.corpora import (
    CORPORA,
    ENTRY_POINT_GROUP,
    CorpusSettings,
    find_corpus,
)
from contrafact.core.entities import Party, Recording, Release, Work
from contrafact.core.errors import ConfigError, WorkspaceMissingError
from contrafact.rights.corpora import write_corpus_consents
from contrafact.workflows.progress import Progress, silent, stage_progress

__all__ = [
    "CorpusInfo",
    "RecordingInfo",
    "init_workspace",
    "list_corpora",
    "list_recordings",
    "open_workspace",
    "show_recording",
    "write_corpus",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingInfo:
    """A recording with the entities it refers to.

    Attributes:
        artists: In the order of the recording's credits.
        label: The party that released it, or None.
    """

    recording: Recording
    artists: tuple[Party, ...]
    work: Work | None
    release: Release | None
    label: Party | None

    @property
    def artist(self) -> str | None:
        """The names of all artists, parted by `; ` as in metadata tables."""
        return "; ".join(party.name for party in self.artists) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusInfo:
    """A corpus that can be written."""

    name: str
    description: str


def open_workspace(root: str | Path) -> Workspace:
    """Open the workspace in a folder.

    Raises:
        WorkspaceMissingError: If there is none.
        WorkspaceError: If it is damaged, or a newer version made it.
    """
    return Workspace.open(root)


def init_workspace(
    root: str | Path, *, catalog_url: str | None = None
) -> tuple[Workspace, bool]:
    """Make a workspace and its empty catalog, or open the one that is there.

    Args:
        root: The folder, made if it is missing.
        catalog_url: Database of the catalog; an SQLite file in the folder if
            None. It is tried before anything is written.

    Returns:
        The workspace, and whether it is new.

    Raises:
        ConfigError: If there is a workspace and a database is named, or the
            URL is of a kind that is not known.
        StorageError: If the place or the database is not writable.
        WorkspaceError: If a newer version made the workspace there.
    """
    try:
        there = Workspace.open(root)
    except WorkspaceMissingError:
        there = None
    if there is not None and catalog_url is not None:
        raise ConfigError(
            f"There is a workspace in {root} already, and its catalog stays where it "
            "is. Leave the catalog's URL out, or name another folder."
        )
    if catalog_url is not None:
        Catalog.open(catalog_url).close()
    workspace = there or Workspace.init(root, catalog_url=catalog_url)
    workspace.catalog().close()
    return workspace, there is None


def list_recordings(
    workspace: Workspace, *, group: str | None = None
) -> list[RecordingInfo]:
    """Return the recordings of the catalog, all or of one group, by id."""
    with workspace.catalog() as catalog:
        return _described(catalog, catalog.recordings(group=group))


def show_recording(workspace: Workspace, id_: str) -> RecordingInfo:
    """Return the recording of this id, or of the only id that begins so.

    Raises:
        UnknownEntityError: If there is none, or more than one.
    """
    with workspace.catalog() as catalog:
        return _described(catalog, [catalog.recording(id_)])[0]


def _described(catalog: Catalog, recordings: list[Recording]) -> list[RecordingInfo]:
    """Join the recordings with what they refer to, by one query a table."""
    parties = {party.id: party for party in catalog.parties()}
    works = {work.id: work for work in catalog.works()}
    releases = {release.id: release for release in catalog.releases()}
    return [
        RecordingInfo(
            recording=r,
            artists=tuple(parties[id_] for id_ in r.artists),
            work=works[r.work_id] if r.work_id else None,
            release=releases[r.release_id] if r.release_id else None,
            label=parties[r.label] if r.label else None,
        )
        for r in recordings
    ]


def list_corpora() -> list[CorpusInfo]:
    """Return the corpora that can be written, in order of name."""
    outside = {entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)}
    corpora = [find_corpus(name) for name in sorted({*CORPORA, *outside})]
    return [
        CorpusInfo(name=corpus.name, description=_first_line(corpus))
        for corpus in corpora
    ]


def _first_line(described: object) -> str:
    return (inspect.getdoc(type(described)) or "").partition("\n")[0]


def write_corpus(
    name: str,
    directory: str | Path,
    *,
    n_recordings: int = 512,
    seed: int = 0,
    n_heldout: int = 0,
    progress: Progress = silent,
) -> Path:
    """Write a corpus: audio with a `metadata.csv` beside it, ready to ingest.

    A built-in corpus says in a `consents.csv` what it allows, which is all.

    Files that are there already are kept, so a run that was interrupted is
    finished by running it again.

    Args:
        name: As listed by `list_corpora`.
        directory: Made if it is missing; must hold no other audio.
        n_recordings: For training, at least one per artist of the corpus.
        seed: Same seed, same bytes.
        n_heldout: Recordings for evaluation, in the subfolder `heldout`.
        progress: Told after every file.

    Returns:
        The path of the table.

    Raises:
        CorpusError: If there is no such corpus, a part of it is not installed,
            a number is out of range, or the directory holds other audio.
        StorageError: If the disk is full or not writable.
    """
    settings = CorpusSettings(
        n_recordings=n_recordings,
        seed=seed,
        n_heldout=n_heldout,
        n_workers=min(2, os.cpu_count() or 1),
    )
    corpus = find_corpus(name)
    tell = stage_progress(progress, "rendering")
    table = corpus.write(Path(directory), settings, progress=tell)
    write_corpus_consents(name, directory)
    return table
