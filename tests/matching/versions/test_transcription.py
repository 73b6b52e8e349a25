from __future__ import annotations

import numpy as np
import pytest

from contrafact.catalog.corpora._synth import PlayedNote, play
from contrafact.core.errors import MatchingError
from contrafact.matching.versions import SAMPLE_RATE, WINDOW_S, Hearing, transcription
from contrafact.matching.versions.transcription import transcribe

PITCHES = (60, 64, 67, 72, 65, 62)
# The network's frames are 12 ms; a piano's onset is not sharper than a few.
ONSET_TOLERANCE_S = 0.05


def _played(offset_s: float, duration_s: float) -> np.ndarray:
    notes = [
        PlayedNote(offset_s + 0.5 * i, offset_s + 0.5 * i + 0.45, pitch, 0, 90)
        for i, pitch in enumerate(PITCHES)
    ]
    return play(notes, [0], duration_s)


def test_played_notes_are_heard_where_they_were_played() -> None:
    """A melody on a piano comes back with its pitches and onsets."""
    heard = transcribe(_played(0.3, 4.0))
    strong = heard.chosen(heard.strength > 0.6)
    assert tuple(strong.pitch) == PITCHES
    expected = 0.3 + 0.5 * np.arange(len(PITCHES))
    np.testing.assert_allclose(strong.start_s, expected, atol=ONSET_TOLERANCE_S)
    assert (strong.end_s > strong.start_s).all()


def test_notes_are_the_same_wherever_a_long_recording_is_cut() -> None:
    """Hours are heard block by block; notes across the seam keep their places."""
    block_s = transcription._BLOCK / SAMPLE_RATE
    samples = np.zeros(int((block_s + 3) * SAMPLE_RATE), np.float32)
    music = _played(0.0, 3.5)
    first = int((block_s - 1.3) * SAMPLE_RATE)
    samples[first : first + len(music)] = music
    heard = transcribe(samples)
    strong = heard.chosen(heard.strength > 0.6)
    onsets = block_s - 1.3 + 0.5 * np.arange(len(PITCHES))
    for pitch, onset in zip(PITCHES, onsets, strict=True):
        nearest = np.abs(strong.start_s[strong.pitch == pitch] - onset).min()
        assert nearest < ONSET_TOLERANCE_S


def test_nothing_is_heard_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part first and then all gives what all at once does, from as many windows."""
    samples = _played(0.3, 6.0)
    once = transcribe(samples)
    starts: list[int] = []
    listen = transcription._listen

    def counted(audio: np.ndarray, start: int) -> list[np.ndarray]:
        starts.append(start)
        return listen(audio, start)

    monkeypatch.setattr(transcription, "_listen", counted)
    hearing = Hearing.of(samples)
    part = hearing.notes(1, 3)
    assert len(starts) == 2
    whole = hearing.notes()
    assert len(starts) == len(set(starts)) == hearing.n_windows == 4
    np.testing.assert_array_equal(whole.start_s, once.start_s)
    np.testing.assert_array_equal(whole.pitch, once.pitch)
    inside = whole.between(WINDOW_S + 0.1, 3 * WINDOW_S - 0.3)
    later = part.shifted(WINDOW_S).between(WINDOW_S + 0.1, 3 * WINDOW_S - 0.3)
    np.testing.assert_allclose(later.start_s, inside.start_s, atol=1e-9)
    np.testing.assert_array_equal(later.pitch, inside.pitch)


def test_a_missing_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without basic-pitch the error says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MatchingError, match=r"pip install --no-deps basic-pitch"):
        transcription.find_network()
