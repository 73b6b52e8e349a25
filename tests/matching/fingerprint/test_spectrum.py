from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from contrafact.matching.fingerprint import _spectrum
from contrafact.matching.fingerprint._notes import (
    HIGHEST,
    N_KEPT_BINS,
    pack_notes,
    reduced,
    unpack_notes,
)
from contrafact.matching.fingerprint._spectrum import (
    HOP,
    N_BINS,
    PER_SEMITONE,
    SAMPLE_RATE,
    note_blocks,
    note_map,
    power_map,
)

Samples = NDArray[np.float32]
# Sums of floats in another order; the map goes from about 0 to 8.
_SAME = 1e-3


def test_a_long_map_in_parts_is_the_map(
    tunes: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made part by part is what is made at once, without a seam."""
    monkeypatch.setattr(_spectrum, "_PART", 150)
    monkeypatch.setattr(_spectrum, "_AROUND", 100)
    whole = note_map(tunes[0])
    parts = [b.notes[b.low : b.high] for b in note_blocks(tunes[0])]
    assert len(parts) > 3
    assert np.concatenate(parts) == pytest.approx(whole, abs=_SAME)
    energy = [b.power[b.low : b.high] for b in note_blocks(tunes[0])]
    assert np.concatenate(energy) == pytest.approx(power_map(tunes[0]), rel=_SAME)


def test_gain_does_not_change_the_map(tunes: list[Samples]) -> None:
    """Only what stands out from its surroundings counts."""
    assert note_map(0.1 * tunes[1]) == pytest.approx(note_map(tunes[1]), abs=0.05)


def test_a_semitone_higher_is_a_shift_of_the_map() -> None:
    """A tone stands out where its pitch is, and three bins higher a semitone up."""
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    tones = [
        np.sin(2 * np.pi * 440 * 2 ** (n / 12) * t).astype(np.float32) for n in (0, 1)
    ]
    low, high = (int(note_map(tone)[30].argmax()) for tone in tones)
    assert high - low == PER_SEMITONE


def test_the_map_is_about_silence_and_nothing_too() -> None:
    """Nothing gives no frames; silence stands out nowhere."""
    assert note_map(np.zeros(0, np.float32)).shape == (0, N_BINS)
    assert list(note_blocks(np.zeros(HOP - 1, np.float32))) == []
    silent = note_map(np.zeros(SAMPLE_RATE, np.float32))
    assert silent.shape == (SAMPLE_RATE // HOP, N_BINS)
    assert np.abs(silent).max() < _SAME


def test_packed_notes_are_the_notes_in_four_steps(tunes: list[Samples]) -> None:
    """Packing loses half a step at most."""
    notes = note_map(tunes[2])
    n = len(notes) // 2
    mean = reduced(notes[: 2 * n, :N_KEPT_BINS]).reshape(n, 2, N_KEPT_BINS).mean(1)
    again = unpack_notes(pack_notes(notes))
    assert again.shape == mean.shape
    assert np.abs(again - mean).max() <= HIGHEST / 6 + _SAME
