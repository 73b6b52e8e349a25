"""The melody: the pitches of the highest line, whatever their lengths.

Repeated pitches count once, so that neither rhythm nor repetition matters; the
chords below do not enter at all.

References:
    Uitdenbogerd and Zobel, "Melodic matching techniques for large music
    databases", ACM Multimedia 1999, for the skyline and intervals as words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.alignment import Likeness
from contrafact.matching.versions.base import AlignedLayer, Strand, Words
from contrafact.matching.versions.voices import Voices

__all__ = ["Melody"]

_WIDEST = 12  # semitones of an interval in a word
_UNLIKE, _GAP = -0.6, 0.3
_OCTAVE = 12  # away a pitch says nothing: an overtone may have been heard


class Melody(AlignedLayer):
    """See the module; shifts are semitones modulo 96."""

    name = "melody"
    dimension = 1
    n_shifts = 96
    n_tried = 3

    def strand(self, voices: Voices, duration_s: float) -> Strand:
        """Return the melody, repeated pitches as one; values are pitches."""
        line = voices.melody
        changes = np.diff(line.pitch, prepend=0) != 0
        start = line.start_s[changes].astype(np.float32)
        end = np.append(start[1:], line.end_s[-1:].astype(np.float32))
        return Strand(start, end, line.pitch[changes, None].astype(np.float32))

    def words(self, strand: Strand) -> Words:
        """Return pairs of successive intervals, placed by the first pitch."""
        pitch = strand.values[:, 0].astype(np.int32)
        steps = np.clip(np.diff(pitch), -_WIDEST, _WIDEST) + _WIDEST
        code = steps[:-1] * (2 * _WIDEST + 1) + steps[1:]
        return Words(code.astype(np.int32), pitch[: len(code)])

    def likeness(
        self, query: Strand, references: NDArray[np.float32], shift: NDArray[np.intp]
    ) -> Likeness:
        """Return 1 for the same pitch, 0 an octave away, less for another."""
        half = self.n_shifts // 2
        semitones = (shift + half) % self.n_shifts - half
        moved = references[:, :, 0] + semitones[:, None]
        away = np.abs(query.values[None, :, 0, None] - moved[:, None, :])
        alike = np.where(away == 0, np.float32(1), np.float32(_UNLIKE))
        alike[away == _OCTAVE] = 0
        return Likeness(alike, gap=_GAP)
