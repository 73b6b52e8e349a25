from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from contrafact.audit.fingerprint import (
    HOP_S,
    Fingerprint,
    fingerprint_of,
    search,
)
from contrafact.core.errors import EntryError

RATE = 16_000
N_BITS = 32
SINGLE_PRECISION = 1e-3
"""Part of the bits that rounding may turn: those of bands that hardly change."""
Samples = NDArray[np.float32]


def music(seed: int, *, seconds: float = 8.0) -> Samples:
    """Return notes of a random melody with chords, `(1, time)`."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(0.25 * RATE)) / RATE
    notes = []
    for _ in range(round(seconds / 0.25)):
        pitches_hz = 220 * 2 ** (rng.integers(0, 30, 3) / 12)
        waves = [
            np.sin(2 * np.pi * hz * k * t) / k for hz in pitches_hz for k in (1, 2, 3)
        ]
        notes.append(np.sum(waves, axis=0) * np.exp(-rng.uniform(1, 8) * t))
    wave = 0.1 * np.concatenate(notes) + rng.normal(0, 1e-3, len(t) * len(notes))
    return wave[None].astype(np.float32)


@pytest.fixture(scope="module")
def known() -> list[Fingerprint]:
    """Return fingerprints of twelve songs."""
    return [fingerprint_of(music(seed), RATE) for seed in range(12)]


def as_mp3(samples: Samples, rate_hz: int) -> Samples:
    """Return a sound after MP3 at a low rate, decoded again."""
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        samples.T,
        rate_hz,
        format="MP3",
        bitrate_mode="CONSTANT",
        compression_level=0.88,
    )
    assert len(buffer.getvalue()) * 8 / (samples.shape[1] / rate_hz) < 66_000
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32", always_2d=True)
    return np.asarray(decoded.T)


def slow_fingerprint(samples: Samples, rate_hz: int) -> Fingerprint:
    """Return what the paper says, frame by frame and band by band, in float64."""
    mono = soxr.resample(samples.mean(0), rate_hz, 5512, quality="LQ").astype(float)
    starts = range(0, len(mono) - 2047, 192)
    edges = np.round(np.geomspace(300, 2000, 34) * 2048 / 5512).astype(int)
    energy = np.empty((len(starts), 33))
    for n, start in enumerate(starts):
        spectrum = np.fft.rfft(mono[start : start + 2048] * np.hanning(2048))
        for band in range(33):
            part = spectrum[edges[band] : edges[band + 1]]
            energy[n, band] = np.sum(np.abs(part) ** 2)
    words = []
    for before, now in itertools.pairwise(energy):
        rises = [now[m] - now[m + 1] > before[m] - before[m + 1] for m in range(N_BITS)]
        words.append(sum(1 << m for m in range(N_BITS) if rises[m]))
    loud = energy.sum(1) > 1e-6 * energy.sum(1).max()
    return Fingerprint(np.array(words, np.uint32), loud[1:] & loud[:-1])


@pytest.mark.parametrize(("n_channels", "rate_hz"), [(1, RATE), (2, 44_100)])
def test_the_words_are_those_of_a_slow_twin(n_channels: int, rate_hz: int) -> None:
    """Prints that are kept in registers must be met by those made later."""
    wave = soxr.resample(music(8, seconds=4).T, RATE, rate_hz).T
    wave = np.concatenate([wave, 0.5 * wave[:, ::-1]][:n_channels])
    wave[:, rate_hz : 2 * rate_hz] = 0  # silence too
    quick, slow = fingerprint_of(wave, rate_hz), slow_fingerprint(wave, rate_hz)
    assert (quick.is_sound == slow.is_sound).all()
    differ = np.bitwise_count((quick.words ^ slow.words)[slow.is_sound])
    assert differ.sum() <= SINGLE_PRECISION * N_BITS * slow.is_sound.sum()


def test_the_same_sound_is_found_without_errors(known: list[Fingerprint]) -> None:
    """At offset 0, over all of it, and no other song beside it."""
    [seen] = search(fingerprint_of(music(5), RATE), known)
    assert (seen.number, seen.errors) == (5, pytest.approx(0, abs=1e-6))
    assert seen.offset_s == pytest.approx(0, abs=1e-6)
    assert seen.overlap_s == pytest.approx(len(known[5].words) * HOP_S, abs=0.05)


@pytest.mark.parametrize("gain", [0.01, 0.5, 3.0])
def test_gain_changes_nothing(known: list[Fingerprint], gain: float) -> None:
    """Bits are signs of differences, so that loudness is no matter."""
    [seen] = search(fingerprint_of(gain * music(2), RATE), known)
    assert seen.number == 2
    assert seen.errors < 0.01


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100])
def test_resampling_is_survived(known: list[Fingerprint], rate_hz: int) -> None:
    """The same sound at another rate has nearly the same bits."""
    resampled = soxr.resample(music(3).T, RATE, rate_hz).T
    [seen] = search(fingerprint_of(resampled, rate_hz), known)
    assert seen.number == 3
    assert seen.errors < 0.1


def test_mp3_and_trimming_together_are_survived(known: list[Fingerprint]) -> None:
    """Coded at 64 kbit/s after a cut: found, where the cut says."""
    start = 2 * RATE + 123
    at_44 = soxr.resample(music(7)[:, start : start + 4 * RATE].T, RATE, 44_100).T
    [seen] = search(fingerprint_of(as_mp3(at_44, 44_100), 44_100), known)
    assert seen.number == 7
    assert seen.offset_s == pytest.approx(start / RATE, abs=0.08)


def test_a_song_inside_a_longer_file_is_found(known: list[Fingerprint]) -> None:
    """Songs are looked for in parts, so that a mix is no hiding place."""
    mix = np.concatenate([music(90, seconds=20), music(4), music(91)], axis=1)
    [seen] = search(fingerprint_of(mix, RATE), known)
    assert seen.number == 4
    assert seen.offset_s == pytest.approx(-20, abs=0.08)


def test_other_music_is_not_found(known: list[Fingerprint]) -> None:
    """None of fifty songs from the same notes is taken for a registered one."""
    strangers = [fingerprint_of(music(100 + n), RATE) for n in range(50)]
    assert [search(stranger, known) for stranger in strangers] == [[]] * 50


def test_silence_matches_nothing() -> None:
    """All silences are alike: they are left out instead of matching each other."""
    silence = np.zeros((1, 8 * RATE), np.float32)
    padded = np.concatenate([silence, music(1, seconds=1), silence], axis=1)
    other = np.concatenate([silence, music(2, seconds=1), silence], axis=1)
    known = [fingerprint_of(silence, RATE), fingerprint_of(other, RATE)]
    assert search(fingerprint_of(silence, RATE), known) == []
    assert search(fingerprint_of(padded, RATE), known) == []


def test_what_is_too_short_has_no_words() -> None:
    """Less than one frame gives an empty fingerprint, which finds nothing."""
    short = fingerprint_of(music(0)[:, :1000], RATE)
    assert len(short.words) == 0
    assert search(short, [short]) == []
    assert search(fingerprint_of(music(0), RATE), []) == []


def test_many_songs_are_searched_like_few(known: list[Fingerprint]) -> None:
    """Songs that do not fit into one transform are searched in groups."""
    many = known * 40
    found = search(known[3], many)
    assert [seen.number for seen in found] == list(range(3, len(many), 12))


@given(
    words=hnp.arrays(np.uint32, st.integers(0, 40)),
    data=st.data(),
)
def test_bytes_give_the_fingerprint_back(
    words: NDArray[np.uint32], data: st.DataObject
) -> None:
    """Whatever its words, a fingerprint survives being stored."""
    is_sound = data.draw(hnp.arrays(np.bool_, len(words)))
    again = Fingerprint.from_bytes(Fingerprint(words, is_sound).to_bytes())
    assert (again.words == words).all()
    assert (again.is_sound == is_sound).all()


def test_bytes_of_another_length_are_refused() -> None:
    """A cut-off fingerprint is an error, not a shorter one."""
    with pytest.raises(EntryError, match="no fingerprint"):
        Fingerprint.from_bytes(b"12345678")
