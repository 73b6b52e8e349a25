"""What the readers of written music return: notes in quarters of a note.

Plain data; reading a format belongs in `_abc.py` and `_musicxml.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["NotationError", "Note", "Score"]


class NotationError(ValueError):
    """A piece of written music that this package does not read."""


class Note(NamedTuple):
    """One note; times in quarter notes from the start of the score."""

    start: float
    length: float
    pitch: int
    part: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A written work, as far as it is needed to play it.

    Attributes:
        title: As written in the file; may be empty.
        notes: In order of start, part and pitch; ties are joined.
        bars: Where each bar starts, and last the end, in quarters.
        n_parts: Number of parts, at least 1.
        metre: Beats and beat value of the first bar, such as (6, 8).
        tonic: Pitch class of the key as written, or None if it is not known.
        is_minor: Whether the third above the tonic is minor.
        tempos: (quarter, quarter notes per minute), in order; may be empty.
        form: Such as "reel", lower case, as written in the file; may be empty.
    """

    title: str
    notes: tuple[Note, ...]
    bars: tuple[float, ...]
    n_parts: int
    metre: tuple[int, int]
    tonic: int | None = None
    is_minor: bool = False
    tempos: tuple[tuple[float, float], ...] = ()
    form: str = ""
