"""Everything that sounds, as pitch classes: melody, harmony and timing in one.

This is what finds another performance of a work best. It is no aspect of its
own: it enters the joint score only.

References:
    Serrà, Gómez, Herrera and Serra, IEEE TASLP 16, 2008, as in `harmony`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.alignment import Likeness
from contrafact.matching.versions.base import AlignedLayer, Strand, Words
from contrafact.matching.versions.chords import chord_words, frame_likeness, frames
from contrafact.matching.versions.voices import Voices

__all__ = ["Texture"]

_N_SMOOTHED = 3
_THRESHOLD = 0.62


class Texture(AlignedLayer):
    """See the module; shifts are semitones modulo 12."""

    name = "texture"
    dimension = 12
    n_shifts = 12
    n_tried = 2

    def strand(self, voices: Voices, duration_s: float) -> Strand:
        """Return frames of all notes."""
        return frames(voices.notes, duration_s, n_smoothed=_N_SMOOTHED)

    def words(self, strand: Strand) -> Words:
        """Return runs of three chords."""
        return chord_words(strand)

    def likeness(
        self, query: Strand, references: NDArray[np.float32], shift: NDArray[np.intp]
    ) -> Likeness:
        """Return how alike frames are, transposed."""
        return frame_likeness(query, references, shift, threshold=_THRESHOLD)
