from __future__ import annotations

import itertools

import numpy as np
import pytest

from contrafact.matching.versions.base import AlignedLayer, Strand, stacked
from contrafact.matching.versions.calibration import (
    PRIOR_LEVELS,
    Null,
    normalised,
    simes,
)
from contrafact.matching.versions.decoys import decoy
from contrafact.matching.versions.layers import LAYERS, segment_bounds, strands_of
from contrafact.matching.versions.notes import Notes
from contrafact.matching.versions.nulls import unsuspected
from contrafact.matching.versions.voices import parted
from contrafact.matching.versions.voting import WordIndex

from .conftest import DURATION_S, Composer


def _notes(*rows: tuple[float, float, int, float]) -> Notes:
    table = np.array(rows)
    return Notes(
        start_s=table[:, 0],
        end_s=table[:, 1],
        pitch=table[:, 2].astype(np.int16),
        strength=table[:, 3].astype(np.float32),
    )


def test_the_melody_is_the_highest_line_without_overtones() -> None:
    """Chords below, an overtone above and a dip in a rest are not the melody."""
    voices = parted(
        _notes(
            (0.0, 1.0, 48, 0.8),
            (0.0, 0.5, 72, 0.8),
            (0.0, 0.5, 84, 0.3),  # an octave above a much stronger note
            (0.5, 1.0, 74, 0.8),
            (0.6, 0.9, 60, 0.8),  # below what still sounds
            (1.0, 1.5, 64, 0.8),
            (1.0, 1.5, 76, 0.6),  # a true note, an octave above one a little stronger
            (1.6, 1.9, 50, 0.8),  # the accompaniment, while the melody rests
            (2.0, 2.5, 77, 0.8),
        )
    )
    assert voices.melody.pitch.tolist() == [72, 74, 76, 77]
    assert voices.accompaniment.pitch.tolist() == [48, 60, 64, 50]


def test_each_aspect_sees_only_itself(compose: Composer) -> None:
    """New melody, harmony or rhythm leave the strands of the others as they are."""
    same = {
        0: compose(1, 9, 1),  # the tune is as it was
        1: compose(9, 1, 9),  # the chords are as they were
        2: compose(9, 1, 1),  # the onsets are as they were
    }
    plain = strands_of(compose(1, 1, 1), DURATION_S)
    # A tune has its pitches and its onsets; a few of its notes dip below the line.
    kept = {0: {0, 2}, 1: {1}, 2: {1, 2}}
    for seeds, notes in same.items():
        other = strands_of(notes, DURATION_S)
        for k in range(3):
            one, two = plain.strands[k].values, other.strands[k].values
            is_same = one.shape == two.shape and np.abs(one - two).mean() < 0.05
            assert is_same == (k in kept[seeds]), (seeds, k)


def test_words_do_not_change_with_key_and_tempo(compose: Composer) -> None:
    """Words vote for the true shift above all others."""
    plain = strands_of(compose(1, 1, 1), DURATION_S)
    other = strands_of(compose(1, 1, 1, semitones=5, tempo=1.2), DURATION_S)
    expected = (5, 5, -round(np.log(1.2) / 0.14), 5)
    for layer, one, two, shift in zip(
        LAYERS, plain.strands, other.strands, expected, strict=True
    ):
        index = WordIndex(layer.n_shifts)
        index.append(layer.words(one))
        (votes,) = index.votes(layer.words(two))
        assert np.argmax(votes) == shift % layer.n_shifts, layer.name


def test_padding_is_like_nothing(compose: Composer) -> None:
    """Elements that are not there are never alike."""
    strands = strands_of(compose(1, 1, 1), DURATION_S).strands
    for layer, strand in zip(LAYERS, strands, strict=True):
        if not isinstance(layer, AlignedLayer):
            continue
        short = strand.between(0, 10)
        values = stacked([short, strand], layer.dimension)
        alike = layer.likeness(strand, values, np.zeros(2, np.intp)).one
        assert (alike[0, :, len(short) :] < 0).all(), layer.name


def test_votes_grow_by_appending() -> None:
    """An index that was appended to in many small steps finds every segment."""
    layer = LAYERS[0]
    rng = np.random.default_rng(0)
    strands = []
    index = WordIndex(layer.n_shifts)
    for _ in range(30):
        notes = _notes(*[(0.3 * i, 0.3 * i + 0.28, int(p), 0.8)
                         for i, p in enumerate(rng.integers(60, 80, 40))])  # fmt: skip
        strands.append(layer.strand(parted(notes), 12.0))
        index.append(layer.words(strands[-1]))
    for i, strand in enumerate(strands):
        assert np.argmax(index.votes(layer.words(strand)).max(axis=1)) == i


def test_a_decoy_keeps_the_notes_but_not_their_order(
    compose: Composer, rng: np.random.Generator
) -> None:
    """As many notes as before, in order of onset, none of them before the start."""
    notes = compose(1, 1, 1)
    shuffled = decoy(notes, DURATION_S, rng)
    assert len(shuffled) == len(notes)
    assert (np.diff(shuffled.start_s) >= 0).all()
    assert (shuffled.end_s > shuffled.start_s).all()
    assert shuffled.start_s[0] >= 0
    assert not np.array_equal(shuffled.pitch, notes.pitch)


def _null(values: np.ndarray[tuple[int], np.dtype[np.float32]], n: int) -> Null:
    """Return a null whose five columns are the same."""
    table = values.astype(np.float32)[:, None].repeat(5, axis=1)
    weights = np.ones(len(values), np.float32)
    return Null(table, weights, np.full(5, n, np.float32))


def test_a_p_value_is_a_share_of_the_null_and_never_zero() -> None:
    """Counting all comparisons, those not looked at closely too."""
    null = _null(np.arange(100.0), 199)
    assert null.p_value(0, 50.0) == 51 / 200
    assert null.p_value(0, 1e6) == pytest.approx(0.01 / 200)
    assert _null(np.zeros(0), 0).p_value(0, 100.0) == 1.0
    assert _null(np.zeros(0), 99).p_value(0, 100.0) == 1 / 100


def test_a_p_value_beyond_the_null_is_that_of_its_tail(
    rng: np.random.Generator,
) -> None:
    """What one in five thousand reaches is told from two thousand."""
    p_values = [
        _null(rng.exponential(0.5, 2000), 2000).p_value(4, 0.5 * np.log(5000))
        for _ in range(20)
    ]
    assert 1e-4 < np.median(p_values) < 4e-4


def test_a_recording_that_is_like_everything_says_less() -> None:
    """The same score is worth less of a recording whose scores are high."""
    scores = np.full((2, 4), 9.0, np.float32)
    levels = np.tile(PRIOR_LEVELS, (2, 1, 1))
    levels[1, :, 0] += 0.5
    plain, popular = normalised(scores, np.full(4, 60), levels)
    assert (popular < plain - 0.4).all()


def test_versions_that_nobody_named_do_not_spoil_the_null() -> None:
    """Pairs of unnamed works above all that is known to be unrelated are left out."""
    values = np.array([1, 2, 3, 50], np.float32)[:, None].repeat(5, axis=1)
    kept = unsuspected(values, np.array([True, True, True, False]))
    assert kept.tolist() == [True, True, True, False]


def test_one_segment_of_many_counts_less() -> None:
    """One strong segment of four is weaker evidence than four of four."""
    assert simes([0.01, 1, 1, 1]) == 0.04
    assert simes([0.01] * 4) == 0.01


def test_segments_cover_a_recording() -> None:
    """Whatever its length, from the beginning to the end."""
    for duration_s in (0.5, 40.0, 40.1, 69.0, 300.0):
        bounds = segment_bounds(duration_s)
        assert bounds[0][0] == 0
        assert bounds[-1][1] == duration_s
        for (_, end), (start, _) in itertools.pairwise(bounds):
            assert start < end


def test_an_octave_heard_wrongly_hurts_a_melody_less_than_another_tune(
    compose: Composer, rng: np.random.Generator
) -> None:
    """A fifth of the notes an octave too high, as organs and overtones have it."""
    layer, strand = LAYERS[0], strands_of(compose(1, 1, 1), DURATION_S).strands[0]
    no_shift = np.zeros((1, 1), np.intp)
    wrong = rng.random(len(strand)) < 0.2
    scores = []
    for by in (12, 11):
        values = strand.values + by * wrong[:, None].astype(np.float32)
        heard = Strand(strand.start_s, strand.end_s, values)
        scores.append(layer.compare(strand, [heard], no_shift)[0][0])
    assert scores[0] > scores[1] + 3
