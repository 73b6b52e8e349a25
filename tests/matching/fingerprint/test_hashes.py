"""Hashes of a query beside a slow twin that forms each by itself."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint import FingerprintIndex, _hashes
from contrafact.matching.fingerprint._hashes import (
    ASKED_PER_S,
    KEPT_PER_S,
    N_KEYS,
    Peaks,
    find_peaks,
    kept_hashes,
    query_hashes,
)
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._pairing import find_pairs, keys_in
from contrafact.matching.fingerprint._spectrum import FRAMES_PER_S, note_map

Samples = NDArray[np.float32]


def _strongest(peaks: Peaks, first: int, low_s: float, high_s: float) -> list[int]:
    """Return the strongest peaks some time after one, by looking at each."""
    begin = peaks.time[first] + np.float32(low_s * FRAMES_PER_S)
    end = peaks.time[first] + np.float32(high_s * FRAMES_PER_S)
    near = [
        i
        for i in range(len(peaks.time))
        if begin <= peaks.time[i] < end
        and abs(peaks.pitch[i] - peaks.pitch[first]) < 18.4 * 3
    ]
    return sorted(near, key=lambda i: -peaks.height[i])[:5]


def _possible(after: list[float]) -> bool:
    """Tell whether one tempo puts all three times into their windows."""
    windows = [(low * FRAMES_PER_S, high * FRAMES_PER_S) for low, high in _WINDOWS]
    least = max((t - 1.5) / high for t, (_, high) in zip(after, windows, strict=True))
    most = min((t + 1.5) / low for t, (low, _) in zip(after, windows, strict=True))
    return least <= most


_WINDOWS = ((0.15, 0.5), (0.5, 0.9), (0.9, 1.4))


def _slowly(peaks: Peaks) -> Counter[tuple[int, float, float]]:
    """Return how often each key is made, with the time of its first peak and doubt."""
    made: Counter[tuple[int, float, float]] = Counter()
    for first in range(len(peaks.time)):
        chosen = [
            _strongest(peaks, first, low / 1.28, high / 0.74) for low, high in _WINDOWS
        ]
        for quad in itertools.product(*chosen):
            after = [float(peaks.time[i] - peaks.time[first]) for i in quad]
            if not _possible(after):
                continue
            values = [(peaks.pitch[i] - peaks.pitch[first]) / 3 for i in quad]
            values += [np.float32(16 * t / after[2]) for t in after[:2]]
            digits = [
                {
                    int(np.clip(np.rint(value + sign * slack) + 20, 0, 39))
                    if i < 3
                    else int(np.clip(np.rint(value + sign * slack), 0, 16))
                    for sign in (-1, 1)
                }
                for i, (value, slack) in enumerate(
                    zip(values, [0.2] * 3 + [0.35] * 2, strict=True)
                )
            ]
            ranks = [near.index(i) for near, i in zip(chosen, quad, strict=True)]
            own = [int(np.rint(v)) for v in values]
            own = [n + 20 for n in own[:3]] + [min(n, 16) for n in own[3:]]
            for a, b, c, d, e in itertools.product(*digits):
                key = (((a * 40 + b) * 40 + c) * 17 + d) * 17 + e
                n_other = sum(x != y for x, y in zip((a, b, c, d, e), own, strict=True))
                doubt = round(0.06 * sum(ranks) ** 2 + 2.05 * n_other, 2)
                made[key, float(peaks.time[first]), doubt] += 1
    return made


def test_hashes_of_a_query_are_those_of_a_slow_twin(tunes: list[Samples]) -> None:
    """Every quad that an index may hold, with each uncertain number both ways."""
    peaks = find_peaks(note_map(tunes[0][:24_000]), ASKED_PER_S)
    fast = query_hashes(peaks)
    doubts = [round(doubt, 2) for doubt in fast.doubt.tolist()]
    made = zip(fast.key.tolist(), fast.time.tolist(), doubts, strict=True)
    found, expected = Counter(made), _slowly(peaks)
    assert sum(expected.values()) > 1_000
    # Rounding may differ where a number lies on the edge of its slack.
    n_other = sum(((found - expected) + (expected - found)).values())
    assert n_other <= 0.005 * sum(expected.values())


def test_hashes_of_a_query_come_in_order_and_hold_what_is_kept(
    tunes: list[Samples],
) -> None:
    """A recording asked about itself has most of the hashes that it kept.

    Not all: where a louder peak is near, a quieter one is not asked about.
    """
    notes = note_map(tunes[1])
    kept = kept_hashes(find_peaks(notes, KEPT_PER_S))
    asked = query_hashes(find_peaks(notes, ASKED_PER_S))
    assert (np.diff(asked.key.astype(np.int64)) >= 0).all()
    assert np.isin(kept.key, asked.key).mean() > 0.8
    assert int(asked.key.max()) < _hashes.N_KEYS


def test_hashes_that_no_part_has_are_left_out_and_nothing_else(
    tunes: list[Samples], tmp_path: Path
) -> None:
    """The pairs are those of all hashes; a segment with a table has all."""
    index = FingerprintIndex.create(tmp_path)
    for i, tune in enumerate(tunes[:3]):
        index.add(f"R-{i}", tune)
    parts = index._parts
    assert len(parts) == 3
    peaks = find_peaks(note_map(tunes[1][:80_000]), ASKED_PER_S)
    every, some = query_hashes(peaks), query_hashes(peaks, keys_in(parts))
    assert 0 < len(some.key) < 0.5 * len(every.key)
    one, other = (find_pairs(parts, hashes, middle=150) for hashes in (every, some))
    for name in ("query", "place", "semitones", "stretch", "span"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    tabled = replace(parts[0].segment, table=np.zeros(N_KEYS + 1, np.uint32))
    assert keys_in([*parts, Part(tabled, frozenset())]) is None


def test_no_peaks_give_no_hashes() -> None:
    """Silence has nothing to be looked up."""
    none = np.zeros(0, np.float32)
    assert len(query_hashes(Peaks(none, none, none)).key) == 0
    assert len(kept_hashes(Peaks(none, none, none)).key) == 0
