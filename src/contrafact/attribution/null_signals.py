"""Sounds that no recording taught: what a song without a source looks like.

Noise of many colours, clicks, glides and chords out of tune, drawn from a seed, so
that every machine hears the same. Influence on them is what influence looks like
where there is nothing to find; a share is significant only beyond that. They stand
beside the recordings that serve as "any other song", which are music but known.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["null_signals"]

_LOUDNESS = 0.1  # root mean square, about that of music


def null_signals(count: int, *, n_samples: int, sample_rate: int, seed: int) -> Tensor:
    """Return sounds without a source, kinds in turn.

    Args:
        count: How many; the first do not depend on it.
        n_samples: Their length.
        sample_rate: In Hz.
        seed: Of all that is random.

    Returns:
        `(count, n_samples)`, float32, in [-1, 1].
    """
    time = torch.arange(n_samples) / sample_rate
    rows = []
    for i in range(count):
        rng = torch.Generator().manual_seed(seed * 1_000_003 + i)
        sound = _KINDS[i % len(_KINDS)](time, rng)
        sound = sound - sound.mean()
        rows.append(sound * _LOUDNESS / sound.square().mean().sqrt().clamp_min(1e-9))
    return torch.stack(rows).clamp(-1, 1) if rows else torch.zeros(0, n_samples)


def _uniform(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _coloured(time: Tensor, rng: torch.Generator) -> Tensor:
    """Noise whose power falls as a power of frequency."""
    slope = _uniform(rng, 0.0, 2.0)
    spectrum = torch.fft.rfft(torch.randn(len(time), generator=rng))
    rise = torch.arange(1, len(spectrum) + 1) ** (-slope / 2)
    sound: Tensor = torch.fft.irfft(spectrum * rise, len(time))
    return sound


def _band(time: Tensor, rng: torch.Generator) -> Tensor:
    """Noise in a band of frequencies, swelling and fading."""
    spectrum = torch.fft.rfft(torch.randn(len(time), generator=rng))
    place = torch.linspace(0, 1, len(spectrum))
    centre, width = _uniform(rng, 0.03, 0.6), _uniform(rng, 0.01, 0.2)
    shaped = spectrum * (-(((place - centre) / width) ** 2)).exp()
    swell = 1 + torch.sin(2 * math.pi * _uniform(rng, 0.2, 8.0) * time)
    sound: Tensor = torch.fft.irfft(shaped, len(time))
    return sound * swell


def _clicks(time: Tensor, rng: torch.Generator) -> Tensor:
    """Clicks at random moments, each ringing shortly."""
    density = _uniform(rng, 2.0, 40.0) * float(time[-1]) / len(time)
    hits = (torch.rand(len(time), generator=rng) < density).float()
    hits[0] = 1.0
    ring = torch.exp(-time[:800] * _uniform(rng, 50.0, 800.0))
    size = len(time) + len(ring)
    rung: Tensor = torch.fft.irfft(
        torch.fft.rfft(hits, size) * torch.fft.rfft(ring, size), size
    )
    return rung[: len(time)]


def _glide(time: Tensor, rng: torch.Generator) -> Tensor:
    """A tone with overtones that wanders."""
    steps = torch.randn(len(time), generator=rng).cumsum(0) / len(time) ** 0.5
    pitch = _uniform(rng, 80.0, 900.0) * 2 ** (_uniform(rng, 0.2, 1.5) * steps)
    phase = 2 * math.pi * pitch.double().cumsum(0) * float(time[1] - time[0])
    parts = [torch.sin(k * phase) / k ** _uniform(rng, 0.5, 2.0) for k in range(1, 7)]
    return torch.stack(parts).sum(0).float()


def _cluster(time: Tensor, rng: torch.Generator) -> Tensor:
    """Many tones of no scale, each beating by itself."""
    count = 3 + int(_uniform(rng, 0, 12))
    parts = []
    for _ in range(count):
        pitch, beat = _uniform(rng, 60.0, 2000.0), _uniform(rng, 0.1, 6.0)
        envelope = 0.6 + 0.4 * torch.sin(2 * math.pi * beat * time)
        parts.append(torch.sin(2 * math.pi * pitch * time) * envelope)
    return torch.stack(parts).sum(0)


_KINDS: tuple[Callable[[Tensor, torch.Generator], Tensor], ...] = (
    _coloured,
    _band,
    _clicks,
    _glide,
    _cluster,
)
