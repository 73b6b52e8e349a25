"""What every generator promises of its codec; run over each kind in `MODEL_MAKERS`."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contrafact.core.errors import GeneratorError
from contrafact.generators import Generator

# Float32 sums in another order; measured differences are below 1e-6.
SAME = {"rtol": 1e-4, "atol": 1e-5}


def _samples_per_token(generator: Generator) -> int:
    return round(generator.sample_rate / generator.token_rate_hz)


def _audio_of(generator: Generator, *, n_samples: int, n_rows: int = 1) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    shape = (n_rows, generator.n_channels, n_samples)
    return 0.1 * torch.randn(shape, generator=rng)


def test_encode_returns_one_token_for_every_span_begun(generator: Generator) -> None:
    """A last span that is not full still becomes a token."""
    span = _samples_per_token(generator)
    for n_samples in (span, 3 * span, 3 * span + 1):
        latents = generator.encode(_audio_of(generator, n_samples=n_samples, n_rows=2))
        n_tokens = math.ceil(n_samples / span)
        assert latents.shape == (2, generator.latent_channels, n_tokens)
        assert latents.dtype == torch.float32
        assert not latents.requires_grad


def test_encode_is_deterministic(generator: Generator) -> None:
    """Latents are the mean of the posterior, not a draw from it."""
    audio = _audio_of(generator, n_samples=4 * _samples_per_token(generator))
    assert torch.equal(generator.encode(audio), generator.encode(audio))


def test_encode_treats_rows_alone(generator: Generator) -> None:
    """Latents of a recording do not depend on its batch."""
    n_samples = 4 * _samples_per_token(generator)
    audio = _audio_of(generator, n_samples=n_samples, n_rows=2)
    together = generator.encode(audio)
    torch.testing.assert_close(together[1:], generator.encode(audio[1:]), **SAME)


def test_decode_returns_whole_tokens_of_audio(generator: Generator) -> None:
    """Decoded audio is as long as its tokens and finite."""
    latents = torch.zeros(2, generator.latent_channels, 5)
    audio = generator.decode(latents)
    expected = (2, generator.n_channels, 5 * _samples_per_token(generator))
    assert audio.shape == expected
    assert torch.isfinite(audio).all()
    assert not audio.requires_grad


def test_encode_refuses_audio_shorter_than_a_token(generator: Generator) -> None:
    """Too short a query is named as such."""
    short = _audio_of(generator, n_samples=_samples_per_token(generator) - 1)
    with pytest.raises(GeneratorError, match="token"):
        generator.encode(short)


def test_encode_refuses_wrong_channels(generator: Generator) -> None:
    """Audio of other channels is not mixed silently."""
    span = _samples_per_token(generator)
    with pytest.raises(GeneratorError, match=r"^Audio"):
        generator.encode(torch.zeros(1, generator.n_channels + 1, span))


def test_encode_refuses_audio_that_is_not_finite(generator: Generator) -> None:
    """A NaN does not pass on into the latents."""
    audio = _audio_of(generator, n_samples=2 * _samples_per_token(generator))
    audio[0, 0, 3] = math.nan
    with pytest.raises(GeneratorError, match="finite"):
        generator.encode(audio)


def test_decode_refuses_wrong_channels(generator: Generator) -> None:
    """Latents of another codec are refused."""
    with pytest.raises(GeneratorError, match=r"[Ll]atent"):
        generator.decode(torch.zeros(1, generator.latent_channels + 1, 4))
