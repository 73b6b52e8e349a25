from __future__ import annotations

import numpy as np
import pytest
import soxr
from scipy import signal

from contrafact.core.errors import WatermarkError
from contrafact.matching.watermarks import Bits, Patchwork, Samples
from contrafact.matching.watermarks.bits import N_CHECK
from contrafact.matching.watermarks.search import N_READINGS

from .conftest import RATE, melody

KEY = b"a key for tests"
BITS = np.array([1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0], dtype=np.uint8)


@pytest.fixture(scope="module")
def marked(song: Samples) -> Samples:
    """The song with a mark."""
    return Patchwork(KEY).embed(song, RATE, BITS)


def is_read(samples: Samples, rate: int = RATE, bits: Bits = BITS) -> bool:
    """Tell whether the payload is read."""
    found = Patchwork(KEY).detect(np.asarray(samples, dtype=np.float32), rate)
    return found.is_found and bool((found.bits == bits).all())


def test_mark_is_read_back(marked: Samples) -> None:
    """The payload comes back with no more than it was given."""
    found = Patchwork(KEY).detect(marked, RATE)
    assert found.is_found
    assert (found.bits == BITS).all()
    assert found.confidence > 0.5


def test_mark_is_quiet(song: Samples, marked: Samples) -> None:
    """What is added is at least 12 dB below the song, as a whole."""
    added = marked - song
    assert 10 * np.log10((song**2).sum() / (added**2).sum()) > 12


def test_unmarked_song_has_none(song: Samples) -> None:
    """Nothing is found in the song before it was marked."""
    assert not Patchwork(KEY).detect(song, RATE).is_found


def test_other_key_reads_nothing(marked: Samples) -> None:
    """Without the key the mark is not seen."""
    assert not Patchwork(b"another").detect(marked, RATE).is_found


def test_false_positive_rate_is_that_of_the_checksum() -> None:
    """The stated rate is what trying the checksum so many times gives."""
    assert Patchwork.false_positive_rate == N_READINGS / 2**N_CHECK < 1e-3


@pytest.mark.parametrize(
    "change",
    [
        lambda x: -x,
        lambda x: 0.2 * x,
        lambda x: x[:, 12_345:],
        lambda x: np.imag(signal.hilbert(x, axis=1)),
        lambda x: x + np.random.default_rng(0).normal(0, 0.1 * x.std(), x.shape),
        lambda x: signal.sosfilt(signal.butter(4, 3500, fs=RATE, output="sos"), x),
        lambda x: np.concatenate([np.zeros((1, 7_001)), x], axis=1),
    ],
    ids=["polarity", "gain", "crop", "phase", "noise", "lowpass", "delay"],
)
def test_mark_survives(marked: Samples, change) -> None:
    """Changes that keep the music keep the mark."""
    assert is_read(change(marked))


def test_mark_survives_a_change_of_speed(marked: Samples) -> None:
    """Played 7 % faster, pitch and all, it is still read."""
    fast = soxr.resample(marked[0], RATE, RATE / 1.07)[None]
    assert is_read(fast)


def test_mark_survives_another_sample_rate(marked: Samples) -> None:
    """At 44.1 kHz the same is read."""
    assert is_read(soxr.resample(marked[0], RATE, 44_100)[None], 44_100)


def test_stereo_that_differs_is_marked_in_both_channels() -> None:
    """Each channel alone gives the payload, also where they cancel in the mean."""
    left, right = melody(1), melody(2)
    stereo = np.concatenate([left, right])
    marked = Patchwork(KEY).embed(stereo, RATE, BITS)
    assert marked.shape == stereo.shape
    assert is_read(marked)
    opposite = np.concatenate([left, -left])
    assert is_read(Patchwork(KEY).embed(opposite, RATE, BITS))


def test_same_input_gives_same_bytes(song: Samples, marked: Samples) -> None:
    """Embedding has no chance in it."""
    assert (Patchwork(KEY).embed(song, RATE, BITS) == marked).all()


def test_empty_key_is_refused() -> None:
    """A mark that everybody can read and forge is not made by accident."""
    with pytest.raises(WatermarkError, match="key"):
        Patchwork(b"")
