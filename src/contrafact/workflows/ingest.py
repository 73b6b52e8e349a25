"""Taking recordings into a workspace's catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from contrafact.catalog import IngestReport, Workspace
from contrafact.catalog import ingest as take_in
from contrafact.rights.corpora import CONSENTS_NAME
from contrafact.workflows.consent import import_consents
from contrafact.workflows.declared import register_declared
from contrafact.workflows.progress import Progress, silent, stage_progress

__all__ = ["IngestReport", "ingest"]


def ingest(
    workspace: Workspace,
    paths: Sequence[str | Path],
    *,
    metadata: str | Path | None = None,
    strict: bool = False,
    progress: Progress = silent,
) -> IngestReport:
    """Take audio files and folders into the catalog.

    Run it again after it was interrupted, or when files have come: what is in
    the catalog already is not read again. A table `consents.csv` that lies in a
    folder that is named, or beside the metadata, is imported too, and so is
    what the files and the places they lie in reserve.

    Args:
        workspace: Where to; it is locked meanwhile.
        paths: Files and folders.
        metadata: A CSV or XLSX table about them.
        strict: Take nothing at all if there is any problem.
        progress: Told after every file.

    Returns:
        What was taken, what was there, and what was wrong.

    Raises:
        MetadataError: If the table cannot be read at all.
        WorkspaceLockedError: If another process holds the workspace.
        StorageError: If the disk is full or not writable.
    """
    # First, so that a run that is killed never leaves a file without them.
    n_reserved, odd = register_declared(workspace, paths)
    report = take_in(
        workspace,
        paths,
        metadata=metadata,
        strict=strict,
        progress=stage_progress(progress, "reading audio"),
    )
    problems = (*report.problems, *odd)
    report = replace(report, problems=problems, n_reservations=n_reserved)
    if strict and not report.is_success:
        return report
    beside = [] if metadata is None else [Path(metadata).parent]
    return _with_consents(workspace, report, [*paths, *beside])


def _with_consents(
    workspace: Workspace, report: IngestReport, places: Sequence[str | Path]
) -> IngestReport:
    """Import the tables of consents that came with the audio, each whole or not."""
    tables = {(Path(place) / CONSENTS_NAME).absolute() for place in places}
    problems, n_new = list(report.problems), 0
    for table in sorted(table for table in tables if table.is_file()):
        taken = import_consents(workspace, [table])
        # The recordings are in the catalog all the same: nothing allows them.
        problems += [replace(problem, is_fatal=False) for problem in taken.problems]
        n_new += taken.n_new
    return replace(report, problems=tuple(problems), n_consents=n_new)
