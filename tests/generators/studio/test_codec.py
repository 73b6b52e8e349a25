from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contrafact.core.errors import GeneratorError
from contrafact.generators.studio import CodecConfig, SpectralCodec

# A bin of the codec's spectra is 7.8 Hz wide; the pitch must be far inside it.
PITCH_TOLERANCE_HZ = 4.0
# Measured: up to 2.4 dB in this range.
LEVEL_TOLERANCE_DB = 3.0
# Measured 0.24 for the codec and 0.62 for the mean frame.
RECONSTRUCTION_ERROR = 0.3


def _tone(frequency_hz: float, *, amplitude: float) -> Tensor:
    times = torch.arange(2 * 16_000) / 16_000
    return amplitude * torch.sin(2 * math.pi * frequency_hz * times)[None]


def _pitch_hz(sound: Tensor) -> float:
    spectrum = torch.fft.rfft(sound * torch.hann_window(len(sound))).abs()
    return float(spectrum.argmax()) * 16_000 / len(sound)


def _level_db(sound: Tensor) -> float:
    middle = sound[len(sound) // 4 : -len(sound) // 4]
    return 10 * math.log10(float(middle.square().mean()))


@torch.no_grad()
def _round_trip(codec: SpectralCodec, audio: Tensor) -> Tensor:
    return codec.decode(codec.encode(audio))[:, : audio.shape[-1]]


@pytest.mark.parametrize("frequency_hz", [110.0, 220.0, 440.0, 880.0])
@pytest.mark.parametrize("amplitude", [0.05, 0.3])
def test_shipped_codec_keeps_pitch_and_level(
    codec: SpectralCodec, frequency_hz: float, amplitude: float
) -> None:
    """A tone comes back at its pitch and about as loud."""
    tone = _tone(frequency_hz, amplitude=amplitude)
    again = _round_trip(codec, tone)
    assert _pitch_hz(again[0]) == pytest.approx(frequency_hz, abs=PITCH_TOLERANCE_HZ)
    difference = _level_db(again[0]) - _level_db(tone[0])
    assert abs(difference) < LEVEL_TOLERANCE_DB


@torch.no_grad()
def test_shipped_codec_keeps_chords(codec: SpectralCodec, chords: Tensor) -> None:
    """Spectra come back far better than as their mean over time."""
    wanted = codec.spectrum(chords)
    found = codec.decode_spectrum(codec.encode(chords))
    error = (found - wanted).norm() / wanted.norm()
    dull = (wanted.mean(-1, keepdim=True) - wanted).norm() / wanted.norm()
    assert error < RECONSTRUCTION_ERROR < dull


@torch.no_grad()
def test_codec_is_deterministic(codec: SpectralCodec, chords: Tensor) -> None:
    """The same sound gives the same bytes, there and back."""
    assert torch.equal(codec.encode(chords), codec.encode(chords))
    assert torch.equal(_round_trip(codec, chords), _round_trip(codec, chords))


@torch.no_grad()
def test_silence_stays_silent(codec: SpectralCodec) -> None:
    """No sound becomes no sound, or nearly, and nothing that is not finite."""
    again = _round_trip(codec, torch.zeros(1, 8 * 2048))
    assert torch.isfinite(again).all()
    assert again.abs().max() < 0.02


@pytest.mark.parametrize(("n_samples", "n_tokens"), [(16, 2), (17, 3), (8, 1), (1, 1)])
def test_every_token_begun_is_encoded(
    tiny_codec: SpectralCodec, n_samples: int, n_tokens: int
) -> None:
    """Latents cover the sound to its end; decoded, they are whole tokens."""
    assert tiny_codec.config.samples_per_token == 8
    latents = tiny_codec.encode(torch.rand(3, n_samples))
    assert latents.shape == (3, 4, n_tokens)
    assert tiny_codec.decode(latents).shape == (3, 8 * n_tokens)


@pytest.mark.parametrize(
    "change", [{"latent_channels": 0}, {"n_fft": 20}, {"width": 1.5}, {"n_blocks": -1}]
)
def test_sizes_that_make_no_codec_are_refused(change: dict[str, int]) -> None:
    """A configuration is checked when it is made."""
    with pytest.raises(GeneratorError, match=next(iter(change))):
        CodecConfig(**change)
