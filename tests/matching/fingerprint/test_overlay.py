"""A query laid upon a recording, beside twins that interpolate place by place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from contrafact.matching.fingerprint._notes import (
    N_KEPT_BINS,
    pack_notes,
    reduced,
    unpack_notes,
)
from contrafact.matching.fingerprint._overlay import Alignment, Asked, Overlay, Window
from contrafact.matching.fingerprint._spectrum import N_BINS, note_map
from contrafact.matching.fingerprint._verification import (
    Found,
    approach,
    compare,
    strong_places,
)
from contrafact.matching.fingerprint._voting import Proposal

Samples = NDArray[np.float32]
Map = NDArray[np.float32]
_ALMOST = 1e-4  # sums of float32 in another order
_BETWEEN = 0.03  # of a likeness: frames are taken to the nearest half
AT = Alignment(start=40.0, tempo=1.0, bins=0.0)


@pytest.fixture
def query(tunes: list[Samples]) -> Map:
    """Return the map of a query that begins at frame 40 of a recording."""
    return note_map(tunes[0])[40:240]


@pytest.fixture
def notes(tunes: list[Samples]) -> Map:
    """Return the notes that are kept of the recording."""
    return unpack_notes(pack_notes(note_map(tunes[0])))


def _slowly(query: Map, notes: Map, at: Alignment, row: int) -> tuple[Map, Map]:
    """Return one row of both, interpolated in time and pitch."""
    frame = (2 * row + 0.5 - at.start) / at.tempo
    low = int(np.floor(frame))
    part = frame - low
    both = (1 - part) * query[low] + part * query[min(low + 1, len(query) - 1)]
    whole = int(np.floor(at.bins))
    rest = at.bins - whole
    bins = np.arange(max(0, -whole), min(N_KEPT_BINS, N_BINS - 1 - whole))
    one = (1 - rest) * both[bins + whole] + rest * both[bins + whole + 1]
    return one.astype(np.float32), notes[row, bins]


def _correlation(rows: list[tuple[Map, Map]]) -> float:
    away = [[x - x.mean() for x in row] for row in rows]
    one, other = (np.concatenate([row[i] for row in away]) for i in (0, 1))
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


@pytest.mark.parametrize(
    ("at", "tolerance"),
    [
        (AT, _ALMOST),
        (replace(AT, start=38.5), _ALMOST),
        (replace(AT, bins=2.5), _ALMOST),
        (replace(AT, bins=-3.0), _ALMOST),
        (replace(AT, tempo=1.013, bins=-0.5), _BETWEEN),
    ],
)
def test_likeness_is_the_correlation_place_by_place(
    query: Map, notes: Map, at: Alignment, tolerance: float
) -> None:
    """What is made once for all alignments gives what each would give by itself."""
    pair = Overlay(Asked(query), notes)
    rows = range(25, 110)
    expected = _correlation([_slowly(reduced(query), notes, at, row) for row in rows])
    found = pair._likeness(np.arange(25, 110))(at)
    assert found == pytest.approx(expected, abs=tolerance)
    one, other = pair.compared(at, 25, 110)
    slow = _correlation(list(zip(one, other, strict=True)))
    assert found == pytest.approx(slow, abs=_ALMOST)


def test_hidden_places_do_not_count(
    query: Map, notes: Map, rng: np.random.Generator
) -> None:
    """Whatever stands in hidden places, the likeness is that of the others."""
    hidden = rng.random(query.shape) < 0.3
    loud = np.where(hidden, np.float32(4), query)
    rows = np.arange(25, 110)
    likeness = [
        Overlay(Asked(q, hidden), notes)._likeness(rows)(AT) for q in (query, loud)
    ]
    assert likeness[0] == pytest.approx(likeness[1], abs=_ALMOST)
    assert likeness[0] > Overlay(Asked(loud), notes)._likeness(rows)(AT) + 0.1
    wander = [
        Overlay(Asked(q, hidden), notes).wander(AT, 25, 110) for q in (query, loud)
    ]
    assert wander[0] == pytest.approx(wander[1], abs=_ALMOST)
    assert 0 < Overlay(Asked(query, hidden), notes).hidden(AT, 25, 110) < 1
    assert Overlay(Asked(query), notes).hidden(AT, 25, 110) == 0


def test_wander_is_that_of_each_lag_by_itself(query: Map, notes: Map) -> None:
    """Lags read from one run of frames are those of nine comparisons."""
    pair = Overlay(Asked(query), notes)
    table = []
    for lag in range(-4, 5):
        rows = [
            _slowly(reduced(query), notes, replace(AT, start=AT.start - lag), row)
            for row in range(28, 108)
        ]
        parts = [rows[i : i + 16] for i in range(0, 80, 16)]
        table.append([_correlation(part) for part in parts])
    peaks = np.array(table)
    best = peaks.argmax(0).clip(1, 7)
    before, at, after = (peaks[best + i, np.arange(5)] for i in (-1, 0, 1))
    lags = best - 4 + 0.5 * (after - before) / (2 * at - before - after)
    expected = np.sqrt(np.mean((lags - np.median(lags)) ** 2))
    assert pair.wander(AT, 28, 108) == pytest.approx(expected, abs=1e-2)


def test_strong_notes_of_a_match_are_hidden_where_they_lie(
    query: Map, notes: Map, tunes: list[Samples]
) -> None:
    """Places beneath strong notes, within the match, and no others."""
    rows = pack_notes(note_map(tunes[0]))
    proposal = Proposal(start=40.0, tempo=1.0, semitones=0.0, n_pairs=9)
    seen = approach(Asked(query), rows, proposal, Window(0, 200))
    assert seen is not None
    found = compare(seen)
    assert isinstance(found, Found)
    places = strong_places(rows, found, query.shape)
    assert places.shape == query.shape
    for frame in (10, 63, 150):
        row = int((found.alignment.start + frame) // 2)
        assert (places[frame, :N_KEPT_BINS] == (notes[row] > 2)).all()
    assert not places[int(np.ceil(found.last)) :].any()
