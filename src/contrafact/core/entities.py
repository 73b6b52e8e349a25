"""What contrafact talks about: parties, works, recordings, releases, segments.

Entities are frozen records without behaviour. Results of an analysis live in
`results.py`. See `docs/glossary.md` for the words.
"""

from __future__ import annotations

from dataclasses import dataclass

from contrafact.core.units import (
    Digest,
    PartyId,
    RecordingId,
    ReleaseId,
    Seconds,
    SegmentId,
    WorkId,
)

__all__ = ["Party", "Problem", "Recording", "Release", "Segment", "Work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A person, an ensemble or a firm."""

    id: PartyId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A composition; many recordings may perform it."""

    id: WorkId
    title: str
    iswc: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The product on which recordings came out."""

    id: ReleaseId
    title: str
    label: PartyId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One fixed performance, held as one file.

    Attributes:
        group: The collection or catalogue it belongs to, or None.
        caption: Text that describes it, artist named; None if none was given.
        caption_anonymous: The same in words that do not name the artist.
        digest: SHA-256 of the file's bytes.
        file: Where it was ingested from, as given by the user.
        duration_s: Decoded length in seconds, above 0.
    """

    id: RecordingId
    title: str
    digest: Digest
    file: str
    duration_s: Seconds
    sample_rate: int
    n_channels: int
    artists: tuple[PartyId, ...] = ()
    work_id: WorkId | None = None
    release_id: ReleaseId | None = None
    label: PartyId | None = None
    isrc: str | None = None
    group: str | None = None
    caption: str | None = None
    caption_anonymous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A time span of a recording; `0 <= start_s < end_s <= duration_s`."""

    id: SegmentId
    recording_id: RecordingId
    start_s: Seconds
    end_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with one input; bulk checks return a list of these.

    Attributes:
        source: The file, with `:line` where there is one.
        message: What was wrong, what was found, and what to do.
        is_fatal: Whether the input was left out because of it.
    """

    source: str
    message: str
    is_fatal: bool = True

    def __str__(self) -> str:
        """Return `source: message`, as printed for a person."""
        return f"{self.source}: {self.message}"
