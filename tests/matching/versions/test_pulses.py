from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from contrafact.matching.versions.base import Strand
from contrafact.matching.versions.pulses import Lines, Trains, meetings
from contrafact.matching.versions.rhythm import Rhythm

Times = NDArray[np.float64]
_LENGTHS = (0.15, 0.22, 0.3, 0.45, 0.6, 0.9)


def _rhythm(rng: np.random.Generator, n: int = 80) -> Times:
    return np.cumsum(rng.choice(_LENGTHS, n)) - _LENGTHS[0]


def _heard(onsets: Times, rng: np.random.Generator, *, share: float) -> Times:
    """Leave out a share of the onsets, add as many, and move all a little."""
    kept = onsets[rng.random(len(onsets)) > share]
    added = rng.uniform(0, onsets[-1], int(share * len(onsets)))
    moved = np.concatenate([kept, added])
    moved = np.sort(moved + rng.normal(0, 0.01, len(moved)))
    moved = moved[np.diff(moved, prepend=-1) > 0.07]
    return np.asarray(moved - moved[0])


def _strand(onsets: Times) -> Strand:
    length = np.diff(onsets)
    return Strand(
        onsets[:-1].astype(np.float32),
        onsets[1:].astype(np.float32),
        np.log(length)[:, None].astype(np.float32),
    )


def test_a_rhythm_is_found_though_a_quarter_of_the_onsets_is_wrong(
    rng: np.random.Generator,
) -> None:
    """At another tempo, above all unrelated rhythms."""
    works = [_rhythm(rng) for _ in range(12)]
    query = _strand(_heard(1.2 * works[0], rng, share=0.25))
    references = [_strand(_heard(work, rng, share=0.25)) for work in works]
    layer = Rhythm()
    shifts = np.tile(np.arange(-3, 4) % layer.n_shifts, (len(works), 1))
    scores, best = layer.compare(query, references, shifts)
    assert scores[0] > 1.5 * scores[1:].max()
    assert np.exp(0.01 * best[0]) == pytest.approx(1.2, rel=0.02)


def test_a_path_pairs_onsets_that_are_one(rng: np.random.Generator) -> None:
    """Where nothing was heard wrongly, nearly all of them, each with its own."""
    work = _rhythm(rng)
    one, other = _strand(work), _strand(1.1 * work)
    layer = Rhythm()
    scores, best = layer.compare(other, [one], np.array([[0, 1]]))
    path = layer.path(other, one, int(best[0]))
    assert scores[0] > 0
    assert len(path) > 0.9 * len(one)
    assert (path[:, 0] == path[:, 1]).all()


def test_even_onsets_are_the_rhythm_of_all_music_and_count_little(
    rng: np.random.Generator,
) -> None:
    """As many onsets that all meet say less where they come like a clock."""
    uneven, line = _rhythm(rng), Lines(np.ones(1), np.zeros(1))
    even = np.linspace(0, uneven[-1], len(uneven))
    (plain,), (told,) = (meetings(o, o, line) for o in (even, uneven))
    assert plain.score < 0.6 * told.score


def test_a_line_begins_where_the_query_lies(rng: np.random.Generator) -> None:
    """Before the beginning of the reference as well as after it."""
    work = _rhythm(rng)
    for first, last in ((20, 60), (0, 80)):
        query, reference = work[first:last] - work[first], work[10:] - work[10]
        trains = Trains(query, np.ones(1), float(reference[-1]))
        lines, _ = trains.lines(reference, np.zeros(1, np.intp))
        assert lines.start_s[0] == pytest.approx(work[first] - work[10], abs=0.1)


def test_onsets_of_one_note_meet_nothing() -> None:
    """Two onsets are no rhythm, and break nothing."""
    two = np.array([0.0, 1.0])
    trains = Trains(two, np.array([0.5, 1.0]), 1.0)
    lines, height = trains.lines(two, np.arange(2))
    assert np.isfinite(height).all()
    assert np.isfinite(lines.start_s).all()
    far = Lines(np.ones(1), np.full(1, 50.0))
    assert meetings(two, two, far)[0].score == 0


def test_each_line_is_scored_by_itself_as_a_slow_twin_does(
    rng: np.random.Generator,
) -> None:
    """Onsets one by one, and every stretch between two of them."""
    query, reference = _rhythm(rng, 14), _rhythm(rng, 18)
    lines = Lines(np.array([1.0, 0.8, 1.3]), np.array([0.0, 1.1, -2.0]))
    for i, found in enumerate(meetings(query, reference, lines)):
        ratio, start_s = float(lines.ratio[i]), float(lines.start_s[i])
        expected = _slowly(query, reference, ratio, start_s)
        assert found.score == pytest.approx(expected, abs=1e-9)


def _slowly(query: Times, reference: Times, ratio: float, start_s: float) -> float:
    moved = [start_s + ratio * t for t in query]
    first, last = max(moved[0], reference[0]), min(moved[-1], reference[-1])
    rows, taken = [], set()
    for i, t in enumerate(moved):
        j = int(np.argmin([abs(r - t) for r in reference]))
        off = abs(reference[j] - t)
        if off < 0.06 and int(np.argmin([abs(reference[j] - m) for m in moved])) == i:
            n_around = max(1, sum(t - 1 <= r < t + 1 for r in reference))
            gain = -np.log(1 - np.exp(-0.06 * n_around)) * (1 - (off / 0.06) ** 2)
            plain = _is_plain(query, i) or _is_plain(reference, j)
            taken.add(j)
            gain *= 0.35 if plain else 1.0
        else:
            gain = -0.3
        rows.append((t, gain if first <= t <= last else 0.0))
    rows += [(r, -0.3) for j, r in enumerate(reference)
             if j not in taken and first <= r <= last]  # fmt: skip
    gains = [gain for _, gain in sorted(rows)]
    n = len(gains)
    return max(sum(gains[a:b]) for a in range(n) for b in range(a, n + 1))


def _is_plain(onsets: Times, i: int) -> bool:
    if i < 2:
        return False
    one, other = onsets[i] - onsets[i - 1], onsets[i - 1] - onsets[i - 2]
    return bool(abs(np.log(one / other)) < 0.2)
