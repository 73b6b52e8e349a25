"""MuQ of Tencent: music understood by predicting residual codes of mel spectra.

The published weights, `OpenMuQ/MuQ-large-msd-iter` (CC BY-NC 4.0), are a folder with
`config.json` and `model.safetensors`. The network is that of MusicFM: two residual
convolutions over a mel spectrogram, then a conformer, which is that of
`transformers`. It is made anew here from the paper, with the published names.

References:
    Zhu et al., "MuQ: Self-supervised music representation learning with mel residual
    vector quantization", arXiv 2501.01108.
    Won, Hung and Le, "A foundation model for music informatics", ICASSP 2024.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2ConformerConfig
from transformers.models.wav2vec2_conformer.modeling_wav2vec2_conformer import (
    Wav2Vec2ConformerEncoder,
)

from contrafact.generators.loading import read_config
from contrafact.matching.encoders._mel import mel_filters
from contrafact.matching.encoders._networks import digest_of, fill, forward, made
from contrafact.matching.encoders.base import Meaning, Nearness

__all__ = ["MuQ", "MuQNetwork"]

_RATE, _N_FFT = 24_000, 2_048
_WINDOW_S = 10.0
_QUIETEST = 1e-10
_DEFAULTS: dict[str, Any] = {
    "label_rate": 25,
    "hop_length": 240,
    "n_mels": 128,
    "conv_dim": 512,
    "encoder_dim": 1_024,
    "encoder_depth": 12,
}
_UNUSED = ("rvq.", "linear.", "recon_proj.", "cls_token", "quantizer_", "preprocessor_")
_STRIDES = {25: (2, 2), 50: (2, 1)}  # in time, of the two convolutions


class MuQ:
    """The mean over time of the last layer of a MuQ; see `Encoder`."""

    name = "muq"
    meaning: Meaning = "style"
    nearness: Nearness = "cosine"
    sample_rate = _RATE
    window_s = hop_s = _WINDOW_S

    def __init__(self, network: MuQNetwork) -> None:
        """Take the network; see `load`."""
        self._network = network
        self.dimension = network.dimension
        self.digest = digest_of(network, {"level": network.level})

    @classmethod
    def load(cls, directory: Path) -> MuQ:
        """Load a published model.

        Raises:
            ModelFormatError: If it is incomplete, damaged, or of another kind.
        """
        settings = directory / "config.json"
        config = {**_DEFAULTS, **read_config(settings)}
        with made(settings):
            network = MuQNetwork(config)
        return cls(fill(network, directory, prefix="model.", unused=_UNUSED))

    def encode(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return vectors of windows; see `Encoder.encode`."""
        return forward(self._network, windows, dimension=self.dimension)


class MuQNetwork(nn.Module):
    """Samples to one vector a window."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Make the network of a published configuration, untrained."""
        super().__init__()
        level = config["stat"]
        self.level = (
            float(level["melspec_2048_mean"]),
            float(level["melspec_2048_std"]),
        )
        self.dimension = int(config["encoder_dim"])
        self._hop = int(config["hop_length"])
        self._filters: Tensor
        self._window: Tensor
        self.conv = _Subsampling(
            width=config["conv_dim"],
            dimension=self.dimension,
            n_bands=config["n_mels"],
            strides=_STRIDES[config["label_rate"]],
        )
        conformer = {
            **config["w2v2_config"],
            "hidden_size": self.dimension,
            "num_hidden_layers": config["encoder_depth"],
        }
        make: Any = Wav2Vec2ConformerEncoder
        self.conformer = make(Wav2Vec2ConformerConfig(**conformer))
        filters = mel_filters(
            config["n_mels"], n_fft=_N_FFT, sample_rate=_RATE, highest_hz=_RATE / 2
        )
        self.register_buffer("_filters", torch.from_numpy(filters), persistent=False)
        window = torch.hann_window(_N_FFT)
        self.register_buffer("_window", window, persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return vectors, `(window, dimension)`, of samples, `(window, time)`."""
        mean, spread = self.level
        heard = self.conv((self.decibels(samples) - mean) / spread)
        found: Tensor = self.conformer(heard).last_hidden_state
        return found.mean(dim=1)

    def decibels(self, samples: Tensor) -> Tensor:
        """Return the mel spectrogram in dB, `(window, band, frame)`."""
        spectra = torch.stft(
            samples,
            _N_FFT,
            self._hop,
            window=self._window,
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectra.abs().square()
        bands = torch.einsum("wft,fb->wbt", power, self._filters)
        # The last frame hangs over the end, and was left out in training.
        return 10 * bands.clamp(min=_QUIETEST).log10()[..., :-1]


class _Subsampling(nn.Module):
    """Two residual convolutions and a projection: four frames to one vector."""

    def __init__(
        self, *, width: int, dimension: int, n_bands: int, strides: tuple[int, int]
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _Residual(1, width, (2, strides[0])),
            _Residual(width, width, (2, strides[1])),
        )
        self.linear = nn.Linear(width * n_bands // 4, dimension)

    def forward(self, spectra: Tensor) -> Tensor:
        """Return vectors, `(window, time, dimension)`."""
        found = self.conv(spectra[:, None])
        flat = found.permute(0, 3, 1, 2).flatten(start_dim=2)
        vectors: Tensor = self.linear(flat)
        return vectors


class _Residual(nn.Module):
    """Two convolutions beside a third one; every one halves the bands."""

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, stride=stride)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.conv3 = nn.Conv2d(n_in, n_out, 3, padding=1, stride=stride)
        self.bn3 = nn.BatchNorm2d(n_out)

    def forward(self, given: Tensor) -> Tensor:
        """Return what is heard, half as high and at most half as long."""
        first = torch.relu(self.bn1(self.conv1(given)))
        return torch.relu(self.bn2(self.conv2(first)) + self.bn3(self.conv3(given)))
