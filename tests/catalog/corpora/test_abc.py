"""What the lean ABC reader promises, on tunes written for the purpose."""

from __future__ import annotations

import pytest

from contrafact.catalog.corpora._abc import read_tune, split_tunes
from contrafact.catalog.corpora._notation import NotationError, Score


def read(body: str, *, key: str = "C", metre: str = "4/4", more: str = "") -> Score:
    """Return the score of a tune with unit note length of an eighth."""
    text = f"X:1\nT:Test\nM:{metre}\nL:1/8\n{more}K:{key}\n{body}\n"
    return read_tune(next(split_tunes(text)))


def heard(score: Score) -> list[tuple[float, float, int]]:
    """Return (start, length, pitch) of all notes."""
    return [(note.start, note.length, note.pitch) for note in score.notes]


def test_lengths_and_octaves() -> None:
    """Multiples, fractions and octave marks are read as the standard says."""
    score = read("C2 c/ c'3/2 C,//|")
    assert heard(score) == [
        (0, 1, 60),
        (1, 0.25, 72),
        (1.25, 0.75, 84),
        (2, 0.125, 48),
    ]


def test_key_signature_and_modes() -> None:
    """D dorian has no sharps, D major has two, and B flat major two flats."""
    assert [n.pitch for n in read("FC", key="D dor").notes] == [65, 60]
    assert [n.pitch for n in read("FC", key="D").notes] == [66, 61]
    assert [n.pitch for n in read("BE", key="Bb").notes] == [70, 63]


def test_accidentals_last_until_the_bar_line() -> None:
    """An accidental holds for its note and octave within its bar only."""
    pitches = [note.pitch for note in read("^F F f|F =F", key="G").notes]
    assert pitches == [66, 66, 78, 66, 65]


def test_broken_rhythm_keeps_the_sum() -> None:
    """`>` dots the first note and halves the second; `<<` is double the other way."""
    assert heard(read("C>D")) == [(0, 0.75, 60), (0.75, 0.25, 62)]
    assert heard(read("C<<D")) == [(0, 0.125, 60), (0.125, 0.875, 62)]


def test_triplet_takes_the_time_of_two() -> None:
    """Three eighths in a triplet last a quarter, and the next note is plain."""
    score = read("(3CDE F")
    assert [round(note.start, 6) for note in score.notes] == [0, 0.333333, 0.666667, 1]
    assert score.notes[-1].length == 0.5


def test_ties_chords_and_rests() -> None:
    """A tie makes one note across the bar; a chord sounds together; z is silent."""
    assert heard(read("C2-|C2 z [CEG]2")) == [
        (0, 2, 60),
        (2.5, 1, 60),
        (2.5, 1, 64),
        (2.5, 1, 67),
    ]


def test_ornaments_and_words_are_left_out() -> None:
    """Grace notes, decorations, chord names and comments make no sound."""
    score = read('"Am"~C{de}D !trill!E % F G\nw: la la\nuA')
    assert [note.pitch for note in score.notes] == [60, 62, 64, 69]


def test_repeats_are_played_once_and_bars_are_kept() -> None:
    """Bars start where bar lines stand; a repeat adds nothing."""
    score = read("|:C4 D4|E4 F4:|")
    assert score.bars == (0, 4, 8)
    assert len(score.notes) == 4


def test_a_line_that_begins_with_a_repeat_is_music() -> None:
    """`d:|` is a note and a repeat, not a field of the letter d."""
    assert [note.pitch for note in read("C D E\nd:|").notes][-1] == 74


def test_header_is_kept() -> None:
    """Form, metre, tonic and tempo come from the header."""
    score = read("A", key="Am", metre="6/8", more="R:Jig\nQ:3/8=120\n")
    assert (score.form, score.metre) == ("jig", (6, 8))
    assert (score.tonic, score.is_minor) == (9, True)
    assert score.tempos == ((0.0, 180.0),)


@pytest.mark.parametrize(
    ("body", "key", "found"),
    [("V:2\nCDE", "C", "voices"), ("zzz", "C", "no notes"), ("C", "HP", "Key")],
)
def test_what_it_does_not_read_is_refused(body: str, key: str, found: str) -> None:
    """Several voices, silence and unknown keys are errors, not guesses."""
    with pytest.raises(NotationError, match=found):
        read(body, key=key)


def test_a_length_of_zero_is_refused() -> None:
    """A note of no length would end before it starts."""
    with pytest.raises(NotationError, match="zero"):
        read("C0")


def test_books_are_split_at_their_numbers() -> None:
    """Text before the first tune is no tune; each tune has its own fields."""
    book = "% preface\nX:1\nT:One\nK:C\nC\n\nX:2\nT:Two\nT:Also Two\nK:G\nG\n"
    tunes = list(split_tunes(book))
    assert [tune.first("T") for tune in tunes] == ["One", "Two"]
    assert tunes[1].fields["T"] == ["Two", "Also Two"]
