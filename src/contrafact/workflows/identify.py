"""Identify: which known recordings and works are in a piece of audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from contrafact.catalog import Workspace
from contrafact.core.errors import ConfigError
from contrafact.core.evidence import Evidence
from contrafact.core.units import Seconds
from contrafact.workflows.encoders import open_encoders
from contrafact.workflows.evidence_documents import Names, document, read_names
from contrafact.workflows.listening import Listening, listen
from contrafact.workflows.match_indexes import open_indexes
from contrafact.workflows.match_report import write_match_report
from contrafact.workflows.origin import origin_of
from contrafact.workflows.progress import Progress, silent

__all__ = ["Identified", "identify"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Identified:
    """What was recognised in a file, and what the catalog calls it."""

    evidence: Evidence
    names: Names
    n_recordings: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return document(self.evidence, self.names)


def identify(
    workspace: Workspace,
    audio: Path,
    *,
    most_s: Seconds = 600.0,
    encoders: Mapping[str, Path] = {},
    report: Path | None = None,
    progress: Progress = silent,
    command: str = "",
) -> Identified:
    """Say which recordings and works of the catalog are in a file.

    What is recognised is that of the workspace alone, not of its unlicensed
    store; open that as a workspace to ask it.

    Args:
        workspace: Whose catalog is compared with; its indexes are brought up
            to date first.
        audio: The file. Whatever it is, there is a record of it.
        most_s: Listen to so much of it, from its beginning.
        encoders: Folders of the weights of learned encoders that are asked, too, by
            name.
        report: Where to write an HTML report, if anywhere.
        progress: Told how far the indexes are.
        command: What the user typed, for the report.

    Raises:
        ConfigError: If `most_s` is not above 0.
        MatchIndexError: If an index is damaged.
        ModelFormatError: If weights of an encoder are missing, damaged or of another
            network.
        StorageError: If the disk is full or not writable.
    """
    if not most_s > 0:
        raise ConfigError(f"Cannot listen to {most_s:g} s. Give a length above 0.")
    indexes = replace(
        open_indexes(workspace, progress),
        encoders=open_encoders(workspace, encoders, progress),
    )
    progress("identifying", 0, 1)
    how = Listening(most_s=most_s)
    found = Identified(
        evidence=listen(audio, indexes, how, origin=partial(origin_of, workspace)),
        names=read_names(workspace),
        n_recordings=len(indexes.recording_ids),
    )
    if report is not None:
        write_match_report(
            workspace,
            found.evidence,
            report,
            names=found.names,
            indexes=indexes,
            command=command,
        )
    progress("identifying", 1, 1)
    return found
