"""What a report of matches is made from: evidence, sounds and pictures as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contrafact.core.evidence import Collapse, Evidence
from contrafact.core.matches import AspectSpan
from contrafact.reports.inputs import Sound

__all__ = ["MatchInputs", "Null", "Phrase"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phrase:
    """A matched stretch, seen as pitch classes over time.

    Attributes:
        span: Where it is in both.
        query: Strength of C, C♯, ... B, `(12, n)`, in [0, 1].
        reference: The same of the recording, moved to the pitch and the tempo
            of the query, `(12, n)`.
    """

    span: AspectSpan
    query: NDArray[np.float32]
    reference: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """A score that was observed among those of what is unrelated.

    Attributes:
        name: What was measured, such as `melody`.
        observed: The score of the match.
        p_value: As the matcher states it, in (0, 1].
        scores: Of the same query against other works of the catalog.
    """

    name: str
    observed: float
    p_value: float
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchInputs:
    """Everything that a report of matches shows.

    Attributes:
        titles: Title and artist of each recording, by id.
        work_titles: Title of each work, by id.
        query_sound: The part that was listened to.
        recording_sounds: Matched recordings from their beginning, by id; may
            lack some.
        phrases: By number of the recording match, and by work id.
        nulls: By work id, one for each aspect.
        collapse: Diagnostics of the lists, if they were made.
        n_recordings: How many recordings were known.
        command: What to type to get the result again.
    """

    evidence: Evidence
    titles: Mapping[str, tuple[str, str | None]]
    work_titles: Mapping[str, str]
    query_sound: Sound
    recording_sounds: Mapping[str, Sound]
    phrases: Mapping[str, Phrase] = field(default_factory=dict)
    nulls: Mapping[str, tuple[Null, ...]] = field(default_factory=dict)
    collapse: tuple[Collapse, ...] = ()
    n_recordings: int
    command: str
