"""A change of pitch leaves length and tempo."""

from __future__ import annotations

import numpy as np
import pytest

from contrafact.catalog.audio import Audio
from contrafact.catalog.pitch import change_pitch

RATE = 16_000


def tone(hertz: float, *, n_channels: int = 1) -> Audio:
    """Return two seconds of a sine, each channel at half the level of the last."""
    time = np.arange(2 * RATE) / RATE
    wave = np.sin(2 * np.pi * hertz * time).astype(np.float32)
    rows = np.stack([wave / 2**i for i in range(n_channels)])
    return Audio(samples=rows, sample_rate=RATE)


def loudest(samples: np.ndarray) -> float:
    """Return the frequency of the largest part, Hz."""
    inner = samples[RATE // 2 : -RATE // 2]
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner))))
    return float(spectrum.argmax() * RATE / len(inner))


@pytest.mark.parametrize("semitones", [-12, -3, -1, 0.5, 1, 6, 12])
def test_a_tone_is_moved_by_the_semitones_asked_for(semitones: float) -> None:
    """Its frequency is multiplied by two to the semitones over twelve."""
    moved = change_pitch(tone(440), semitones)
    assert loudest(moved.samples[0]) == pytest.approx(
        440 * 2 ** (semitones / 12), abs=2.0
    )


@pytest.mark.parametrize("semitones", [-2, 1, 5])
def test_length_rate_and_level_stay(semitones: float) -> None:
    """Every channel is as long and as loud as it was."""
    sound = tone(300, n_channels=2)
    moved = change_pitch(sound, semitones)
    assert moved.samples.shape == sound.samples.shape
    assert moved.samples.dtype == np.float32
    assert moved.sample_rate == RATE
    inner = slice(RATE // 4, -RATE // 4)
    for before, after in zip(sound.samples, moved.samples, strict=True):
        assert after[inner].std() == pytest.approx(before[inner].std(), rel=0.1)


def test_tempo_stays() -> None:
    """A click is heard where it was, to some hundredths of a second."""
    sound = tone(200)
    sound.samples[0, :] *= 0.01
    sound.samples[0, RATE : RATE + 800] += np.sin(np.arange(800) * 0.9)
    moved = change_pitch(sound, 3)
    at = np.abs(moved.samples[0]).argmax() / RATE
    assert at == pytest.approx(1.025, abs=0.06)


def test_no_change_gives_the_sound_itself() -> None:
    """Nothing is computed where nothing is asked for."""
    sound = tone(440)
    assert change_pitch(sound, 0) is sound


@pytest.mark.parametrize("semitones", [-13, 12.5, float("nan")])
def test_more_than_an_octave_is_refused(semitones: float) -> None:
    """The error says what is allowed."""
    with pytest.raises(ValueError, match=r"in \[-12, 12\]"):
        change_pitch(tone(440), semitones)


def test_a_few_samples_stay_a_few_samples() -> None:
    """Sound shorter than any window keeps its length."""
    short = Audio(samples=np.ones((1, 7), np.float32), sample_rate=RATE)
    assert change_pitch(short, 2).samples.shape == (1, 7)
