"""Small audio decoders of many shapes, trained here: generators that are known.

Each is an autoencoder: strided convolutions down, one of several ways up. They
differ in strides, kernels, rates, activations and heads, as published decoders
do (EnCodec, DAC, HiFi-GAN, Vocos, Musika), and in nothing else: same music, same
loss, same seconds of training. Weights are kept and trained once.

References:
    Kumar et al., "High-fidelity audio compression with improved RVQGAN", 2023;
    Siuzdak, "Vocos", ICLR 2024; Odena et al., "Deconvolution and checkerboard
    artifacts", 2016; Yamamoto et al., "Parallel WaveGAN", ICASSP 2020 (the loss).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SHAPES", "Decoder", "Shape", "recode", "trained"]

Samples = NDArray[np.float32]
Up = Literal["transposed", "nearest", "linear", "shuffle", "istft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Shape of one decoder.

    Attributes:
        rate: Native sample rate in Hz.
        strides: Upsampling factors, from latents to samples.
        up: How each factor is done; `istft` has one head for all of them.
        kernel: Width of the upsampling kernel in strides; 1 is no overlap.
        is_periodic: Whether activations are x + sin²(x) instead of leaky ReLU.
        seed: Of weights and training.
    """

    rate: int
    strides: tuple[int, ...]
    up: Up = "transposed"
    kernel: int = 2
    is_periodic: bool = False
    seed: int = 0

    @property
    def hop(self) -> int:
        """Samples that one latent stands for."""
        return math.prod(self.strides)


SHAPES: dict[str, Shape] = {
    "transposed-16k-256": Shape(rate=16_000, strides=(8, 8, 4)),
    "transposed-24k-320": Shape(rate=24_000, strides=(8, 5, 4, 2)),
    "transposed-22k-256-bare": Shape(rate=22_050, strides=(8, 8, 4), kernel=1),
    "snake-44k-512": Shape(rate=44_100, strides=(8, 8, 4, 2), is_periodic=True),
    "transposed-16k-400": Shape(rate=16_000, strides=(5, 5, 4, 4), kernel=3),
    "nearest-32k-640": Shape(rate=32_000, strides=(8, 5, 4, 4), up="nearest"),
    "linear-16k-200": Shape(rate=16_000, strides=(5, 5, 4, 2), up="linear"),
    "shuffle-24k-240": Shape(rate=24_000, strides=(6, 5, 4, 2), up="shuffle"),
    "istft-24k-300": Shape(rate=24_000, strides=(300,), up="istft"),
    "istft-16k-256": Shape(rate=16_000, strides=(256,), up="istft"),
    "transposed-32k-500": Shape(rate=32_000, strides=(5, 5, 5, 4), is_periodic=True),
    "nearest-22k-300": Shape(rate=22_050, strides=(6, 5, 5, 2), up="nearest"),
}
_WIDTHS = (96, 64, 32, 16, 12)
_LATENTS = 32


class _Activation(nn.Module):
    def __init__(self, is_periodic: bool) -> None:
        super().__init__()
        self.is_periodic = is_periodic

    def forward(self, x: Tensor) -> Tensor:
        if self.is_periodic:
            return x + torch.sin(x).square()
        return functional.leaky_relu(x, 0.2)


class _Up(nn.Module):
    """One factor up, by one of four ways."""

    def __init__(self, shape: Shape, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.up, self.stride = shape.up, stride
        if shape.up == "transposed":
            width = shape.kernel * stride
            self.layer: nn.Module = nn.ConvTranspose1d(before, after, width, stride)
            self.extra = width - stride
        elif shape.up == "shuffle":
            self.layer = nn.Conv1d(before, after * stride, 3, padding=1)
        else:
            self.layer = nn.Conv1d(before, after, 2 * (stride // 2) + 3, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        if self.up == "transposed":
            y: Tensor = self.layer(x)
            return y[..., self.extra // 2 : self.extra // 2 + x.shape[-1] * self.stride]
        if self.up == "shuffle":
            y = self.layer(x)
            batch, _, time = y.shape
            y = y.reshape(batch, -1, self.stride, time).transpose(2, 3)
            return y.reshape(batch, -1, time * self.stride)
        size = x.shape[-1] * self.stride
        found: Tensor = self.layer(functional.interpolate(x, size=size, mode=self.up))
        return found


class _Residual(nn.Module):
    def __init__(self, width: int, is_periodic: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _Activation(is_periodic),
            nn.Conv1d(width, width, 3, padding=1),
            _Activation(is_periodic),
            nn.Conv1d(width, width, 3, padding=3, dilation=3),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


class _Istft(nn.Module):
    """Frames of a complex spectrum from latents, overlapped and added (Vocos)."""

    window: Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop, self.n_fft = hop, 4 * hop
        self.net = nn.Sequential(
            nn.Conv1d(_LATENTS, 192, 5, padding=2),
            _Residual(192, False),
            _Residual(192, False),
            nn.Conv1d(192, 2 * (self.n_fft // 2 + 1), 1),
        )
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        real, imaginary = self.net(functional.pad(z, (0, 1), mode="replicate")).chunk(
            2, 1
        )
        spectrum = torch.complex(real, imaginary)
        audio: Tensor = torch.istft(
            spectrum, self.n_fft, self.hop, window=self.window, normalized=True
        )
        return audio[:, None]


class Decoder(nn.Module):
    """An autoencoder of one shape, `(batch, 1, time)` to the same."""

    def __init__(self, shape: Shape) -> None:
        """Make it untrained, from its seed."""
        super().__init__()
        torch.manual_seed(shape.seed)
        self.shape = shape
        strides = shape.strides if shape.up != "istft" else _factors(shape.hop)
        widths = _WIDTHS[: len(strides) + 1]
        down: list[nn.Module] = [nn.Conv1d(1, widths[-1], 7, padding=3)]
        for i, stride in reversed(list(enumerate(strides))):
            down += [
                nn.LeakyReLU(0.2),
                nn.Conv1d(widths[i + 1], widths[i], 2 * stride + 1, stride, stride),
            ]
        self.down = nn.Sequential(*down, nn.Conv1d(widths[0], _LATENTS, 3, padding=1))
        self.up = _Istft(shape.hop) if shape.up == "istft" else _ups(shape, widths)

    def forward(self, audio: Tensor) -> Tensor:
        """Return what is heard after encoding and decoding."""
        missing = -audio.shape[-1] % self.shape.hop
        latents = self.down(functional.pad(audio, (0, missing)))
        decoded: Tensor = self.up(
            latents[..., : (audio.shape[-1] + missing) // self.shape.hop]
        )
        return decoded[..., : audio.shape[-1]]


def _ups(shape: Shape, widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv1d(_LATENTS, widths[0], 3, padding=1)]
    for i, stride in enumerate(shape.strides):
        layers += [
            _Activation(shape.is_periodic),
            _Up(shape, widths[i], widths[i + 1], stride),
            _Residual(widths[i + 1], shape.is_periodic),
        ]
    last = nn.Conv1d(widths[len(shape.strides)], 1, 7, padding=3)
    return nn.Sequential(*layers, _Activation(shape.is_periodic), last, nn.Tanh())


def _factors(hop: int) -> tuple[int, ...]:
    found = []
    for factor in (8, 5, 6, 4, 3, 2):
        while hop % factor == 0 and len(found) < 4 and hop > 1:
            found.append(factor)
            hop //= factor
    return tuple(found)


def _distance(heard: Tensor, wanted: Tensor) -> Tensor:
    """Return the multi-resolution STFT loss with the L1 distance of the waves."""
    total = 10 * (heard - wanted).abs().mean()
    for n_fft in (256, 1024, 2048):
        window = torch.hann_window(n_fft)
        both = torch.stft(
            torch.cat([heard, wanted])[:, 0], n_fft, n_fft // 4, window=window,
            return_complex=True, normalized=True,
        ).abs()  # fmt: skip
        a, b = both.chunk(2)
        total = total + (a - b).norm() / b.norm().clamp_min(1e-3)
        total = total + (a.clamp_min(1e-4).log() - b.clamp_min(1e-4).log()).abs().mean()
    return total


def trained(
    name: str, music: Sequence[Samples], rate: int, *, folder: Path, n_steps: int = 120
) -> Decoder:
    """Return a trained decoder; from the folder if it was trained before.

    Args:
        name: One of `SHAPES`.
        music: Recordings to train on, `(time,)` each.
        rate: Of the music, Hz.
        folder: Where weights are kept.
        n_steps: Steps of training.
    """
    shape = SHAPES[name]
    decoder = Decoder(shape)
    path = folder / f"{name}.safetensors"
    if not path.exists():
        losses = _train(decoder, music, rate, n_steps)
        folder.mkdir(parents=True, exist_ok=True)
        about = {**asdict(shape), "n_steps": n_steps, "loss": losses[-50:]}
        (folder / f"{name}.json").write_text(json.dumps(about) + "\n")
        save_file(decoder.state_dict(), path)
    decoder.load_state_dict(load_file(path))
    return decoder.eval()


def _train(
    decoder: Decoder, music: Sequence[Samples], rate: int, n_steps: int
) -> list[float]:
    rng = np.random.default_rng(decoder.shape.seed)
    optimizer = torch.optim.AdamW(decoder.parameters(), 3e-3, betas=(0.8, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, n_steps)
    length, losses = 8_192 if decoder.shape.rate < 30_000 else 12_288, []
    for _ in range(n_steps):
        wanted = _batch(rng, music, (rate, decoder.shape.rate), length)
        loss = _distance(decoder(wanted), wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(decoder.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        losses.append(round(loss.item(), 4))
    return losses


def _batch(
    rng: np.random.Generator,
    music: Sequence[Samples],
    rates: tuple[int, int],
    length: int,
) -> Tensor:
    rows = []
    for _ in range(6):
        samples = music[rng.integers(len(music))]
        n = math.ceil(length * rates[0] / rates[1]) + 64
        start = rng.integers(max(1, len(samples) - n))
        row = soxr.resample(samples[start : start + n], *rates)[:length]
        gain = rng.uniform(0.3, 0.9) / max(float(np.abs(row).max()), 1e-3)
        rows.append(np.pad(row * gain, (0, length - len(row))))
    return torch.from_numpy(np.stack(rows).astype(np.float32))[:, None]


@torch.inference_mode()
def recode(decoder: Decoder, samples: Samples, rate: int) -> Samples:
    """Return what a decoder makes of a recording, `(time,)`, at the decoder's rate."""
    at_rate = soxr.resample(samples, rate, decoder.shape.rate).astype(np.float32)
    gain = 0.8 / max(float(np.abs(at_rate).max()), 1e-3)
    heard = decoder(torch.from_numpy(at_rate * gain)[None, None])[0, 0].numpy()
    return np.asarray(heard / gain, np.float32)
