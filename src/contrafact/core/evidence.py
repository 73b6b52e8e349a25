"""All that was recognised in one piece of audio, layer by layer, as plain records.

The layers are never added up: that a recording is in a song, that a work is,
and that a style is alike are answers to different questions. None of them is
influence; what is alike need not have shaped anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from contrafact.core.matches import (
    AspectSpan,
    OriginFinding,
    RecordingMatch,
    WorkMatch,
)
from contrafact.core.units import Seconds

__all__ = [
    "LAYERS",
    "NOT_MEASURED",
    "Collapse",
    "EncoderMatch",
    "Evidence",
    "Layer",
    "StyleMatch",
]

Layer = Literal["same_recording", "partial_reuse", "work", "style"]
LAYERS: tuple[Layer, ...] = ("same_recording", "partial_reuse", "work", "style")
NOT_MEASURED = "not measured"
"""What stands for a layer that nobody looked at; an empty list is a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleMatch:
    """A recording that sounds alike in timbre, dynamics and rhythm.

    Attributes:
        score: Cosine of the two profiles, in [-1, 1].
        p_value: How often another recording of the catalog, of another work,
            is as alike with this one, in (0, 1].
    """

    recording_id: str
    score: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderMatch:
    """A recording that is like a piece to the ear of a learned encoder.

    Attributes:
        score: Mean nearness of the best pairs of windows: a cosine, or minus a
            distance, as the encoder compares.
        p_value: What share of pieces that are like nothing in the catalog reach as
            much with any of its recordings, in (0, 1].
        spans: The best pairs of windows, best first.
    """

    recording_id: str
    score: float
    p_value: float
    spans: tuple[AspectSpan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was recognised in one piece of audio; None where nobody looked.

    Attributes:
        file: Its name as it was given.
        digest: SHA-256 of its bytes; "" where it could not be read.
        duration_s: Of the whole piece; 0 where it is not known.
        start_s: Where the part that was listened to begins.
        end_s: Where it ends. Times in the matches count from the start of the
            piece, not of the part.
        recordings: The same recording, whole or in part.
        works: The same work, by aspect.
        style: What sounds alike.
        encoders: What learned encoders found, by the encoder's name; only those that
            were asked.
        origin: Which generator made it.
        tags: The tags in the file.
        credentials: What its content credentials say, by name.
        notices: What must be said with it, such as that the file is cut off.
        problem: Why it could not be listened to; "" if it could.
    """

    file: str
    digest: str = ""
    duration_s: Seconds = 0.0
    start_s: Seconds = 0.0
    end_s: Seconds = 0.0
    recordings: tuple[RecordingMatch, ...] | None = None
    works: tuple[WorkMatch, ...] | None = None
    style: tuple[StyleMatch, ...] | None = None
    encoders: Mapping[str, tuple[EncoderMatch, ...]] = field(default_factory=dict)
    origin: OriginFinding | None = None
    tags: Mapping[str, str] | None = None
    credentials: Mapping[str, object] | None = None
    notices: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_readable(self) -> bool:
        """Whether it could be listened to."""
        return not self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """How alike the top lists of a layer are, whatever is asked.

    Attributes:
        layer: Which layer.
        n_queries: How many other queries the list is compared with.
        n_top: Length of the lists compared.
        overlap: Mean part that the lists of two queries have in common, put
            right for chance: 0 for independent lists, 1 if all are the same.
        rank1_energy: Part of the standardised scores that one list explains,
            put right in the same way.
        concentration: Part of all places in the lists that the recordings
            named most often hold, put right in the same way.
        own_overlap: Mean part that the list of this query has in common with
            the lists of the others, put right for chance.
        is_generic: Whether the list says more of the catalog than of the
            query, so that it is refused.
        reason: Why, with the figure.
    """

    layer: Layer
    n_queries: int
    n_top: int
    overlap: float
    rank1_energy: float
    concentration: float
    own_overlap: float
    is_generic: bool
    reason: str
