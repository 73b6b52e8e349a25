"""Writing audio, and the tags in it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest

from contrafact.catalog import read_audio, read_tags, write_audio
from contrafact.core.errors import AudioError, StorageError

Make = Callable[..., Path]
WAVE = (0.5 * np.sin(np.arange(2 * 8_000) * 0.05)).reshape(2, 8_000).astype(np.float32)
TAGS = {
    "title": "Étude №1",
    "artist": "A; B",
    "album": "Disc",
    "isrc": "USRC17607839",
    "label": "L",
    "comment": "c",
    "contrafact_prompt": "a slow rag; piano, 60 bpm",
    "contrafact_seed": "7",
    "contrafact_model": "m",
    "contrafact_model_digest": "0" * 64,
}


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_sound_and_tags_come_back(tmp_path: Path, suffix: str) -> None:
    """What was written is read: samples to 16 bits, tags to the letter."""
    path = tmp_path / f"a{suffix}"
    write_audio(path, WAVE, 16_000, tags=TAGS)
    audio = read_audio(path, mono=False)
    np.testing.assert_allclose(audio.samples, WAVE, atol=1 / 32_768)
    assert audio.sample_rate == 16_000
    assert read_tags(path) == TAGS


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_same_input_same_bytes(tmp_path: Path, suffix: str) -> None:
    """No clock and no chance goes into a file, and tags may come in any order."""
    write_audio(tmp_path / f"a{suffix}", WAVE, 16_000, tags=TAGS)
    backwards = dict(reversed(TAGS.items()))
    write_audio(tmp_path / f"b{suffix}", WAVE, 16_000, tags=backwards)
    first, second = (tmp_path / f"{name}{suffix}" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_overshoot_is_cut_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Values above full scale do not wrap around, and are not cut in silence."""
    with caplog.at_level(logging.WARNING):
        write_audio(tmp_path / "a.wav", 3 * WAVE, 16_000)
    assert read_audio(tmp_path / "a.wav").samples.max() <= 1
    assert "above full scale" in caplog.text


@pytest.mark.parametrize(
    ("name", "samples", "message"),
    [
        ("a.mp3", WAVE, "use .wav or .flac"),
        ("a.wav", WAVE[0], "expected samples"),
        ("a.wav", WAVE[:, :0], "expected samples"),
        ("a.wav", WAVE * np.nan, "NaN"),
        ("a.flac", np.repeat(WAVE, 6, axis=0), "does not take 12 channels"),
    ],
)
def test_what_cannot_be_written_is_an_error(
    tmp_path: Path, name: str, samples: np.ndarray, message: str
) -> None:
    """A wrong suffix, shape or value is refused before anything is written."""
    with pytest.raises(AudioError, match=message):
        write_audio(tmp_path / name, samples, 16_000)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    """No file can be made below a file."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write"):
        write_audio(tmp_path / "file" / "a.wav", WAVE, 16_000)


def test_a_name_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    """What no folder can hold is refused with what to do."""
    with pytest.raises(StorageError, match="the name is too long"):
        write_audio(tmp_path / f"{'a' * 300}.wav", WAVE, 16_000)


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    """A folder is never replaced by a file, whatever it is called."""
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(AudioError, match="it is a folder"):
        write_audio(tmp_path / "a.wav", WAVE, 16_000)


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus", ".m4a", ".flac"])
def test_tags_of_every_format_get_the_same_names(sound: Make, suffix: str) -> None:
    """Title, artist and album are found under one name in every format."""
    path = sound(f"a{suffix}", rate=48_000)
    tagged = mutagen.File(path, easy=True)
    if tagged.tags is None:
        tagged.add_tags()
    tagged.update({"title": "T", "artist": ["A", "B"], "album": "D"})
    tagged.save()
    tags = read_tags(path)
    assert (tags["title"], tags["artist"], tags["album"]) == ("T", "A; B", "D")


def test_no_tags_are_no_error(sound: Make, tmp_path: Path) -> None:
    """Untagged audio and damaged files have no tags."""
    (tmp_path / "damaged.flac").write_bytes(b"fLaC")
    assert read_tags(sound("a.wav")) == {}
    assert read_tags(tmp_path / "damaged.flac") == {}
