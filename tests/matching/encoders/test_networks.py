"""Each network is that of its paper: against slow twins and the published classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import get_window
from torch.nn import functional
from transformers import ClapFeatureExtractor, HubertConfig, HubertModel

from contrafact.matching.encoders import load_encoder
from contrafact.matching.encoders._constant_q import ConstantQ, kernels
from contrafact.matching.encoders._mel import mel_filters
from contrafact.matching.encoders.clews import ClewsNetwork
from contrafact.matching.encoders.muq import MuQNetwork

from .conftest import CLEWS, MERT, MUQ, write_clap, write_clews, write_mert, write_muq


def _sound(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def test_clap_is_the_published_class(tmp_path: Path) -> None:
    """Its vectors are what `ClapModel` itself makes of a window."""
    model: Any = write_clap(tmp_path)
    window = _sound(96_000)
    made = load_encoder("clap", tmp_path).encode(window[None])
    features = ClapFeatureExtractor.from_pretrained(tmp_path, local_files_only=True)
    picture = features(window, sampling_rate=48_000, return_tensors="pt")
    with torch.inference_mode():
        wanted = model.get_audio_features(
            input_features=picture["input_features"],
            is_longer=torch.zeros(1, 1, dtype=torch.bool),
        ).pooler_output
    unit = made / np.linalg.norm(made)
    np.testing.assert_allclose(unit, wanted.numpy(), atol=1e-5)


def test_mert_is_the_published_class(tmp_path: Path) -> None:
    """Its vector is the mean of all layers of a HuBERT, of sound brought to level."""
    model: Any = write_mert(tmp_path)
    window = _sound(120_000)
    made = load_encoder("mert", tmp_path).encode(window[None])
    level = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    with torch.inference_mode():
        layers = model(torch.from_numpy(level)[None], output_hidden_states=True)
    means = [layer[0].mean(dim=0).numpy() for layer in layers.hidden_states]
    assert len(means) == 3
    np.testing.assert_allclose(made[0], np.mean(means, axis=0), atol=1e-4)


def test_deep_mert_adds_to_more_of_what_it_was_given(tmp_path: Path) -> None:
    """As DeepNorm has it: LayerNorm of (2 N)^(1/4) times the input, and the rest."""
    write_mert(tmp_path, deepnorm=True)
    window = _sound(120_000)
    encoder: Any = load_encoder("mert", tmp_path)
    made = encoder.encode(window[None])[0]
    network: HubertModel = encoder._network
    weight = (2 * MERT["num_hidden_layers"]) ** 0.25
    level = torch.from_numpy((window - window.mean()) / np.sqrt(window.var() + 1e-7))
    with torch.inference_mode():
        heard = network.feature_extractor(level[None]).transpose(1, 2)
        state = network.feature_projection(heard)
        state = network.encoder.layer_norm(
            state + network.encoder.pos_conv_embed(state)
        )
        states = [state]
        for layer in network.encoder.layers:
            attended = layer.attention(state)[0]
            state = layer.layer_norm(state * weight + attended)
            state = layer.final_layer_norm(state * weight + layer.feed_forward(state))
            states.append(state)
    wanted = torch.stack(states).mean(dim=(0, 2))[0].numpy()
    np.testing.assert_allclose(made, wanted, atol=1e-4)


def test_mert_without_deep_layers_is_another(tmp_path: Path) -> None:
    """The setting is not overlooked."""
    write_mert(tmp_path)
    window = _sound(120_000)[None]
    plain = load_encoder("mert", tmp_path).encode(window)
    write_mert(tmp_path, deepnorm=True)
    assert np.abs(load_encoder("mert", tmp_path).encode(window) - plain).max() > 1e-3


def test_mel_filters_are_triangles_on_the_scale_of_htk() -> None:
    """Each rises and falls between the middles of its neighbours."""
    made = mel_filters(5, n_fft=64, sample_rate=8_000, highest_hz=4_000)

    def mel(hz: float) -> float:
        return 2595 * np.log10(1 + hz / 700)

    edges = [700 * (10 ** (mel(4_000) * i / 6 / 2595) - 1) for i in range(7)]
    for number in range(33):
        hz = number * 125
        for band in range(5):
            low, middle, high = edges[band : band + 3]
            up, down = (hz - low) / (middle - low), (high - hz) / (high - middle)
            assert made[number, band] == pytest.approx(max(0, min(up, down)), abs=1e-5)


def test_muq_hears_decibels_of_mel_bands() -> None:
    """Frames of 2,048 samples, one every 240, as a plain Fourier transform has them."""
    network = MuQNetwork(MUQ)
    samples = _sound(24_000)
    made = network.decibels(torch.from_numpy(samples)[None])[0].numpy()
    assert made.shape == (16, 100)
    padded = np.pad(samples, 1_024, mode="reflect")
    window = get_window("hann", 2_048)
    filters = mel_filters(16, n_fft=2_048, sample_rate=24_000, highest_hz=12_000)
    for frame in (0, 37, 99):
        part = padded[frame * 240 : frame * 240 + 2_048] * window
        power = np.abs(np.fft.rfft(part)) ** 2 @ filters
        np.testing.assert_allclose(made[:, frame], 10 * np.log10(power), atol=1e-2)


def test_muq_is_convolutions_and_a_conformer(tmp_path: Path) -> None:
    """Written out step by step from the same weights, it is the same."""
    network: Any = write_muq(tmp_path)
    window = _sound(240_000)
    made = load_encoder("muq", tmp_path).encode(window[None])[0]
    with torch.inference_mode():
        level = network.decibels(torch.from_numpy(window)[None])
        state = ((level + 20.0) / 15.0)[:, None]
        for block in network.conv.conv:
            first = functional.relu(block.bn1(block.conv1(state)))
            state = functional.relu(
                block.bn2(block.conv2(first)) + block.bn3(block.conv3(state))
            )
        n_windows, n_channels, n_bands, n_times = state.shape
        flat = torch.zeros(n_windows, n_times, n_channels * n_bands)
        for channel in range(n_channels):
            for band in range(n_bands):
                flat[:, :, channel * n_bands + band] = state[:, channel, band]
        heard = network.conformer(network.conv.linear(flat)).last_hidden_state
    assert n_times == 250  # 25 vectors a second
    np.testing.assert_allclose(made, heard[0].mean(dim=0).numpy(), atol=1e-4)


def test_kernels_of_the_constant_q_transform() -> None:
    """As long as 17 periods, in the middle, adding up to 1; the highest fits too."""
    made, lengths = kernels(16_000, n_bins=84, per_octave=12, scale=1.0)
    quality = 1 / (2 ** (1 / 12) - 1)
    assert made.shape == (84, 2 ** int(np.ceil(np.log2(lengths[0]))))
    np.testing.assert_allclose(np.abs(made).sum(axis=1), 1, atol=1e-4)
    for number in (0, 40, 83):
        hz = 32.70 * 2 ** (number / 12)
        assert lengths[number] == np.ceil(quality * 16_000 / hz)
        filled = np.flatnonzero(np.abs(made[number]) > 0)
        middle = (filled[0] + filled[-1] + 1) / 2
        assert middle == pytest.approx(made.shape[1] / 2, abs=1.5)


@pytest.mark.parametrize("number", [3, 30, 66])
def test_a_tone_is_heard_in_its_own_bin(number: int) -> None:
    """And twice as strong there if it is."""
    transform = ConstantQ(16_000, hop=320, n_bins=84, per_octave=12, scale=1.0)
    times = np.arange(32_000) / 16_000
    tone = np.sin(2 * np.pi * 32.70 * 2 ** (number / 12) * times).astype(np.float32)
    heard = transform(torch.from_numpy(np.stack([tone, 2 * tone]))).numpy()
    assert heard.shape == (2, 84, 101)
    assert (heard[:, :, 50].argmax(axis=1) == number).all()
    np.testing.assert_allclose(heard[1], 2 * heard[0], rtol=1e-3, atol=1e-4)


def test_clews_is_the_network_of_its_paper(tmp_path: Path) -> None:
    """Written out step by step from the same weights, it is the same."""
    network: Any = write_clews(tmp_path)
    window = torch.from_numpy(_sound(48_000))[None]
    made = load_encoder("clews", tmp_path).encode(window.numpy())[0]
    with torch.inference_mode():
        # 84 bins at 50 frames a second, the mean of five, their root, 0 to 1.
        level = network.cqt[0](window)
        n = level.shape[2] // 5
        state = level[:, :, : 5 * n].reshape(1, 84, n, 5).mean(dim=3)[:, None].sqrt()
        state = state - state.min()
        state = state / (state.max() + 1e-6)
        front = network.frontend
        state = front[0].gain * state + front[0].bias
        state = front[4](functional.relu(front[2](front[1](state))))
        for block in network.backbone:
            state = _block(block, state)
        power = 1 + np.log1p(np.exp(float(network.pool.p)))
        flat = state[0].flatten(start_dim=1).clamp(min=1e-6).double()
        pooled = flat.pow(power).mean(dim=1).pow(1 / power).float()
        wanted = network.proj[1](network.proj[0](pooled[None]))[0]
    np.testing.assert_allclose(made, wanted.numpy(), atol=1e-3)


def _block(block: Any, given: torch.Tensor) -> torch.Tensor:
    """Return what a residual block makes, its halves normalized one by one."""
    half = given.shape[1] // 2
    norm = block.convs[0]
    alone = torch.stack(
        [
            (channel - channel.mean()) / (channel.var(unbiased=False) + 1e-5).sqrt()
            for channel in given[0, half:]
        ]
    )
    alone = alone * norm.inst.weight[:, None, None] + norm.inst.bias[:, None, None]
    state = torch.cat([norm.bn(given[:, :half]), alone[None]], dim=1)
    state = block.convs[2].conv(functional.relu(state))
    state = block.convs[5].conv(functional.relu(block.convs[3](state)))
    rest = given
    if list(block.skip.parameters()):
        rest = block.skip[2].conv(functional.relu(block.skip[0](given)))
    return block.gain * state + rest


def test_a_new_clews_passes_on_what_it_is_given() -> None:
    """Before training the gain of every block is 0."""
    network = ClewsNetwork(CLEWS["model"], sample_rate=16_000)
    assert {float(block.gain.detach()) for block in network.backbone} == {0.0}


def test_mert_with_a_constant_q_transform_is_refused(tmp_path: Path) -> None:
    """Early models had one; nothing stands in for it."""
    write_mert(tmp_path, feature_extractor_cqt=True)
    with pytest.raises(Exception, match="MERT-v1"):
        load_encoder("mert", tmp_path)


def test_published_sizes_are_the_defaults() -> None:
    """The names and shapes of the networks whose weights are published."""
    published = HubertConfig()
    assert published.hidden_size == 768
    with torch.device("meta"):
        network = ClewsNetwork(
            {
                **CLEWS["model"],
                "frontend": {"cqtpow": 0.5, "channels": [128, 256]},
                "backbone": {
                    "blocks": [3, 4, 6, 3],
                    "channels": [256, 512, 1024, 2048],
                    "down": [1, 2, 2, 1],
                },
                "zdim": 2048,
            },
            sample_rate=16_000,
        )
    names = dict(network.named_parameters())
    assert names["frontend.1.weight"].shape == (128, 1, 12, 3)
    assert names["backbone.0.convs.2.conv.weight"].shape == (128, 256, 3, 3)
    assert names["backbone.3.skip.2.conv.weight"].shape == (512, 256, 3, 3)
    assert names["pool.p"].shape == (1, 1, 1)
    assert names["proj.1.weight"].shape == (2048, 2048)
