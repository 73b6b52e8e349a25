"""What probing finds, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contrafact.catalog import audio_problems, probe_audio

Make = Callable[..., Path]


def test_a_good_recording_has_no_problems(sound: Make) -> None:
    """Facts of a plain tone: exact length, peak, nothing wrong."""
    facts = probe_audio(sound("a.flac", rate=22_050, n_channels=2, seconds=1.5))
    assert (facts.duration_s, facts.declared_s) == (1.5, 1.5)
    assert (facts.sample_rate, facts.n_channels, facts.codec) == (22_050, 2, "flac")
    assert facts.peak == pytest.approx(0.5, abs=0.01)
    assert audio_problems(facts) == []


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"])
def test_whole_files_are_not_called_truncated(sound: Make, suffix: str) -> None:
    """No encoder's own delay or padding is taken for damage."""
    facts = probe_audio(sound(f"a{suffix}", rate=48_000, seconds=3))
    assert not facts.is_truncated
    assert audio_problems(facts) == []


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_truncation_is_found_and_fatal(sound: Make, suffix: str, part: float) -> None:
    """A file cut anywhere is known to be cut, even where no length is stated."""
    path = sound(f"a{suffix}", rate=48_000, seconds=4)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    (problem,) = audio_problems(probe_audio(path))
    assert problem.is_fatal
    assert "cut off" in problem.message


def test_clipping_is_found_but_not_fatal(sound: Make) -> None:
    """A tone driven into the ceiling is reported, and may be used."""
    time = np.arange(16_000) / 16_000
    wave = np.clip(3 * np.sin(2 * np.pi * 220 * time), -1, 1)[None].astype(np.float32)
    facts = probe_audio(sound("a.wav", samples=wave))
    (problem,) = audio_problems(facts)
    assert facts.is_clipped
    assert not problem.is_fatal


def test_a_full_scale_sine_is_not_clipped(sound: Make) -> None:
    """Loud and undistorted is not clipped."""
    time = np.arange(16_000) / 16_000
    wave = np.sin(2 * np.pi * 100 * time)[None].astype(np.float32)
    assert not probe_audio(sound("a.wav", samples=wave)).is_clipped


def test_silence_is_fatal(sound: Make) -> None:
    """Dither alone counts as silence."""
    dither = np.random.default_rng(5).integers(-1, 2, (1, 16_000)) / 32_768
    facts = probe_audio(sound("a.wav", samples=dither.astype(np.float32)))
    (problem,) = audio_problems(facts)
    assert facts.is_silent
    assert problem.is_fatal


def test_a_wrong_suffix_is_a_warning(sound: Make) -> None:
    """A FLAC called MP3 is read as FLAC, and said to be one."""
    path = sound("a.flac")
    facts = probe_audio(path.rename(path.with_suffix(".mp3")))
    (problem,) = audio_problems(facts, source="a.mp3")
    assert facts.is_mislabelled
    assert facts.suffix == ".flac"
    assert str(problem) == (
        "a.mp3: its name ends in '.mp3' but it is FLAC; read as FLAC. Rename it."
    )
    assert not problem.is_fatal
