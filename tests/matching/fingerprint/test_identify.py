from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from contrafact.core.errors import MatchingError
from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex

Samples = NDArray[np.float32]
RATE = SAMPLE_RATE


@pytest.fixture
def index(filled: Path) -> FingerprintIndex:
    """Return the index of the ten tunes."""
    return FingerprintIndex.open(filled)


def _noise(sound: Samples, rng: np.random.Generator) -> Samples:
    level = sound.std() / np.sqrt(2)  # 0 dB if it were white up to 8 kHz
    return sound + (level * rng.standard_normal(len(sound))).astype(np.float32)


def test_an_excerpt_is_found_where_it_comes_from(
    index: FingerprintIndex, tunes: list[Samples]
) -> None:
    """An excerpt names its recording, both intervals, no shift and no stretch."""
    (match,) = index.identify(tunes[3][5 * RATE : 13 * RATE])
    assert match.recording_id == "R-3"
    assert match.query_start_s == pytest.approx(0, abs=0.5)
    assert match.query_end_s == pytest.approx(8, abs=0.5)
    assert match.reference_start_s == pytest.approx(5, abs=0.5)
    assert match.reference_end_s == pytest.approx(13, abs=0.5)
    assert match.pitch_semitones == 0
    assert match.tempo_ratio == pytest.approx(1, abs=0.01)
    assert match.false_match_probability <= 0.01


@pytest.mark.parametrize("by", [0.8, 0.9, 1.1, 1.2])
def test_a_change_of_speed_is_found_and_measured(
    index: FingerprintIndex, tunes: list[Samples], by: float
) -> None:
    """Faster playing is found, with its shift of pitch and its ratio of tempos."""
    query = soxr.resample(tunes[5][4 * RATE : 13 * RATE], RATE * by, RATE)
    match = index.identify(query)[0]
    assert match.recording_id == "R-5"
    assert match.tempo_ratio == pytest.approx(by, rel=0.01)
    assert match.pitch_semitones == pytest.approx(12 * np.log2(by), abs=0.5)
    assert match.reference_start_s == pytest.approx(4, abs=0.5)


def test_noise_as_loud_as_the_music_does_not_hide_it(
    index: FingerprintIndex, tunes: list[Samples], rng: np.random.Generator
) -> None:
    """An excerpt under noise at 0 dB, half of it above what is listened to."""
    found = index.identify(_noise(tunes[7][2 * RATE : 10 * RATE], rng))
    assert [match.recording_id for match in found] == ["R-7"]


def test_all_recordings_of_a_medley_are_found_with_their_intervals(
    index: FingerprintIndex, tunes: list[Samples]
) -> None:
    """Three excerpts in a row are three matches, bounds right to half a second."""
    parts = [tunes[1][: 9 * RATE], tunes[4][3 * RATE : 13 * RATE], tunes[8][: 8 * RATE]]
    found = index.identify(np.concatenate(parts))
    bounds = {m.recording_id: (m.query_start_s, m.query_end_s) for m in found}
    assert bounds.keys() == {"R-1", "R-4", "R-8"}
    for name, expected in {"R-1": (0, 9), "R-4": (9, 19), "R-8": (19, 27)}.items():
        assert bounds[name] == pytest.approx(expected, abs=0.5)


def test_both_recordings_of_a_mix_are_found(
    index: FingerprintIndex, tunes: list[Samples]
) -> None:
    """Two recordings of one loudness on top of each other are both found."""
    mixed = tunes[2][: 10 * RATE] + tunes[6][5 * RATE : 15 * RATE]
    found = {match.recording_id for match in index.identify(mixed)}
    assert found == {"R-2", "R-6"}


def test_what_is_not_in_the_index_is_not_found(
    index: FingerprintIndex, tunes: list[Samples]
) -> None:
    """No match is the answer for other tunes of the same sound."""
    assert index.identify(tunes[10]) == ()
    assert index.identify(tunes[11][3 * RATE : 12 * RATE]) == ()


@pytest.mark.parametrize(
    "query",
    [
        np.zeros(0, np.float32),
        np.zeros(1, np.float32),
        np.zeros(10 * RATE, np.float32),
        np.full(10 * RATE, 0.7, np.float32),
        np.eye(1, 10 * RATE, 40_000, dtype=np.float32)[0],
        np.where(np.arange(10 * RATE) % 4_000 == 0, 1, 0).astype(np.float32),
        np.sin(2 * np.pi * 440 * np.arange(10 * RATE) / RATE).astype(np.float32),
    ],
    ids=["nothing", "one", "silence", "DC", "click", "clicks", "tone"],
)
def test_what_is_no_music_gives_no_match(
    index: FingerprintIndex, query: Samples
) -> None:
    """Silence, clicks, a constant and a tone are neither matches nor errors."""
    assert index.identify(query) == ()


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        (np.array([0, np.nan], np.float32), "holds NaN"),
        (np.zeros((2, 100), np.float32), r"shape \(2, 100\)"),
    ],
)
def test_unfit_samples_are_refused_in_one_clear_line(
    index: FingerprintIndex, query: Samples, complaint: str
) -> None:
    """What cannot be compared is named."""
    with pytest.raises(MatchingError, match=complaint):
        index.identify(query)


def test_the_rate_of_false_matches_is_a_probability(
    index: FingerprintIndex, tunes: list[Samples]
) -> None:
    """A rate of nothing is refused."""
    with pytest.raises(MatchingError, match="above 0"):
        index.identify(tunes[0], max_false_match=0)


def test_a_smaller_rate_of_false_matches_gives_fewer_answers(
    index: FingerprintIndex, tunes: list[Samples], rng: np.random.Generator
) -> None:
    """Everything returned keeps the rate that was asked for."""
    query = _noise(tunes[0][: 5 * RATE], rng)
    all_of_them = index.identify(query, max_false_match=1)
    some = index.identify(query, max_false_match=0.001)
    assert some == tuple(m for m in all_of_them if m.false_match_probability <= 0.001)


def test_two_copies_of_one_recording_are_both_named(
    tmp_path: Path, tunes: list[Samples]
) -> None:
    """A recording that the catalog holds twice is found twice."""
    index = FingerprintIndex.create(tmp_path)
    index.add_many([("one", tunes[0]), ("copy", 0.5 * tunes[0]), ("B", tunes[1])])
    found = index.identify(tunes[0][3 * RATE : 12 * RATE])
    assert {match.recording_id for match in found} == {"one", "copy"}


@pytest.mark.parametrize("softer", [0.5, 0.35])
def test_what_lies_beneath_another_recording_is_found(
    index: FingerprintIndex, tunes: list[Samples], softer: float
) -> None:
    """A recording 6 or 9 dB softer than the one on top of it, with its interval."""
    mixed = tunes[2][: 9 * RATE] + softer * tunes[6][5 * RATE : 14 * RATE]
    found = {match.recording_id: match for match in index.identify(mixed)}
    assert found.keys() == {"R-2", "R-6"}
    assert found["R-6"].reference_start_s == pytest.approx(5, abs=0.5)
    assert found["R-6"].query_end_s == pytest.approx(9, abs=0.5)


def test_what_is_mixed_with_something_unknown_is_found_alone(
    index: FingerprintIndex, tunes: list[Samples]
) -> None:
    """What is left when a recording is taken out is not taken for another."""
    mixed = tunes[3][: 9 * RATE] + tunes[10][: 9 * RATE]
    assert [match.recording_id for match in index.identify(mixed)] == ["R-3"]


def test_mixes_one_after_the_other_are_taken_apart_each(
    index: FingerprintIndex, tunes: list[Samples]
) -> None:
    """Two pairs of recordings in a row are four matches, each in its place."""
    pairs = [tunes[i][: 12 * RATE] + tunes[i + 1][4 * RATE : 16 * RATE] for i in (0, 4)]
    found = index.identify(np.concatenate(pairs))
    starts = {match.recording_id: match.query_start_s for match in found}
    expected = {"R-0": 0, "R-1": 0, "R-4": 12, "R-5": 12}
    assert starts == pytest.approx(expected, abs=0.5)
