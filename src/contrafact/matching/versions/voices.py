"""Which of the notes heard are the melody, which accompany it, which are errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.notes import Notes

__all__ = ["Voices", "is_melody", "parted", "without_overtones"]

_TOGETHER_S = 0.06
_OVERTONES = (12, 19, 24, 28)
_WEAKER = 1.65  # by how much its fundamental is stronger than an overtone
_LONGEST_S = 3.0  # a note that sounds longer no longer hides what is below
_NEIGHBOURHOOD_S = 3.0
_MOST_ABOVE = 0.75
_DIP = 12  # semitones below the line: the accompaniment where the melody rests
_SAME_ONSET_S = 0.04
_RELEASE_S = 0.03  # a note may sound on while the next has begun

Bools = NDArray[np.bool_]


def without_overtones(notes: Notes) -> Notes:
    """Return the notes without those that are overtones of a stronger one."""
    is_overtone = np.zeros(len(notes), bool)
    for one, other in _neighbours(notes, _TOGETHER_S):
        for here, there in ((one, other), (other, one)):
            above = np.isin(notes.pitch[here] - notes.pitch[there], _OVERTONES)
            weak = notes.strength[there] > _WEAKER * notes.strength[here]
            is_overtone[here] |= above & weak
    return notes.chosen(~is_overtone)


def _neighbours(
    notes: Notes, within_s: float
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield all pairs of notes that begin within so many seconds, earlier first.

    In arrays of pairs that are equally far apart in the order of notes.
    """
    here = np.arange(len(notes))
    for distance in range(1, len(notes)):
        here = here[here + distance < len(notes)]
        gap = notes.start_s[here + distance] - notes.start_s[here]
        here = here[gap < within_s]
        if not len(here):
            return
        yield here, here + distance


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """Notes without overtones, and which of them are the melody, `(note,)`."""

    notes: Notes
    is_melody: Bools

    @property
    def melody(self) -> Notes:
        """The notes of the melody, one after another."""
        return self.notes.chosen(self.is_melody)

    @property
    def accompaniment(self) -> Notes:
        """All other notes."""
        return self.notes.chosen(~self.is_melody)


def parted(notes: Notes) -> Voices:
    """Return notes without overtones, parted into melody and accompaniment."""
    notes = without_overtones(notes)
    return Voices(notes, is_melody(notes))


def is_melody(notes: Notes) -> Bools:
    """Tell which notes are the melody, taken to be the highest line.

    A note below one that still sounds is not; nor is one that lies an octave
    below three quarters of its neighbours in the line. One note stays of those that
    begin together.

    Returns:
        `(note,)`.
    """
    line = np.flatnonzero(_is_highest(notes))
    n_near, n_far_above = np.ones(len(line)), np.zeros(len(line))
    highest = notes.chosen(line)
    for one, other in _neighbours(highest, _NEIGHBOURHOOD_S):
        step = highest.pitch[other] - highest.pitch[one]
        for note, rise in ((one, step), (other, -step)):
            n_near[note] += 1
            n_far_above[note] += rise > _DIP
    line = line[n_far_above < _MOST_ABOVE * n_near]
    line = line[np.diff(notes.start_s[line], prepend=-1.0) > _SAME_ONSET_S]
    result = np.zeros(len(notes), bool)
    result[line] = True
    return result


def _is_highest(notes: Notes) -> Bools:
    """Tell which notes have none above that begins with them or still sounds."""
    result = np.ones(len(notes), bool)
    for one, other in _neighbours(notes, _LONGEST_S):
        gap = notes.start_s[other] - notes.start_s[one]
        together = gap < _TOGETHER_S
        sounds = notes.end_s[one] > notes.start_s[other] + _TOGETHER_S + _RELEASE_S
        above = notes.pitch[one] > notes.pitch[other]
        result[other] &= ~(above & (sounds | together))
        result[one] &= ~(together & (notes.pitch[other] > notes.pitch[one]))
    return result
