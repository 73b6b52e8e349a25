"""What every watermark of the registry must keep to.

Those whose weights the user gives are made with random ones, in the classes of
their own packages: what they read means nothing, but everything else holds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from contrafact.core.errors import AudioError, WatermarkError
from contrafact.matching.watermarks import (
    WATERMARKS,
    Needs,
    Samples,
    Watermark,
    open_watermark,
)
from contrafact.matching.watermarks.audioseal import AudioSeal
from contrafact.matching.watermarks.patchwork import Patchwork
from contrafact.matching.watermarks.perth import Perth
from contrafact.matching.watermarks.silentcipher import SilentCipher
from contrafact.matching.watermarks.wavmark import WavMark

from .conftest import RATE, melody


def quiet_audioseal() -> AudioSeal:
    """Return random networks whose mark is faint, as that of trained ones is."""
    made = AudioSeal.build(n_filters=2, dimension=8, lstm=1)
    for parameter in list(made._generator.decoder.parameters())[-2:]:
        parameter.data.mul_(0.01)
    return made


SMALL: dict[str, Callable[[], Watermark]] = {
    "patchwork": lambda: Patchwork(b"key"),
    "perth": Perth.load,
    "audioseal": quiet_audioseal,
    "wavmark": lambda: WavMark.build(n_layers=1),
    "silentcipher": lambda: SilentCipher.build(
        SR=4_000, N_FFT=64, HOP_LENGTH=32, message_band_size=8
    ),
}


@pytest.fixture(params=sorted(SMALL), scope="module")
def watermark(request: pytest.FixtureRequest) -> Watermark:
    """Each watermark, small."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return SMALL[request.param]()


def payload(watermark: Watermark) -> np.ndarray:
    """Return a payload of the right length."""
    return np.random.default_rng(0).integers(0, 2, watermark.n_bits).astype(np.uint8)


def enough(watermark: Watermark) -> float:
    """Return the shortest length that can be marked, in quarters of a second."""
    return 0.25 * np.ceil(4 * watermark.least_s)


def test_every_watermark_is_tested_here() -> None:
    """A new line in the registry needs a small instance in this file."""
    assert set(SMALL) == set(WATERMARKS)


def test_embedding_keeps_shape_and_range(watermark: Watermark) -> None:
    """What comes out has the shape and type of what went in, within full scale."""
    song = melody(3, seconds=enough(watermark), n_channels=2)
    marked = watermark.embed(song, RATE, payload(watermark))
    assert marked.shape == song.shape
    assert marked.dtype == np.float32
    assert np.isfinite(marked).all()
    assert np.abs(marked).max() <= 1.0


def test_detection_is_well_formed(watermark: Watermark) -> None:
    """Bits have the length of the payload; the rest is in its range."""
    found = watermark.detect(melody(3, seconds=enough(watermark)), RATE)
    assert found.bits.shape == (watermark.n_bits,)
    assert set(np.unique(found.bits)) <= {0, 1}
    assert 0.0 <= found.confidence <= 1.0
    assert found.false_positive_rate is None or 0 < found.false_positive_rate <= 1


def test_wrong_payload_is_refused(watermark: Watermark) -> None:
    """A payload of another length is an error that says how many bits there are."""
    wrong = np.zeros(watermark.n_bits + 1, dtype=np.uint8)
    with pytest.raises(WatermarkError, match=str(watermark.n_bits)):
        watermark.embed(melody(3, seconds=enough(watermark)), RATE, wrong)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (np.zeros((1, 4 * RATE), np.float32), "silent"),
        (np.full((1, 800), 0.1, np.float32), "lasts"),
        (np.full((1, 4 * RATE), np.nan, np.float32), "NaN"),
        (np.zeros((2, 0), np.float32), "shape"),
        (np.zeros(4 * RATE, np.float32), "shape"),
    ],
    ids=["silence", "short", "nan", "empty", "flat"],
)
def test_bad_sound_is_a_clear_error(
    watermark: Watermark, bad: Samples, says: str
) -> None:
    """Silence, shortness and what is no number are told, going in and out."""
    with pytest.raises(AudioError, match=says):
        watermark.embed(bad, RATE, payload(watermark))
    with pytest.raises(AudioError, match=says):
        watermark.detect(bad, RATE)


def test_clipped_sound_is_not_marked(watermark: Watermark) -> None:
    """What a mark adds to clipped sound would be cut off, so it is refused."""
    clipped = np.clip(8 * melody(3, seconds=enough(watermark)), -1, 1)
    with pytest.raises(AudioError, match="clipped"):
        watermark.embed(clipped, RATE, payload(watermark))


def test_unknown_name_is_refused() -> None:
    """The error lists the names that there are."""
    with pytest.raises(WatermarkError, match="patchwork"):
        open_watermark("nothing", Needs(key=b"k"))


@pytest.mark.parametrize("name", ["audioseal", "wavmark", "silentcipher"])
def test_missing_weights_are_a_clear_error(name: str, tmp_path: Path) -> None:
    """Without weights, the error says that nothing is fetched and what to do."""
    with pytest.raises(WatermarkError, match="--weights"):
        open_watermark(name, Needs(key=b"k"))
    with pytest.raises(WatermarkError, match=r"weights|hparams"):
        open_watermark(name, Needs(key=b"k", weights=tmp_path))


def test_weights_are_read_from_safetensors(tmp_path: Path) -> None:
    """Weights that were saved give the same mark; those of another net are refused."""
    torch.manual_seed(1)
    made = WavMark.build(n_layers=1)
    network = made._network
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.02)
    save_file(network.state_dict(), tmp_path / "wavmark.safetensors")
    read = WavMark.load(tmp_path)
    song = melody(4, seconds=1.25)
    assert (read.detect(song, RATE).bits == made.detect(song, RATE).bits).all()
    save_file({"x": torch.zeros(1)}, tmp_path / "wavmark.safetensors")
    with pytest.raises(WatermarkError, match="not for this network"):
        WavMark.load(tmp_path)
    (tmp_path / "wavmark.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(WatermarkError, match="safetensors"):
        WavMark.load(tmp_path)
