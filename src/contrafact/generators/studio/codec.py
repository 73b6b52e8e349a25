"""The studio codec: audio to latents and back, at frame rate.

A window of sound becomes an STFT magnitude. One strided convolution over its
frames, the best linear one for music (a principal component analysis), turns
four frames into one latent token; its transpose and a small network that
refines what was lost turn it back. An inverse-STFT head finds phases that
agree with the magnitude. Nothing learned runs faster than 31 frames a second,
so two CPU cores encode hundreds of times faster than real time. Training
lives in `codec_training.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from contrafact.core.errors import GeneratorError
from contrafact.generators.studio._phase import magnitude_to_audio

__all__ = ["CodecConfig", "SpectralCodec"]

_MAGNITUDE_POWER = 0.5  # compresses magnitudes so that quiet partials count


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecConfig:
    """Shape of the codec.

    Attributes:
        sample_rate: Of the audio, Hz.
        n_fft: Window length in samples; `hop` is a quarter of it.
        frames_per_token: STFT frames that become one latent token.
        latent_channels: Numbers a token holds.
        width: Channels of the refining network.
        n_blocks: Its residual blocks.
        n_phase_iterations: Griffin-Lim rounds after the first phase guess.

    Raises:
        GeneratorError: If no codec has this shape.
    """

    sample_rate: int = 16_000
    n_fft: int = 2048
    frames_per_token: int = 4
    latent_channels: int = 64
    width: int = 192
    n_blocks: int = 3
    n_phase_iterations: int = 24

    def __post_init__(self) -> None:
        """Check that every size makes sense."""
        for name, size in asdict(self).items():
            least = 0 if name in ("n_blocks", "n_phase_iterations") else 1
            if type(size) is not int or size < least:
                raise GeneratorError(
                    f"The codec's {name} is {size!r}; give a whole number from {least}."
                )
        if self.n_fft % 8:
            raise GeneratorError(
                f"The codec's n_fft is {self.n_fft}; give a multiple of 8."
            )

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
        refined: Tensor = x + y.transpose(1, 2)
        return refined


class SpectralCodec(nn.Module):
    """Encode audio to latents `(batch, channel, time)` and decode them.

    Latents have about zero mean and unit variance in every channel over the
    music the codec was trained on.
    """

    window: Tensor

    def __init__(self, config: CodecConfig) -> None:
        """Make an untrained codec; see `codec_training.py`."""
        super().__init__()
        self.config = c = config
        frames, channels, width = c.frames_per_token, c.latent_channels, c.width
        self.analyse = nn.Conv1d(c.n_bins, channels, frames, stride=frames)
        self.synthesise = nn.ConvTranspose1d(channels, c.n_bins, frames, stride=frames)
        self.refine = nn.Sequential(
            nn.Conv1d(c.n_bins, width, 1),
            *[_Block(width) for _ in range(c.n_blocks)],
            nn.Conv1d(width, c.n_bins, 1),
        )
        for parameter in self.refine[-1].parameters():
            nn.init.zeros_(parameter)
        self.register_buffer("window", torch.hann_window(c.n_fft), persistent=False)

    def spectrum(self, audio: Tensor) -> Tensor:
        """Return compressed STFT magnitudes of mono audio.

        Args:
            audio: `(batch, time)` in [-1, 1]; time a multiple of
                `samples_per_token`.

        Returns:
            Square root of the magnitude, `(batch, n_bins, n_frames)`.
        """
        c = self.config
        padded = functional.pad(audio, (c.n_fft // 2 - c.hop // 2,) * 2)
        stft = torch.stft(
            padded, c.n_fft, c.hop, window=self.window, center=False,
            return_complex=True, normalized=True,
        )  # fmt: skip
        return stft.abs().pow(_MAGNITUDE_POWER)

    def encode_spectrum(self, spectrum: Tensor) -> Tensor:
        """Return the latents of compressed magnitudes."""
        latents: Tensor = self.analyse(spectrum)
        return latents

    def decode_spectrum(self, latents: Tensor) -> Tensor:
        """Return compressed magnitudes, `(batch, n_bins, n_frames)`, at least 0."""
        rough = self.synthesise(latents)
        return functional.relu(rough + self.refine(rough))

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
