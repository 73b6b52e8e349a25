"""The layers in use, and what each makes of a recording."""

from __future__ import annotations

from dataclasses import dataclass

from contrafact.core.units import Seconds
from contrafact.matching.versions.base import Layer, Strand
from contrafact.matching.versions.harmony import Harmony
from contrafact.matching.versions.melody import Melody
from contrafact.matching.versions.notes import Notes
from contrafact.matching.versions.rhythm import Rhythm
from contrafact.matching.versions.texture import Texture
from contrafact.matching.versions.voices import parted

__all__ = ["LAYERS", "Strands", "segment_bounds", "strands_of"]

# The three aspects, in the order of `core.matches.ASPECTS`, and the texture.
LAYERS: tuple[Layer, ...] = (Melody(), Harmony(), Rhythm(), Texture())

_SEGMENT_S, _HOP_S = 40.0, 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Strands:
    """What the layers make of a recording, in the order of `LAYERS`."""

    duration_s: Seconds
    strands: tuple[Strand, ...]

    def between(self, start_s: Seconds, end_s: Seconds) -> Strands:
        """Return a segment of it, times as they are."""
        parts = tuple(strand.between(start_s, end_s) for strand in self.strands)
        return Strands(end_s - start_s, parts)

    def segments(self) -> list[Strands]:
        """Return its segments, which overlap."""
        return [self.between(*bounds) for bounds in segment_bounds(self.duration_s)]


def strands_of(notes: Notes, duration_s: Seconds) -> Strands:
    """Return what the layers make of the notes heard in a recording."""
    voices = parted(notes)
    strands = tuple(layer.strand(voices, duration_s) for layer in LAYERS)
    return Strands(duration_s, strands)


def segment_bounds(duration_s: Seconds) -> list[tuple[Seconds, Seconds]]:
    """Return start and end of the segments of a recording: 40 s, one every 30 s.

    Example:
        >>> segment_bounds(95.0)
        [(0.0, 40.0), (30.0, 70.0), (55.0, 95.0)]
    """
    bounds, start = [], 0.0
    while start + _SEGMENT_S < duration_s:
        bounds.append((start, start + _SEGMENT_S))
        start += _HOP_S
    first = max(0.0, duration_s - _SEGMENT_S)
    return [*bounds, (first, duration_s)]
