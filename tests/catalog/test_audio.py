"""Reading audio: every format, every part of it, and what cannot be used."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import probe_audio, read_audio, read_info
from contrafact.core.errors import AudioError

Make = Callable[..., Path]
ALL_KINDS = [".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mka"]
LOSSLESS = [".wav", ".flac"]
CODER_PADDING_S = 0.1
"""AAC pads to whole frames of 1,024, at both ends."""


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("suffix", ALL_KINDS)
def test_every_format_is_decoded(sound: Make, suffix: str, n_channels: int) -> None:
    """A tone comes back from every format with its length, channels and pitch."""
    path = sound(f"a{suffix}", rate=48_000, n_channels=n_channels)
    audio = read_audio(path, mono=False)
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape[0] == n_channels
    assert audio.duration_s == pytest.approx(1.0, abs=CODER_PADDING_S)
    spectrum = np.abs(np.fft.rfft(audio.samples[0]))
    assert np.argmax(spectrum) / audio.duration_s == pytest.approx(440, abs=3)
    middle = audio.samples[0, 12_000:36_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("suffix", ALL_KINDS)
def test_a_part_is_the_same_as_the_whole_there(sound: Make, suffix: str) -> None:
    """Reading from an offset gives the samples that the whole has there."""
    sweep = np.sin(np.linspace(0, 60, 96_000) ** 2).astype(np.float32)[None] * 0.5
    path = sound(f"a{suffix}", samples=sweep, rate=48_000)
    whole = read_audio(path).samples
    part = read_audio(path, start_s=1.3, duration_s=0.25).samples
    assert part.shape == (1, 12_000)
    # Opus needs 80 ms to settle after a seek; the others are exact.
    n_settling = 4_800 if suffix in (".opus", ".mka") else 0
    there = whole[:, 62_400:74_400]
    np.testing.assert_allclose(part[:, n_settling:], there[:, n_settling:], atol=1e-3)


def test_what_follows_the_end_that_an_mp3_header_gives_is_heard(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Players go on there, so that nothing can be hidden behind it."""
    path = tmp_path / "a.mp3"
    soundfile.write(path, 0.1 * rng.standard_normal(8 * 16_000), 16_000)
    path.write_bytes(path.read_bytes() * 4)
    assert read_audio(path).duration_s == pytest.approx(32, abs=0.5)
    assert read_info(path).duration_s > 16
    assert not probe_audio(path).is_truncated


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus"])
def test_blocks_join_without_a_seam(sound: Make, suffix: str) -> None:
    """Decoding block by block gives what decoding at once gives."""
    sweep = np.sin(np.linspace(0, 60, 96_000) ** 2).astype(np.float32)[None] * 0.5
    path = sound(f"a{suffix}", samples=sweep, rate=48_000)
    at_once, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(read_audio(path).samples[0], at_once)


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 96_000])
def test_resampling_keeps_length_and_pitch(sound: Make, suffix: str, rate: int) -> None:
    """Any rate becomes the rate asked for, as long and as high as before."""
    audio = read_audio(sound(f"a{suffix}", rate=rate), sample_rate=16_000)
    assert audio.sample_rate == 16_000
    assert audio.samples.shape[1] == pytest.approx(16_000, abs=1)
    assert np.argmax(np.abs(np.fft.rfft(audio.samples[0]))) == pytest.approx(440, abs=1)


def test_mono_is_the_mean_of_the_channels(sound: Make) -> None:
    """Five channels are mixed to one by their mean."""
    path = sound("a.wav", n_channels=5)
    all_channels = read_audio(path, mono=False).samples
    np.testing.assert_allclose(
        read_audio(path).samples[0], all_channels.mean(axis=0), atol=1e-6
    )


def test_info_comes_from_the_header(sound: Make) -> None:
    """The header gives length, rate, channels and codec."""
    info = read_info(sound("a.flac", rate=22_050, n_channels=2))
    assert (info.duration_s, info.sample_rate, info.n_channels) == (1.0, 22_050, 2)
    assert info.codec == "flac"


def test_the_end_cuts_a_part_short(sound: Make) -> None:
    """Asking for more than there is gives what there is."""
    part = read_audio(sound("a.wav"), start_s=0.75, duration_s=5)
    assert part.samples.shape == (1, 4_000)


def test_a_part_behind_the_end_is_an_error(sound: Make) -> None:
    """A start behind the end is named, not answered with nothing."""
    with pytest.raises(AudioError, match="ends before 3 s"):
        read_audio(sound("a.wav"), start_s=3)


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    """A file of 0 bytes is said to be empty."""
    (tmp_path / "a.wav").touch()
    with pytest.raises(AudioError, match="is empty"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_no_samples_is_an_error(sound: Make, suffix: str) -> None:
    """A file without sound in it is an error."""
    path = sound(f"a{suffix}", samples=np.zeros((1, 0), np.float32))
    with pytest.raises(AudioError, match=r"0 samples|0 bytes|cut off"):
        read_audio(path)


def test_silence_is_an_error_only_throughout(sound: Make) -> None:
    """A silent recording is of no use; a silent passage is music."""
    wave = np.zeros((1, 16_000), np.float32)
    with pytest.raises(AudioError, match="silent"):
        read_audio(sound("silent.wav", samples=wave))
    wave[:, 8_000:] = 0.5
    path = sound("rest.wav", samples=wave)
    assert read_audio(path, duration_s=0.5).samples.max() == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_an_error(tmp_path: Path, value: float) -> None:
    """One value that is no number spoils a recording."""
    wave = np.full(16_000, 0.1, np.float32)
    wave[777] = value
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN"):
        read_audio(tmp_path / "a.wav")
    assert probe_audio(tmp_path / "a.wav").n_not_finite == 1


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"])
def test_a_truncated_file_is_an_error(sound: Make, suffix: str) -> None:
    """Two thirds of a file are not taken for a shorter recording."""
    path = sound(f"a{suffix}", rate=48_000, seconds=2)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(AudioError, match=r"cut off|cannot be decoded"):
        read_audio(path)


def test_a_truncated_file_can_be_read_up_to_the_cut(sound: Make) -> None:
    """A part before the cut is not spoilt by it."""
    path = sound("a.wav")
    path.write_bytes(path.read_bytes()[:-8_000])
    assert read_audio(path, duration_s=0.5).samples.shape == (1, 8_000)


@pytest.mark.parametrize("data", [b"#EXTM3U\nhttp://x/a.mp3\n", b"\x00" * 999, b"RIFF"])
def test_what_is_not_audio_is_an_error(tmp_path: Path, data: bytes) -> None:
    """A playlist, zeros and a stump are refused in spite of their names."""
    (tmp_path / "a.mp3").write_bytes(data)
    with pytest.raises(AudioError, match="not audio"):
        read_audio(tmp_path / "a.mp3")


@pytest.mark.parametrize("magic", [b"fLaC", b"OggS", b"\xff\xfb\x90\x00", b"ID3\4\0\0"])
def test_damage_behind_the_magic_is_an_error(tmp_path: Path, magic: bytes) -> None:
    """Bytes that only begin like audio are one clear error."""
    noise = np.random.default_rng(5).integers(0, 255, 5_000, np.uint8).tobytes()
    (tmp_path / "a.flac").write_bytes(magic + noise)
    with pytest.raises(AudioError):
        read_audio(tmp_path / "a.flac")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A path without a file is an audio error, in one line."""
    with pytest.raises(AudioError, match=r"Cannot read .*No such file"):
        read_audio(tmp_path / "a.wav")


@pytest.fixture(scope="module")
def ten_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ten-hour recording that is cheap to write: 1 kHz, a tone."""
    path = tmp_path_factory.mktemp("long") / "ten-hours.flac"
    hour = (8_000 * np.sin(np.arange(3_600_000) * 0.3)).astype(np.int16)
    with soundfile.SoundFile(path, "w", 1_000, 1, "PCM_16") as file:
        for _ in range(10):
            file.write(hour)
    return path


def test_a_part_of_ten_hours_needs_little_memory(ten_hours: Path) -> None:
    """Ten seconds of the ninth hour cost megabytes, not gigabytes."""
    tracemalloc.start()
    audio = read_audio(ten_hours, start_s=9 * 3600, duration_s=10, sample_rate=16_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert audio.samples.shape == (1, 160_000)
    assert peak < 8_000_000


def test_ten_hours_are_probed_in_blocks(ten_hours: Path) -> None:
    """The exact length of ten hours is found without holding them."""
    tracemalloc.start()
    facts = probe_audio(ten_hours)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts.duration_s == 36_000
    assert peak < 8_000_000


def test_too_long_is_an_error(ten_hours: Path) -> None:
    """Beyond the limit nothing is decoded into memory."""
    with pytest.raises(AudioError, match="longer than 2 h"):
        read_audio(ten_hours, max_duration_s=7_200)
    with pytest.raises(AudioError, match="longer than 2 h"):
        probe_audio(ten_hours, max_duration_s=7_200)


def test_a_streamed_wav_has_no_declared_length(sound: Make) -> None:
    """A WAV from a pipe, sizes left open, is read to its end and is whole."""
    path = sound("a.wav")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"data") + 4, 0xFFFFFFFF)
    path.write_bytes(data)
    assert read_audio(path).duration_s == 1.0
    assert not probe_audio(path).is_truncated
