"""Frames of pitch classes, and chords as words: what harmony and texture share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.alignment import Likeness
from contrafact.matching.versions.base import Strand, Words
from contrafact.matching.versions.notes import Notes

__all__ = ["FRAMES_PER_S", "chord_words", "frame_likeness", "frames"]

FRAMES_PER_S = 2.0
_LONGEST_S = 4.0  # of a note; what is held longer has been heard
_LEAST = 0.02
_BASS, _BASS_WEIGHT = 55, 1.5


def frames(notes: Notes, duration_s: float, *, n_smoothed: int) -> Strand:
    """Return how much of each pitch class sounds in each half second.

    Args:
        notes: What to look at.
        duration_s: How long the recording is.
        n_smoothed: Over how many frames to average, with a Hann window.

    Returns:
        Frames of unit length, or zero where nothing sounds; `(frame, 12)`.
    """
    n_frames = int(np.ceil(duration_s * FRAMES_PER_S))
    sounding = np.zeros(12 * n_frames)
    end = np.minimum(notes.end_s, notes.start_s + _LONGEST_S)
    weight = notes.strength * np.where(notes.pitch < _BASS, _BASS_WEIGHT, 1.0)
    first = (notes.start_s * FRAMES_PER_S).astype(np.intp)
    for frame in (first + k for k in range(int(_LONGEST_S * FRAMES_PER_S) + 2)):
        begins = frame / FRAMES_PER_S
        overlap = np.minimum(begins + 1 / FRAMES_PER_S, end)
        overlap = overlap - np.maximum(begins, notes.start_s)
        heard = (overlap > 0) & (frame < n_frames)
        cell = 12 * frame[heard] + notes.pitch[heard] % 12
        share = (weight * overlap)[heard]
        sounding += np.bincount(cell, share, minlength=len(sounding))
    return _normalised(sounding.reshape(n_frames, 12), n_smoothed)


def _normalised(sounding: NDArray[np.float64], n_smoothed: int) -> Strand:
    window = np.hanning(n_smoothed + 2)[1:-1]
    window /= window.sum()
    padded = np.pad(sounding, ((n_smoothed // 2,) * 2, (0, 0)))
    smooth = sum(
        weight * padded[k : k + len(sounding)] for k, weight in enumerate(window)
    )
    total = np.asarray(smooth).sum(axis=1, keepdims=True)
    values = np.sqrt(smooth / np.maximum(total, _LEAST)) * (total > _LEAST)
    start = (np.arange(len(sounding)) / FRAMES_PER_S).astype(np.float32)
    end = start + np.float32(1 / FRAMES_PER_S)
    return Strand(start, end, values.astype(np.float32))


def chord_words(strand: Strand) -> Words:
    """Return runs of three different chords, placed by the root of the first.

    A frame's chord is the major or minor triad that it is most alike.
    """
    triads = np.zeros((24, 12), np.float32)
    for root in range(12):
        triads[root, [root, (root + 4) % 12, (root + 7) % 12]] = 1
        triads[12 + root, [root, (root + 3) % 12, (root + 7) % 12]] = 1
    sounding = strand.values.any(axis=1)
    chord = np.argmax(strand.values[sounding] @ triads.T, axis=1).astype(np.int32)
    chord = chord[np.diff(chord, prepend=-1) != 0]
    root, is_minor = chord % 12, chord // 12
    code = np.diff(root)[:-1] % 12 * 12 + np.diff(root)[1:] % 12
    code = code * 8 + is_minor[:-2] * 4 + is_minor[1:-1] * 2 + is_minor[2:]
    return Words(code.astype(np.int32), root[: len(code)].astype(np.int32))


def frame_likeness(
    query: Strand,
    references: NDArray[np.float32],
    shift: NDArray[np.intp],
    *,
    threshold: float,
) -> Likeness:
    """Return the cosine of transposed frames, less what is not alike.

    Args:
        query: Frames.
        references: Frames, `(pair, frame, 12)`, padded with NaN.
        shift: Semitones by which the query is higher, `(pair,)`.
        threshold: The cosine from which two frames are alike.
    """
    turned = (np.arange(12) + np.asarray(shift)[:, None]) % 12
    moved = query.values[:, turned].transpose(1, 0, 2)
    known = np.nan_to_num(references, nan=0.0)
    return Likeness(moved @ known.transpose(0, 2, 1) - np.float32(threshold))
