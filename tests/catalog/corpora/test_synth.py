"""That the soundfont plays the right notes at the right frames, repeatably."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from contrafact.catalog.corpora import _synth
from contrafact.catalog.corpora._synth import PlayedNote, find_soundfont, play
from contrafact.catalog.corpora.base import SAMPLE_RATE
from contrafact.core.errors import CorpusError

PIANO, BELLS, ORGAN, STRINGS, WOODBLOCK = 0, 14, 19, 48, 115


def test_an_onset_is_heard_at_its_frame() -> None:
    """Nothing sounds before the onset; a stroke is there within 5 ms of it."""
    for onset_s in (0.25, 0.7503):
        audio = play([PlayedNote(onset_s, 1, 76, 0, 110)], [WOODBLOCK], 1.5)
        frame = round(onset_s * SAMPLE_RATE)
        peak = np.abs(audio).max()
        # The resampler's filter rings some frames ahead of the onset.
        assert np.abs(audio[: frame - 40]).max() < 0.01 * peak
        assert np.abs(audio[frame : frame + SAMPLE_RATE // 200]).max() > 0.05 * peak


def test_the_pitch_is_right() -> None:
    """MIDI note 69 on an organ has its strongest partials on multiples of 440 Hz."""
    audio = play([PlayedNote(0, 2, 69, 0, 100)], [ORGAN], 2.0)
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    ratio = np.argmax(spectrum) / 2 / 440
    nearest = max(round(ratio * 2), 1) / 2  # organ stops also sound an octave below
    assert ratio == pytest.approx(nearest, rel=0.01)


def test_a_recording_does_not_hear_the_one_before() -> None:
    """A new synthesizer and one that played much else give the same audio."""
    notes = [
        PlayedNote(0.1 * i, 0.1 * i + 0.3, 60 + i, i % 2, 90 - i) for i in range(10)
    ]
    _synth._synth.cache_clear()
    first = play(notes, [PIANO, STRINGS], 1.5)
    many = [PlayedNote(0.01 * i, 9, 30 + i, i % 3, 127) for i in range(60)]
    play(many, [ORGAN, BELLS, STRINGS], 0.9)
    assert np.array_equal(first, play(notes, [PIANO, STRINGS], 1.5))


def test_length_is_exact_and_late_notes_are_silent() -> None:
    """The result has the frames asked for; a note at the end is not heard."""
    audio = play([PlayedNote(1.2345, 2, 60, 0, 90)], [PIANO], 1.2345)
    assert len(audio) == round(1.2345 * SAMPLE_RATE)
    assert not audio.any()


def test_a_note_repeated_at_once_is_struck_again() -> None:
    """Where one note ends and the same begins, the end comes first."""
    notes = [PlayedNote(0, 1, 60, 0, 100), PlayedNote(1, 2, 60, 0, 100)]
    audio = play(notes, [ORGAN], 2.0)
    late = audio[round(1.5 * SAMPLE_RATE) :]
    assert np.sqrt(np.mean(late**2)) > 0.2 * np.sqrt(np.mean(audio**2))


def test_missing_parts_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without synthesizer or soundfont the error holds the command that helps."""
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    _synth._synth.cache_clear()
    with pytest.raises(CorpusError, match="pip install --no-deps tinysoundfont"):
        play([], [], 0.1)
    monkeypatch.setattr(_synth, "_SOUNDFONT", "missing.sf2")
    with pytest.raises(CorpusError, match="pip install pretty_midi"):
        find_soundfont()
