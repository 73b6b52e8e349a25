from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contrafact.core.errors import MatchIndexError
from contrafact.matching.fingerprint import _merging, _pairing, _segments
from contrafact.matching.fingerprint._hashes import N_KEYS, Hashes
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._merging import merge_segments
from contrafact.matching.fingerprint._notes import BYTES_PER_ROW
from contrafact.matching.fingerprint._segments import (
    PLACES_PER_FRAME,
    Segment,
    write_segment,
)


def _segment(path: Path, rng: np.random.Generator, names: str, n: int) -> Segment:
    lengths = 2 * rng.integers(20, 60, len(names))
    ends = np.cumsum(lengths)
    n_codes = int((lengths // 4).sum())
    arrays: dict[str, NDArray[Any]] = {
        "key": np.sort(rng.integers(0, 50, n) * 300_000),
        "place": rng.integers(0, int(ends[-1]) * PLACES_PER_FRAME, n),
        "pitch": rng.integers(0, 150, n),
        "span": rng.integers(1, 80, n),
        "starts": ends - lengths,
        "ends": ends,
        "notes": rng.integers(0, 256, (int(ends[-1]) // 2, BYTES_PER_ROW)),
        "code": rng.integers(0, 1 << 32, n_codes),
    }
    write_segment(path, arrays, list(names))
    return Segment.open(path)


def _postings(segment: Segment, gone: str = "") -> set[tuple[Any, ...]]:
    """Return all postings with recording and place in it: the slow, obvious way."""
    found = set()
    for i, key in enumerate(segment.key):
        frame = int(segment.place[i]) / PLACES_PER_FRAME
        owner = max(j for j, start in enumerate(segment.starts) if start <= frame)
        name = segment.recording_ids[owner]
        within = frame - int(segment.starts[owner])
        if name not in gone:
            found.add(
                (int(key), name, within, int(segment.pitch[i]), int(segment.span[i]))
            )
    return found


def _notes(segment: Segment) -> dict[str, bytes]:
    spans = zip(segment.recording_ids, segment.starts, segment.ends, strict=True)
    return {i: segment.notes[a // 2 : b // 2].tobytes() for i, a, b in spans}


def _codes(segment: Segment) -> dict[str, bytes]:
    bounds = np.append(segment.code_begins, len(segment.code))
    return {
        name: segment.code[bounds[i] : bounds[i + 1]].tobytes()
        for i, name in enumerate(segment.recording_ids)
    }


@pytest.mark.parametrize("postings_at_once", [1 << 22, 64])
def test_merging_keeps_all_but_what_was_deleted(
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    postings_at_once: int,
) -> None:
    """Postings and notes of live recordings are the same before and after."""
    monkeypatch.setattr(_merging, "_RANGE", postings_at_once)
    one = _segment(tmp_path / "1", rng, "ABC", 200)
    two = _segment(tmp_path / "2", rng, "DEFG", 300)
    merge_segments(tmp_path / "3", [one, two], [frozenset("B"), frozenset("DG")])
    merged = Segment.open(tmp_path / "3")
    assert merged.recording_ids == ("A", "C", "E", "F")
    assert _postings(merged) == _postings(one, "B") | _postings(two, "DG")
    assert (np.diff(merged.key.astype(np.int64)) >= 0).all()
    kept = _notes(one) | _notes(two)
    assert _notes(merged) == {name: kept[name] for name in "ACEF"}
    codes = _codes(one) | _codes(two)
    assert _codes(merged) == {name: codes[name] for name in "ACEF"}
    assert sorted(merged.code_order.tolist()) == list(range(len(merged.code)))
    assert (np.diff(merged.code[merged.code_order].astype(np.int64)) >= 0).all()


@pytest.mark.parametrize("n_in_memory", [4_096, 7])
def test_codes_are_counted_as_by_sorting(
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    n_in_memory: int,
) -> None:
    """How many codes are below a value is what a sorted list says."""
    monkeypatch.setattr(_segments, "_N_SOME_CODES", n_in_memory)
    segment = _segment(tmp_path / "1", rng, "ABCDE", 10)
    values = rng.integers(0, 1 << 32, 100).astype(np.uint32)
    values = np.concatenate([values, segment.code[:20], [0, (1 << 32) - 1]])
    values = values.astype(np.uint32)
    ordered = np.sort(segment.code)
    for side, including in (("left", False), ("right", True)):
        expected = np.searchsorted(ordered, values, side=side)  # type: ignore[call-overload]
        assert (segment.codes_up_to(values, including=including) == expected).all()


def test_a_table_of_keys_finds_what_searching_finds(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large segments look up their postings in a table, merged ones as well."""
    plain = _segment(tmp_path / "1", rng, "AB", 400)
    merge_segments(tmp_path / "2", [plain], [frozenset("A")])
    searched = Segment.open(tmp_path / "2")
    monkeypatch.setattr(_segments, "_TABLE_FROM", 1)
    merge_segments(tmp_path / "3", [plain], [frozenset("A")])
    tabled = Segment.open(tmp_path / "3")
    assert len(tabled.table) == N_KEYS + 1
    keys = np.sort(rng.integers(0, 60, 200) * 300_000).astype(np.uint32)
    keys = np.append(keys, np.uint32(N_KEYS - 1))
    low, n_each = searched.look_up(keys)
    table_low, table_n = tabled.look_up(keys)
    assert (table_n == n_each).all()
    assert (table_low[n_each > 0] == low[n_each > 0]).all()


def test_postings_are_where_searching_finds_them(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Counted bits say the same as a search for each key, of absent keys too."""
    segment = _segment(tmp_path / "1", rng, "AB", 400)
    keys = np.unique(np.concatenate([segment.key, rng.integers(0, N_KEYS, 300)]))
    keys = np.append(keys, N_KEYS - 1).astype(np.uint32)
    low, n_each = segment.look_up(keys)
    first, last = (
        np.searchsorted(segment.key, keys, side=s) for s in ("left", "right")
    )
    assert (n_each == last - first).all()
    assert (low[n_each > 0] == first[n_each > 0]).all()
    assert 0 < np.count_nonzero(n_each) < len(keys)


def _asked(keys: NDArray[Any], doubt: float = 0.0) -> Hashes:
    n = len(keys)
    numbers = (np.full(n, value, np.float32) for value in (0, 75, 40, doubt))
    return Hashes(keys.astype(np.uint32), *numbers)


def test_the_rarest_hashes_are_asked_first(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pairs there are, no more than the limit are read."""
    segment = _segment(tmp_path / "1", rng, "AB", 5_000)
    keys, counts = np.unique(segment.key, return_counts=True)
    limit = int(np.sort(counts)[:10].sum())
    monkeypatch.setattr(_pairing, "MOST_PAIRS", limit)
    is_asked, share = _pairing._telling(counts, np.zeros(len(keys), np.float32))
    assert counts[is_asked].sum() <= limit
    assert counts[is_asked].max() <= counts[~is_asked].min()
    assert 0 < share < is_asked.mean()
    pairs = _pairing.find_pairs([Part(segment, frozenset())], _asked(keys), middle=0)
    assert 0 < len(pairs) <= limit
    assert pairs.share == share


def test_likely_hashes_are_asked_before_doubtful_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of equally rare hashes those are read that the recording rather has."""
    monkeypatch.setattr(_pairing, "MOST_PAIRS", 400)
    doubt = np.array([3, 0, 5, 1] * 25, np.float32)
    is_asked, share = _pairing._telling(np.full(100, 8), doubt)
    assert (is_asked == (doubt <= 1)).all()
    expected = (1 + np.exp(-1)) / np.exp(-np.array([0, 1, 3, 5])).sum()
    assert share == pytest.approx(expected, rel=1e-4)


def test_where_all_pairs_are_read_none_is_missing(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """A small index is asked about every hash, however doubtful."""
    segment = _segment(tmp_path / "1", rng, "AB", 5_000)
    keys = np.unique(segment.key)
    parts = [Part(segment, frozenset())]
    sure, doubtful = (
        _pairing.find_pairs(parts, _asked(keys, d), middle=0) for d in (0, 9)
    )
    assert (sure.place == doubtful.place).all()
    assert sure.share == doubtful.share == 1


def test_pairs_are_left_out_only_where_too_few_agree(rng: np.random.Generator) -> None:
    """Whatever 32 frames are looked at, of three pairs or more in them none is gone."""
    where = np.concatenate([rng.uniform(0, 1e6, 4_000), 5e5 + rng.uniform(0, 99, 20)])
    kept = _pairing._may_agree(where, 1_000_000)
    assert 20 <= len(kept) < 3_000
    assert (np.diff(kept) > 0).all()
    for first in np.append(where, where - 32):
        here = np.flatnonzero((where >= first) & (where < first + 32))
        assert len(here) < 3 or np.isin(here, kept).all()


def test_where_many_agree_by_chance_no_pair_is_left_out(
    rng: np.random.Generator,
) -> None:
    """A small index is searched as it is."""
    where = rng.uniform(0, 1e6, 40_000)
    assert (_pairing._may_agree(where, 1_000_000) == np.arange(40_000)).all()


def test_frames_belong_to_the_recordings_that_searching_finds(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Short recordings and empty ones too."""
    segment = _segment(tmp_path / "1", rng, "ABCDEFG", 400)
    starts = np.array([0, 10, 10, 12, 5_000, 5_001, 9_000], np.uint32)
    ends = np.append(starts[1:], np.uint32(12_345))
    segment = replace(segment, starts=starts, ends=ends)
    frames = np.concatenate([starts, ends[:-1], rng.uniform(0, 12_345, 500)])
    expected = np.searchsorted(starts, frames, side="right") - 1
    assert (segment.owner_of(frames) == expected).all()


def test_an_altered_list_of_recordings_is_noticed(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """A byte of the small arrays that differs is damage."""
    path = tmp_path / "1"
    segment = _segment(path, rng, "ABC", 100)
    data = path.read_bytes()
    at = data.rindex(segment.ends.tobytes())
    path.write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    with pytest.raises(MatchIndexError, match="altered"):
        Segment.open(path)
