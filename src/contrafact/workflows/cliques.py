"""Cliques: which recordings of the catalog are versions of one another.

Some say so, since they name one work; others were heard to be alike when they were
indexed. The index of works follows the catalog, and so do they.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contrafact.catalog import Workspace
from contrafact.core.errors import ConfigError
from contrafact.workflows.evidence_documents import Names, read_names
from contrafact.workflows.match_indexes import open_indexes
from contrafact.workflows.progress import Progress, silent

__all__ = ["Clique", "find_cliques"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clique:
    """Recordings that are versions of one another.

    Attributes:
        recording_ids: At least two, in order.
        work_ids: Of the works that they name, in order; what names none counts as a
            work of its own.
    """

    recording_ids: tuple[str, ...]
    work_ids: tuple[str, ...]

    @property
    def is_heard(self) -> bool:
        """Whether the catalog does not say so, or not of all: it was heard."""
        return len(self.work_ids) > 1

    def to_json(self, names: Names) -> dict[str, Any]:
        """Return it as JSON has it, with what the catalog calls everything."""
        return {
            "is_heard": self.is_heard,
            "works": [{"work_id": w, "title": names.work_title(w)}
                      for w in self.work_ids],
            "recordings": [_recording(name, names) for name in self.recording_ids],
        }  # fmt: skip


def _recording(recording_id: str, names: Names) -> dict[str, Any]:
    title, artist, file = names.recordings.get(recording_id, (recording_id, None, ""))
    return {
        "recording_id": recording_id,
        "title": title,
        "artist": artist,
        "file": file,
    }


def find_cliques(
    workspace: Workspace,
    *,
    max_p: float = 0.01,
    heard_only: bool = False,
    progress: Progress = silent,
) -> tuple[tuple[Clique, ...], Names]:
    """Return the cliques of a workspace's catalog, and what it calls everything.

    Args:
        workspace: Its indexes are brought up to date first.
        max_p: The highest p-value, over the whole catalog, of a likeness that links two
            recordings, in (0, 1).
        heard_only: Leave out those that the catalog names itself.
        progress: Told how far the indexes are.

    Raises:
        ConfigError: If `max_p` is out of range.
        MatchIndexError: If an index is damaged.
        StorageError: If the disk is full or not writable.
    """
    if not 0 < max_p < 1:
        raise ConfigError(f"A p-value of {max_p:g} links nothing. Give one in (0, 1).")
    indexes = open_indexes(workspace, progress)
    work_of = indexes.style.works
    found = [
        Clique(
            recording_ids=names,
            work_ids=tuple(sorted({work_of.get(name, name) for name in names})),
        )
        for names in indexes.versions.cliques(max_p=max_p)
    ]
    kept = [one for one in found if one.is_heard or not heard_only]
    return tuple(kept), read_names(workspace)
