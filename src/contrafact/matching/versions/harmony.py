"""The harmony: pitch classes of all but the melody, smoothed over time.

References:
    Serrà, Gómez, Herrera and Serra, "Chroma binary similarity and local alignment
    applied to cover song identification", IEEE TASLP 16, 2008, for the alignment
    of transposed chroma; here of notes heard, without those of the melody.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.alignment import Likeness
from contrafact.matching.versions.base import AlignedLayer, Strand, Words
from contrafact.matching.versions.chords import chord_words, frame_likeness, frames
from contrafact.matching.versions.voices import Voices

__all__ = ["Harmony"]

_N_SMOOTHED = 5  # frames
_THRESHOLD = 0.7
_LEAST_SHARE = 0.15  # of the frames that must hold more than the melody


class Harmony(AlignedLayer):
    """See the module; shifts are semitones modulo 12."""

    name = "harmony"
    dimension = 12
    n_shifts = 12
    n_tried = 3

    def strand(self, voices: Voices, duration_s: float) -> Strand:
        """Return frames; none where there is a melody and nothing else."""
        strand = frames(voices.accompaniment, duration_s, n_smoothed=_N_SMOOTHED)
        heard = strand.values.any(axis=1).mean() if len(strand) else 0.0
        return strand if heard >= _LEAST_SHARE else strand.between(0, 0)

    def words(self, strand: Strand) -> Words:
        """Return runs of three chords."""
        return chord_words(strand)

    def likeness(
        self, query: Strand, references: NDArray[np.float32], shift: NDArray[np.intp]
    ) -> Likeness:
        """Return how alike frames are, transposed."""
        return frame_likeness(query, references, shift, threshold=_THRESHOLD)
