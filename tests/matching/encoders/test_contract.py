"""What holds of every encoder, on the published classes with small random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file, save_file

from contrafact.core.errors import MatchingError, ModelFormatError
from contrafact.matching.encoders import (
    ENCODERS,
    Encoder,
    heard_windows,
    load_encoder,
)

from .conftest import WRITERS


def _noise(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, round(seconds * rate)).astype(np.float32)


@pytest.fixture(params=sorted(ENCODERS))
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    """The folder of each encoder in turn."""
    return folders[request.param]


@pytest.fixture
def encoder(request: pytest.FixtureRequest, folder: Path) -> Encoder:
    """Each encoder in turn."""
    return load_encoder(request.node.callspec.params["folder"], folder)


def test_all_that_are_known_are_tested() -> None:
    """None is left out of this suite."""
    assert sorted(WRITERS) == sorted(ENCODERS)


def test_an_encoder_says_what_it_is(encoder: Encoder) -> None:
    """Its attributes are those that the registry tells of it."""
    assert encoder.meaning == ENCODERS[encoder.name].meaning
    assert 0 < encoder.hop_s <= encoder.window_s
    assert encoder.sample_rate >= 16_000
    assert encoder.nearness in ("cosine", "distance")


def test_every_window_becomes_a_vector(encoder: Encoder) -> None:
    """Of the size it says, the same each time, another one for other sound."""
    samples = _noise(2.5 * encoder.window_s, encoder.sample_rate)
    heard = heard_windows(encoder, samples)
    assert heard.vectors.shape == (len(heard), encoder.dimension)
    assert np.isfinite(heard.vectors).all()
    assert heard.span_s(len(heard) - 1)[1] == pytest.approx(2.5 * encoder.window_s)
    again = heard_windows(encoder, samples)
    np.testing.assert_array_equal(heard.vectors, again.vectors)
    assert np.abs(np.diff(heard.vectors, axis=0)).max() > 1e-4


def test_a_vector_does_not_depend_on_other_windows(encoder: Encoder) -> None:
    """Together with others it is what it is alone."""
    n = round(encoder.window_s * encoder.sample_rate)
    windows = np.stack([_noise(1, n, seed) for seed in range(3)])
    together = encoder.encode(windows)
    alone = np.concatenate([encoder.encode(window[None]) for window in windows])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_what_is_shorter_than_a_window_is_repeated(encoder: Encoder) -> None:
    """A second of sound, and the same again and again, are one thing."""
    samples = _noise(1.0, encoder.sample_rate)
    whole = np.resize(samples, round(encoder.window_s * encoder.sample_rate))
    short, long = (heard_windows(encoder, x) for x in (samples, whole))
    np.testing.assert_array_equal(short.vectors, long.vectors)
    assert short.span_s(0) == (0.0, 1.0)


def test_other_weights_have_another_digest(encoder: Encoder, tmp_path: Path) -> None:
    """And the same ones the same."""
    WRITERS[encoder.name](tmp_path, seed=7)
    assert load_encoder(encoder.name, tmp_path).digest != encoder.digest
    WRITERS[encoder.name](tmp_path, seed=0)
    assert load_encoder(encoder.name, tmp_path).digest == encoder.digest


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((2, 9)), [np.nan] * 9])
def test_what_is_no_mono_sound_is_refused(encoder: Encoder, samples: object) -> None:
    """Nothing, two channels, and values that are not numbers."""
    with pytest.raises(MatchingError):
        heard_windows(encoder, np.asarray(samples, np.float32))


def test_a_tensor_too_few_or_too_many_is_one_error(
    folder: Path, encoder: Encoder, tmp_path: Path
) -> None:
    """Half of a network is no network."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    name = next(n for n in tensors if n.endswith("bias") and "text" not in n)
    kept = tensors.pop(name)
    save_file(tensors, path)
    with pytest.raises(ModelFormatError, match="lack"):
        load_encoder(encoder.name, tmp_path)
    save_file({**tensors, name: kept, "stray.weight": kept.clone()}, path)
    with pytest.raises(ModelFormatError, match="no place for"):
        load_encoder(encoder.name, tmp_path)
    save_file({**tensors, name: kept[:0].clone()}, path)
    with pytest.raises(ModelFormatError, match="wrong shape"):
        load_encoder(encoder.name, tmp_path)


def _spoilt(plain: object) -> object:
    """Return settings with a word for every number."""
    if isinstance(plain, dict):
        return {name: _spoilt(value) for name, value in plain.items()}
    if isinstance(plain, list):
        return [_spoilt(value) for value in plain]
    return "many" if isinstance(plain, int | float) else plain


def test_settings_of_no_network_are_one_error(
    folder: Path, encoder: Encoder, tmp_path: Path
) -> None:
    """Whatever they say, and wherever it shows."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / ENCODERS[encoder.name].files[0]
    plain = yaml.safe_load(path.read_text())
    for bad in ("", "[]", "{}" if encoder.name == "clews" else "[1]"):
        path.write_text(bad)
        with pytest.raises(ModelFormatError):
            load_encoder(encoder.name, tmp_path)
    path.write_text(json.dumps(_spoilt(plain)))
    with pytest.raises(ModelFormatError):
        load_encoder(encoder.name, tmp_path)
    path.unlink()
    with pytest.raises(ModelFormatError):
        load_encoder(encoder.name, tmp_path)


def test_pickles_are_not_opened(encoder: Encoder, folder: Path, tmp_path: Path) -> None:
    """Weights that could run code are refused, with what to do."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").rename(tmp_path / "model.ckpt")
    with pytest.raises(ModelFormatError, match="Convert them"):
        load_encoder(encoder.name, tmp_path)


def _spoil(folder: Path, target: Path, factor: float) -> None:
    """Write an encoder's folder again, every weight times a factor."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    path = target / "model.safetensors"
    spoilt = {
        name: tensor * factor if tensor.is_floating_point() else tensor
        for name, tensor in load_file(path).items()
    }
    save_file(spoilt, path)


def test_weights_that_are_no_numbers_are_refused(
    encoder: Encoder, folder: Path, tmp_path: Path
) -> None:
    """Before anything is heard with them."""
    _spoil(folder, tmp_path, np.nan)
    with pytest.raises(ModelFormatError, match="not finite"):
        load_encoder(encoder.name, tmp_path)


def test_weights_that_give_no_numbers_are_one_error(
    encoder: Encoder, folder: Path, tmp_path: Path
) -> None:
    """It shows when something is heard, and is never written down."""
    _spoil(folder, tmp_path, 1e37)
    broken = load_encoder(encoder.name, tmp_path)
    with pytest.raises(ModelFormatError, match="not numbers"):
        heard_windows(broken, _noise(1, broken.sample_rate))


def test_an_unknown_name_and_a_missing_folder_are_said(tmp_path: Path) -> None:
    """With the names that are known, and where weights are published."""
    with pytest.raises(MatchingError, match="clews, muq, mert, clap"):
        load_encoder("ear", tmp_path)
    with pytest.raises(ModelFormatError, match="zenodo"):
        load_encoder("clews", tmp_path / "none")
