"""Music that shares one aspect with a work and nothing else.

A query begins with some seconds of unrelated music; then one aspect of the work is
kept under two new ones, in another key and tempo. Where the kept part lies, in the
query and in the work, is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from versions_music import Piece, top_and_bottom

from contrafact.core.matches import Aspect

__all__ = ["Variation", "vary"]

INTRODUCTION_S = 8.0
_TRIADS = np.array([[0, 4, 7], [0, 3, 7]])
_LENGTHS = np.array([0.18, 0.27, 0.36, 0.5, 0.72])
_STEPS = np.array([-7, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 7])
_LOW, _HIGH = 67, 84  # of a new melody

Rows = NDArray[np.float64]
Classes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Variation:
    """A query, and the span that is kept: in the query, and in the work."""

    piece: Piece
    query_s: tuple[float, float]
    work_s: tuple[float, float]


def vary(
    piece: Piece, aspect: Aspect, rng: np.random.Generator, *, duration_s: float
) -> Variation | None:
    """Return music that keeps one aspect of a piece; None if it has none of it.

    Args:
        piece: The work, from its beginning.
        aspect: What to keep.
        rng: Draws everything that is new.
        duration_s: Of the query, and of the part of the work that may be kept.
    """
    rows = piece.rows[piece.rows[:, 0] < duration_s]
    melody, rest = _parted(rows)
    if len(melody) < 30 or len(rest) < 30:
        return None
    kept = {"melody": _keep_melody, "harmony": _keep_harmony, "rhythm": _keep_rhythm}
    new, place = kept[aspect](melody, rest, rng)
    left_s = duration_s - INTRODUCTION_S
    heard = place[place[:, 1] < left_s]
    new = new[new[:, 0] < left_s]
    new[:, 2] += rng.integers(-5, 7)
    new[:, :2] += INTRODUCTION_S
    rows = np.concatenate([_unrelated(rng), new])
    return Variation(
        Piece(piece.title, rows[np.argsort(rows[:, 0], kind="stable")]),
        (INTRODUCTION_S, INTRODUCTION_S + heard[-1, 1]),
        (heard[0, 0], heard[-1, 0]),
    )


def _parted(rows: Rows) -> tuple[Rows, Rows]:
    """Return the highest line, one note an onset, and everything else."""
    highest = top_and_bottom(rows) == 1
    line = np.flatnonzero(highest)
    later = np.diff(rows[line, 0], prepend=-1.0) > 0.04
    is_melody = np.zeros(len(rows), bool)
    is_melody[line[later]] = True
    return rows[is_melody], rows[~highest]


def _keep_melody(
    melody: Rows, rest: Rows, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Keep the pitches of the melody; return rows, and times in work and query."""
    length = rng.choice(_LENGTHS, len(melody))
    start = np.cumsum(length) - length
    pitch = melody[:, 2] + (12 if melody[:, 2].mean() < 66 else 0)
    line = np.stack([start, start + 0.95 * length, pitch, 0 * start], axis=1)
    chords = _chords(rng, float(line[-1, 1]))
    return np.concatenate([line, chords]), np.stack([melody[:, 0], start], axis=1)


def _keep_harmony(
    melody: Rows, rest: Rows, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Keep what sounds below in each second, for another time and in another way."""
    parts, times, now = [], [], 0.0
    for second in range(int(melody[-1, 0])):
        overlap = np.minimum(rest[:, 1], second + 1) - np.maximum(rest[:, 0], second)
        sounds = overlap > 0.05
        if not sounds.any():
            continue
        weight = np.bincount(rest[sounds, 2].astype(int) % 12, overlap[sounds], 12)
        classes = np.argsort(-weight)[:4]
        classes = classes[weight[classes] > 0.25 * weight.max()]
        bass = int(rest[sounds, 2].min()) % 12
        length = rng.uniform(0.7, 1.4)
        parts += _chord(classes, bass, now, length, n_strokes=int(rng.integers(1, 4)))
        times.append((second, now))
        now += length
    chords = np.array(parts, np.float64)
    return np.concatenate([_tune(rng, now, chords), chords]), np.array(times)


def _keep_rhythm(
    melody: Rows, rest: Rows, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Keep all times; melody and chords are new."""
    line, below = melody.copy(), rest.copy()
    line[:, 2] = _walk(rng, len(line))
    chords = _chords(rng, float(melody[-1, 1]) + 5)
    for row in below:
        sounding = chords[(chords[:, 0] <= row[0]) & (chords[:, 1] > row[0])]
        towards = rng.choice(sounding[:, 2])
        row[2] = min(row[2] - ((row[2] - towards + 6) % 12 - 6), _LOW - 5)
    factor = np.exp(rng.uniform(-0.2, 0.2))
    rows = np.concatenate([line, below])
    rows[:, :2] *= factor
    return rows, np.stack([melody[:, 0], melody[:, 0] * factor], axis=1)


def _unrelated(rng: np.random.Generator) -> Rows:
    chords = _chords(rng, INTRODUCTION_S - 0.5)
    return np.concatenate([_tune(rng, INTRODUCTION_S - 0.5, chords), chords])


def _walk(rng: np.random.Generator, n_notes: int) -> NDArray[np.float64]:
    """Return pitches of a new melody."""
    pitches = [float(rng.integers(_LOW, _HIGH))]
    for step in rng.choice(_STEPS, n_notes - 1):
        pitch = pitches[-1] + step
        pitches.append(pitch if _LOW <= pitch <= _HIGH else pitches[-1] - step)
    return np.array(pitches)


def _tune(rng: np.random.Generator, end_s: float, chords: Rows) -> Rows:
    """Return a new melody, more than half of it notes of the chords."""
    length = rng.choice(_LENGTHS, int(end_s / _LENGTHS[0]))
    start = np.cumsum(length) - length
    start, length = start[start < end_s], length[start < end_s]
    pitch = _walk(rng, len(start))
    for i, now in enumerate(start):
        sounding = chords[(chords[:, 0] <= now + 0.01) & (chords[:, 1] > now), 2]
        if len(sounding) and rng.random() < 0.6:
            pitch[i] -= (pitch[i] - rng.choice(sounding) + 6) % 12 - 6
    return np.stack([start, start + 0.9 * length, pitch, 0 * start], axis=1)


def _chords(rng: np.random.Generator, end_s: float) -> Rows:
    """Return a new progression of triads."""
    parts, now, root = [], 0.0, int(rng.integers(12))
    while now < end_s:
        length = rng.uniform(0.8, 2.2)
        classes = (root + _TRIADS[rng.integers(2)]) % 12
        parts += _chord(classes, root, now, length, n_strokes=1)
        root = (root + int(rng.choice([2, 3, 4, 5, 7, 8, 9, 10]))) % 12
        now += length
    return np.array(parts, np.float64)


def _chord(
    classes: Classes, bass: int, start: float, length: float, *, n_strokes: int
) -> list[tuple[float, float, int, int]]:
    """Return a chord above its bass note, struck so many times."""
    rows = [(start, start + length, 36 + bass, 1)]
    stroke = length / n_strokes
    for first in start + stroke * np.arange(n_strokes):
        rows += [(first, first + stroke - 0.02, 48 + int(pc), 1) for pc in classes]
    return rows
