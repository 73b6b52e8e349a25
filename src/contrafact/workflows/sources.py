"""Who the sources are: recordings grouped by work, artist, holder, collection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from contrafact.attribution.shares import Source
from contrafact.catalog import Workspace
from contrafact.core.entities import Recording
from contrafact.core.results import SourceKind

__all__ = ["KINDS", "artist_names", "sources_of"]

KINDS: tuple[SourceKind, ...] = (
    "artist",
    "collection",
    "work",
    "recording",
    "holder",
)

_NOBODY = {
    "artist": "artist not stated",
    "collection": "no collection",
    "work": "work not stated",
    "holder": "holder not stated",
}


def sources_of(
    workspace: Workspace, recordings: Sequence[Recording]
) -> dict[str, list[Source]]:
    """Return the sources of every kind; each kind covers every recording once.

    A recording of several artists counts for each of them in equal parts.
    What has no artist, work, holder or collection stated is one source that
    says so.
    """
    with workspace.catalog() as catalog:
        parties = {p.id: p.name for p in catalog.parties()}
        works = {w.id: w.title for w in catalog.works()}

    def holder(recording: Recording) -> Iterable[str]:
        return [recording.label] if recording.label else []

    def work(recording: Recording) -> Iterable[str]:
        return [recording.work_id] if recording.work_id else []

    def collection(recording: Recording) -> Iterable[str]:
        return [recording.group] if recording.group else []

    names: dict[str, str] = {str(k): v for k, v in (*parties.items(), *works.items())}
    return {
        "recording": [
            Source(id=r.id, name=r.title, parts={r.id: 1.0}) for r in recordings
        ],
        "artist": _grouped("artist", recordings, lambda r: r.artists, names),
        "work": _grouped("work", recordings, work, names),
        "holder": _grouped("holder", recordings, holder, names),
        "collection": _grouped("collection", recordings, collection, {}),
    }


def _grouped(
    kind: str,
    recordings: Sequence[Recording],
    owners: Callable[[Recording], Iterable[str]],
    names: Mapping[str, str],
) -> list[Source]:
    parts: dict[str, dict[str, float]] = defaultdict(dict)
    for recording in recordings:
        found = list(owners(recording)) or [f"no-{kind}"]
        for owner in found:
            parts[owner][recording.id] = 1 / len(found)
    known = {f"no-{kind}": _NOBODY[kind], **names}
    return [
        Source(id=owner, name=known.get(owner, owner), parts=own)
        for owner, own in sorted(parts.items())
    ]


def artist_names(
    workspace: Workspace, recordings: Sequence[Recording]
) -> dict[str, str]:
    """Return the artists of each recording as one text."""
    with workspace.catalog() as catalog:
        parties = {p.id: p.name for p in catalog.parties()}
    return {
        r.id: ", ".join(parties[a] for a in r.artists) or _NOBODY["artist"]
        for r in recordings
    }
