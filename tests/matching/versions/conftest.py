"""Music for the tests: invented, written as notes, and in one place played."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from contrafact.matching.versions.notes import Notes

Composer = Callable[..., Notes]
DURATION_S = 32.0


@pytest.fixture(scope="session")
def compose() -> Composer:
    """Return a function that composes a work from seeds of its aspects."""
    return _composed


def _composed(
    melody: int,
    harmony: int,
    rhythm: int,
    *,
    semitones: int = 0,
    tempo: float = 1.0,
    errors: int | None = None,
) -> Notes:
    """Return a tune over chords; the same seeds give the same aspects.

    Args:
        melody: Seed of the pitches of the tune.
        harmony: Seed of the chords, one every 1.6 s.
        rhythm: Seed of the lengths of the tune's notes.
        semitones: By how much everything is higher.
        tempo: How much faster it is.
        errors: Seed of a performer's and a listener's errors.
    """
    tune = _tune(np.random.default_rng([1, melody]), np.random.default_rng([2, rhythm]))
    chords = _chords(np.random.default_rng([3, harmony]))
    rows = np.concatenate([tune, chords])
    rows[:, :2] /= tempo
    rows[:, 2] += semitones
    if errors is not None:
        rng = np.random.default_rng(errors)
        rows = rows[rng.random(len(rows)) > 0.05]
        rows[:, 0] = np.maximum(rows[:, 0] + rng.normal(0, 0.01, len(rows)), 0)
    rows = rows[(rows[:, 0] < DURATION_S) & (rows[:, 1] > rows[:, 0])]
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return Notes(
        start_s=rows[:, 0],
        end_s=np.minimum(rows[:, 1], DURATION_S),
        pitch=rows[:, 2].astype(np.int16),
        strength=np.full(len(rows), 0.6, np.float32),
    )


def _tune(
    pitches: np.random.Generator, lengths: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    scale = np.array([72, 74, 76, 77, 79, 81, 83, 84, 86, 88])
    steps = pitches.choice([-4, -3, -2, -1, 1, 2, 3, 4], 160)
    place = np.abs((np.cumsum(steps) + 4) % 18 - 9)
    length = lengths.choice([0.2, 0.3, 0.4, 0.6, 0.9], 160)
    start = np.cumsum(length) - length
    return np.stack([start, start + 0.95 * length, scale[place], np.zeros(160)], axis=1)


def _chords(
    rng: np.random.Generator,
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rows = []
    for i, root in enumerate(rng.choice([0, 2, 4, 5, 7, 9, 10, 3], 40)):
        third = 4 if rng.random() < 0.6 else 3
        for pitch in (36 + root, 48 + root, 48 + root + third, 48 + (root + 7) % 12):
            rows.append((1.6 * i, 1.6 * i + 1.5, pitch, 1))
    return np.array(rows, np.float64)
