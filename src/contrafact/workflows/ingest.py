"""Taking recordings into a workspace's catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contrafact.catalog import IngestReport, Workspace
from contrafact.catalog import ingest as take_in
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
    the catalog already is not read again.

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
    return take_in(
        workspace,
        paths,
        metadata=metadata,
        strict=strict,
        progress=stage_progress(progress, "reading audio"),
    )
