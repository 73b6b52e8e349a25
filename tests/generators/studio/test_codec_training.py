from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from contrafact.core.errors import TrainingError
from contrafact.generators.studio import CodecConfig, SpectralCodec
from contrafact.generators.studio.codec_training import (
    CodecTraining,
    fit_linear_part,
    train_codec,
)

CONFIG = CodecConfig(
    sample_rate=800,
    n_fft=16,
    frames_per_token=2,
    latent_channels=3,
    width=8,
    n_blocks=1,
    n_phase_iterations=0,
)
# So high that every frequency weighs the same: the plain analysis of numpy.
UNWEIGHTED = CodecTraining(tilt_hz=1e12)
QUICK = CodecTraining(n_steps=150, batch_size=8, window_tokens=8, latent_noise=0.1)


@pytest.fixture
def music() -> list[Tensor]:
    """Three seconds of decaying noise, shaped so that some frequencies rule."""
    rng = torch.Generator().manual_seed(3)
    noise = torch.randn(3, 800, generator=rng)
    slow = torch.nn.functional.avg_pool1d(noise[:, None], 4, 1, 2)[:, 0, :800]
    return list(0.5 * slow + 0.05 * noise)


def _tokens(codec: SpectralCodec, music: list[Tensor]) -> np.ndarray:
    spectra = [codec.spectrum(row[None])[0] for row in music]
    frames = CONFIG.frames_per_token
    rows = [
        spectrum[:, i : i + frames].flatten().numpy()
        for spectrum in spectra
        for i in range(0, spectrum.shape[1], frames)
    ]
    return np.stack(rows).astype(np.float64)


def test_linear_part_is_the_principal_component_analysis(music: list[Tensor]) -> None:
    """Latents are numpy's components up to sign, each of variance one."""
    codec = SpectralCodec(CONFIG)
    fit_linear_part(codec, music, UNWEIGHTED)
    tokens = _tokens(codec, music)
    centred = tokens - tokens.mean(0)
    _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
    spread = singular[:3] / np.sqrt(len(tokens) - 1)
    expected = (centred @ vectors[:3].T) / spread
    latents = [codec.encode(row[None])[0] for row in music]
    found = torch.cat(latents, dim=-1).T.detach().numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)
    np.testing.assert_allclose(found.std(0, ddof=1), 1.0, rtol=1e-3)


def test_training_repeats_and_lets_other_randomness_alone(music: list[Tensor]) -> None:
    """The same seed gives the same weights, whatever was drawn before."""
    short = CodecTraining(n_steps=3, batch_size=2, window_tokens=4)
    first = train_codec(music, CONFIG, short).state_dict()
    state = torch.get_rng_state()
    second = train_codec(music, CONFIG, short).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), state)


def test_training_lowers_the_loss(music: list[Tensor]) -> None:
    """The refining network learns what the linear part lost."""
    losses: list[float] = []
    train_codec(music, CONFIG, QUICK, on_step=lambda _, loss: losses.append(loss))
    assert len(losses) == QUICK.n_steps
    assert np.mean(losses[-20:]) < 0.95 * np.mean(losses[:20])


@pytest.mark.parametrize("n_samples", [None, 16])
def test_too_little_audio_is_refused(n_samples: int | None) -> None:
    """Two tokens cannot fill three latent channels, nothing cannot either."""
    music = [] if n_samples is None else [torch.rand(n_samples)]
    with pytest.raises(TrainingError, match="audio"):
        train_codec(music, CONFIG, QUICK)
