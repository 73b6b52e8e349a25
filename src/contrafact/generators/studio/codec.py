"""The studio codec: audio to latents and back, at frame rate.

A window of sound becomes an STFT magnitude; convolutions over its frames turn
four frames into one latent token. The decoder predicts the magnitude, and an
inverse-STFT head finds phases that agree with it. All learned layers run at
31 frames a second, so that two CPU cores encode hundreds of times faster than
real time. Training lives in `codec_training.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from contrafact.generators.studio._phase import magnitude_to_audio

__all__ = ["CodecConfig", "SpectralCodec"]

_MAGNITUDE_POWER = 0.3  # compresses magnitudes so that quiet partials count


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecConfig:
    """Shape of the codec.

    Attributes:
        sample_rate: Of the audio, Hz.
        n_fft: Window length in samples; `hop` is a quarter of it.
        frames_per_token: STFT frames that become one latent token; 4.
        latent_channels: Numbers a token holds.
        width: Channels of the convolutions.
        n_blocks: Residual blocks at each of the three time scales.
        n_phase_iterations: Griffin-Lim rounds after the first phase guess.
    """

    sample_rate: int = 16_000
    n_fft: int = 2048
    frames_per_token: int = 4
    latent_channels: int = 64
    width: int = 256
    n_blocks: int = 2
    n_phase_iterations: int = 24

    @property
    def hop(self) -> int:
        """Samples from one STFT frame to the next."""
        return self.n_fft // 4

    @property
    def samples_per_token(self) -> int:
        """Samples that one latent token stands for."""
        return self.hop * self.frames_per_token

    @property
    def n_bins(self) -> int:
        """Frequency bins of a frame."""
        return self.n_fft // 2 + 1


class _Block(nn.Module):
    """A ConvNeXt block over time (Liu et al., CVPR 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix_time = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.mix_time(x).transpose(1, 2))
        y = self.contract(functional.gelu(self.expand(y)))
        return x + y.transpose(1, 2)


class SpectralCodec(nn.Module):
    """Encode audio to latents `(batch, channel, time)` and decode them.

    Latents have about zero mean and unit variance in every channel over the
    music the codec was trained on.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        width, blocks = config.width, config.n_blocks
        self.encoder = nn.Sequential(
            nn.Conv1d(config.n_bins, width, 1),
            *[_Block(width) for _ in range(blocks)],
            nn.Conv1d(width, width, 2, stride=2),
            *[_Block(width) for _ in range(blocks)],
            nn.Conv1d(width, width, 2, stride=2),
            *[_Block(width) for _ in range(blocks)],
            nn.Conv1d(width, config.latent_channels, 1),
        )
        self.normalise = nn.BatchNorm1d(config.latent_channels, affine=False)
        self.decoder = nn.Sequential(
            nn.Conv1d(config.latent_channels, width, 1),
            *[_Block(width) for _ in range(blocks)],
            nn.ConvTranspose1d(width, width, 2, stride=2),
            *[_Block(width) for _ in range(blocks)],
            nn.ConvTranspose1d(width, width, 2, stride=2),
            *[_Block(width) for _ in range(blocks)],
            nn.Conv1d(width, config.n_bins, 1),
        )
        self.register_buffer("window", torch.hann_window(config.n_fft))

    def spectrum(self, audio: Tensor) -> Tensor:
        """Return compressed STFT magnitudes of mono audio.

        Args:
            audio: `(batch, time)` in [-1, 1]; time a multiple of
                `samples_per_token`.

        Returns:
            Magnitude to the power 0.3, `(batch, n_bins, n_frames)`, at least 0.
        """
        c = self.config
        padded = functional.pad(audio, (c.n_fft // 2 - c.hop // 2,) * 2)
        stft = torch.stft(
            padded, c.n_fft, c.hop, window=self.window, center=False,
            return_complex=True, normalized=True,
        )  # fmt: skip
        return stft.abs().clamp_min(1e-8).pow(_MAGNITUDE_POWER)

    def encode_spectrum(self, spectrum: Tensor) -> Tensor:
        """Return the latents of compressed magnitudes."""
        latents: Tensor = self.normalise(self.encoder(spectrum))
        return latents

    def decode_spectrum(self, latents: Tensor) -> Tensor:
        """Return compressed magnitudes, `(batch, n_bins, n_frames)`, at least 0."""
        return functional.softplus(self.decoder(latents), beta=10.0)

    def encode(self, audio: Tensor) -> Tensor:
        """Return the latents of mono audio.

        Args:
            audio: `(batch, time)`; padded with silence to whole tokens.

        Returns:
            `(batch, latent_channels, ceil(time / samples_per_token))`.
        """
        missing = -audio.shape[-1] % self.config.samples_per_token
        return self.encode_spectrum(self.spectrum(functional.pad(audio, (0, missing))))

    def decode(self, latents: Tensor) -> Tensor:
        """Return mono audio, `(batch, n_tokens * samples_per_token)`.

        References:
            Beauregard et al., "Single pass spectrogram inversion", DSP 2015;
            Perraudin et al., "A fast Griffin-Lim algorithm", WASPAA 2013.
        """
        magnitude = self.decode_spectrum(latents).float().pow(1 / _MAGNITUDE_POWER)
        return magnitude_to_audio(
            magnitude,
            window=self.window,
            hop=self.config.hop,
            n_iterations=self.config.n_phase_iterations,
        )
