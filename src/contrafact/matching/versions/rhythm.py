"""The rhythm: times between onsets, whatever the pitches.

Lengths count up to one factor, the tempo, so the two must keep about the same
tempo ratio; one onset more or less in either is forgiven. Runs of equal lengths
are in all music and count little: a rhythm is found by where it changes.

References:
    Mongeau and Sankoff, "Comparison of musical sequences", Computers and the
    Humanities 24, 1990, for fragmentation and consolidation of lengths.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.alignment import Floats, Likeness
from contrafact.matching.versions.base import Strand, Words
from contrafact.matching.versions.voices import Voices

__all__ = ["Rhythm"]

_TOGETHER_S = 0.07
_SHORTEST_S, _LONGEST_S = 0.05, 4.0
_BIN = 0.14  # of the logarithm of a tempo ratio
_STEP = 0.35  # of the logarithm of two lengths' ratio in a word
_TOLERANCE = 0.16
_EQUAL = 0.2  # below which the ratio of two lengths counts as none
_PLAIN, _JOINED = 0.15, 0.5  # what runs of equal lengths, and joined ones, count
_GAP = 0.5
_NEVER = 50.0  # a logarithm that no length is like


class Rhythm:
    """See the module; shifts are logarithms of tempo ratios, in steps of 0.14."""

    name = "rhythm"
    dimension = 1
    n_shifts = 32
    n_tried = 2

    def strand(self, voices: Voices, duration_s: float) -> Strand:
        """Return times between onsets; values are their natural logarithms."""
        onsets = _distinct(voices.notes.start_s)
        length = np.diff(onsets)
        logs = np.log(np.clip(length, _SHORTEST_S, _LONGEST_S))
        return Strand(
            onsets[:-1].astype(np.float32),
            onsets[1:].astype(np.float32),
            logs[:, None].astype(np.float32),
        )

    def words(self, strand: Strand) -> Words:
        """Return runs of three ratios of lengths, except runs of equal lengths."""
        logs = strand.values[:, 0]
        steps = np.clip(np.rint(np.diff(logs) / _STEP), -3, 3).astype(np.int32) + 3
        code = (steps[:-2] * 7 + steps[1:-1]) * 7 + steps[2:]
        place = np.rint(logs[: len(code)] / _BIN).astype(np.int32)
        told = code != (3 * 7 + 3) * 7 + 3
        return Words(code[told].astype(np.int32), place[told])

    def likeness(
        self, query: Strand, references: NDArray[np.float32], shift: NDArray[np.intp]
    ) -> Likeness:
        """Return how alike lengths are at the tempo ratio of each pair."""
        half = self.n_shifts // 2
        tempo = ((shift + half) % self.n_shifts - half) * np.float32(_BIN)
        here = query.values[None, :, 0]
        there = np.nan_to_num(references[:, :, 0], nan=_NEVER) + tempo[:, None]
        one = _alike(here, there)
        plain = _repeats(here)[:, :, None] & _repeats(there)[:, None, :]
        np.multiply(one, np.float32(_PLAIN), out=one, where=plain & (one > 0))
        two_reference = _alike(here, _with_previous(there))
        two_query = _alike(_with_previous(here), there)
        for joined in (two_reference, two_query):
            np.multiply(joined, np.float32(_JOINED), out=joined, where=joined > 0)
        return Likeness(one, two_reference, two_query, _GAP)


def _distinct(onsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return onsets, those of one chord as one."""
    kept: list[float] = []
    for onset in onsets:
        if not kept or onset - kept[-1] >= _TOGETHER_S:
            kept.append(float(onset))
    return np.array(kept)


def _repeats(logs: Floats) -> NDArray[np.bool_]:
    """Tell which lengths are as the one before, `(pair, element)`."""
    same = np.abs(np.diff(logs, axis=1)) < _EQUAL
    return np.pad(same, ((0, 0), (1, 0)))


def _with_previous(logs: Floats) -> Floats:
    """Return the logarithms of each length and the one before taken together."""
    joined = np.full_like(logs, 2 * _NEVER)
    joined[:, 1:] = np.logaddexp(logs[:, 1:], logs[:, :-1])
    return joined


def _alike(here: Floats, there: Floats) -> Floats:
    """Return 1 where two lengths are alike, down to -1 where they are not."""
    likeness = here[:, :, None] - there[:, None, :]
    # In place: the arrays are large, and new memory costs more than the sums.
    np.abs(likeness, out=likeness)
    likeness *= np.float32(-2 / _TOLERANCE)
    likeness += np.float32(2)
    np.clip(likeness, -1, 1, out=likeness)
    return likeness
