"""CLEWS of Sony: versions of a work, segment by segment.

The published weights (MIT, Zenodo 15045900) are checkpoints of PyTorch Lightning, each
with a `configuration.yaml`; `contrafact encoder convert` makes safetensors of one.
The network is made anew here from the paper, with the published names: a constant-Q
transform, a convolution, residual blocks with instance and batch normalization, a
generalized mean, a projection.

References:
    Serrà, Araz, Bogdanov and Mitsufuji, "Supervised contrastive learning from
    weakly-labeled audio segments for musical version matching", ICML 2025 (arXiv
    2502.16936).
    Pan, Luo, Shi and Tang, "Two at once: enhancing learning and generalization
    capacities via IBN-Net", ECCV 2018.
    Radenović, Tolias and Chum, "Fine-tuning CNN image retrieval with no human
    annotation", IEEE TPAMI 2019: the generalized mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from contrafact.core.errors import ModelFormatError
from contrafact.matching.encoders._constant_q import ConstantQ
from contrafact.matching.encoders._networks import digest_of, fill, forward, made
from contrafact.matching.encoders.base import Meaning, Nearness

__all__ = ["Clews", "ClewsNetwork"]

_HOP_S = 5.0
_LEAST = 1e-6
_SETTINGS = "configuration.yaml"


class Clews:
    """The vectors of a CLEWS, compared by distance as in training; see `Encoder`."""

    name = "clews"
    meaning: Meaning = "work"
    nearness: Nearness = "distance"

    def __init__(
        self, network: ClewsNetwork, *, sample_rate: int, window_s: float
    ) -> None:
        """Take the network; see `load`."""
        self._network = network
        self.sample_rate, self.window_s = sample_rate, window_s
        self.hop_s = min(_HOP_S, window_s)
        self.dimension = network.dimension
        settings = {"sample_rate": sample_rate, "window_s": window_s}
        self.digest = digest_of(network, settings)

    @classmethod
    def load(cls, directory: Path) -> Clews:
        """Load a published model.

        Raises:
            ModelFormatError: If it is incomplete, damaged, or of another kind.
        """
        config = _read_settings(directory / _SETTINGS)
        with made(directory / _SETTINGS):
            model, sample_rate = config["model"], int(config["data"]["samplerate"])
            network = ClewsNetwork(model, sample_rate=sample_rate)
            window_s = float(model["shingling"]["len"])
        return cls(fill(network, directory), sample_rate=sample_rate, window_s=window_s)

    def encode(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return vectors of windows; see `Encoder.encode`."""
        return forward(self._network, windows, dimension=self.dimension)


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelFormatError(
            f"The settings of CLEWS cannot be read from {path}: {error}. Put the "
            "published configuration.yaml beside the weights."
        ) from error
    if not isinstance(found, dict):
        raise ModelFormatError(f"{path} holds no settings. Take the published file.")
    return found


class ClewsNetwork(nn.Module):
    """Samples to one vector a window."""

    def __init__(self, config: dict[str, Any], *, sample_rate: int) -> None:
        """Make the network of the `model` part of a published configuration."""
        super().__init__()
        cqt, front, back = config["cqt"], config["frontend"], config["backbone"]
        self.cqt = nn.Sequential(
            ConstantQ(
                sample_rate,
                hop=int(cqt["hoplen"] * sample_rate),
                n_bins=cqt["noctaves"] * cqt["nbinsoct"],
                per_octave=cqt["nbinsoct"],
                scale=float(cqt["fscale"]),
            ),
            nn.AvgPool1d(cqt["pool"], stride=cqt["pool"]),
        )
        narrow, wide = front["channels"]
        self.frontend = nn.Sequential(
            _Levelled(float(front["cqtpow"])),
            nn.Conv2d(1, narrow, (12, 3), stride=(1, 2), bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, wide, (12, 3), stride=2, bias=False),
        )
        self.backbone = nn.Sequential(*_blocks(wide, back))
        last = back["channels"][-1]
        self.pool = _GeneralizedMean()
        self.dimension = int(config["zdim"])
        self.proj = nn.Sequential(
            nn.BatchNorm1d(last), nn.Linear(last, self.dimension, bias=False)
        )

    def forward(self, samples: Tensor) -> Tensor:
        """Return vectors, `(window, dimension)`, of samples, `(window, time)`."""
        heard = self.frontend(self.cqt(samples)[:, None])
        found: Tensor = self.proj(self.pool(self.backbone(heard)))
        return found


def _blocks(n_in: int, config: dict[str, Any]) -> Iterator[nn.Module]:
    stages = zip(config["blocks"], config["channels"], config["down"], strict=True)
    for n_blocks, n_out, stride in stages:
        yield _Block(n_in, n_out, stride)
        yield from (_Block(n_out, n_out, 1) for _ in range(n_blocks - 1))
        n_in = n_out


class _Levelled(nn.Module):
    """A power of the transform, from 0 to 1 over all of a window."""

    def __init__(self, power: float) -> None:
        super().__init__()
        self.power = power
        self.gain = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, spectra: Tensor) -> Tensor:
        """Return the same shape; training added noise of a millionth, use does not."""
        raised = spectra.clamp(min=0).pow(self.power)
        over = raised - raised.amin(dim=(2, 3), keepdim=True)
        level = over.amax(dim=(2, 3), keepdim=True) + _LEAST
        return self.gain * (over / level) + self.bias


class _Normalized(nn.Module):
    """Batch normalization of the first half of the channels, of each alone the rest."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(n_channels // 2)
        self.inst = nn.InstanceNorm2d(n_channels // 2, affine=True)

    def forward(self, given: Tensor) -> Tensor:
        """Return the same shape."""
        batch, alone = given.chunk(2, dim=1)
        return torch.cat([self.bn(batch), self.inst(alone)], dim=1)


class _Padded(nn.Module):
    """A convolution of 3 by 3 without bias."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)

    def forward(self, given: Tensor) -> Tensor:
        """Return what is heard."""
        found: Tensor = self.conv(given)
        return found


class _Block(nn.Module):
    """Two convolutions, weighed by one learned number, beside what was given."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        n_middle = max(1, max(n_in, n_out) // 2)
        n_middle += n_middle % 2
        self.convs = nn.Sequential(
            _Normalized(n_in),
            nn.ReLU(),
            _Padded(n_in, n_middle, stride),
            nn.BatchNorm2d(n_middle),
            nn.ReLU(),
            _Padded(n_middle, n_out),
        )
        self.skip: nn.Module = nn.Identity()
        if n_in != n_out or stride != 1:
            self.skip = nn.Sequential(
                nn.BatchNorm2d(n_in), nn.ReLU(), _Padded(n_in, n_out, stride)
            )
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, given: Tensor) -> Tensor:
        """Return what is heard."""
        found: Tensor = self.gain * self.convs(given) + self.skip(given)
        return found


class _GeneralizedMean(nn.Module):
    """The mean over all places of a learned power, and its root."""

    def __init__(self, power: float = 3.0) -> None:
        super().__init__()
        start = math.log(math.exp(power - 1) - 1)
        self.p = nn.Parameter(torch.full((1, 1, 1), start))

    def forward(self, given: Tensor) -> Tensor:
        """Return `(window, channel)`."""
        power = 1 + nn.functional.softplus(self.p)
        raised = given.flatten(start_dim=2).clamp(min=_LEAST).pow(power)
        return raised.mean(dim=-1).pow(1 / power.squeeze(-1))
