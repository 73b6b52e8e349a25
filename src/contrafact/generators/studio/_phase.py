"""Phases for a predicted STFT magnitude: the inverse-STFT head of the codec."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_MOMENTUM = 0.99  # of the fast Griffin-Lim algorithm


def _to_audio(stft: Tensor, window: Tensor, hop: int) -> Tensor:
    n_fft = window.numel()
    frames = torch.fft.irfft(stft.transpose(1, 2), n=n_fft, norm="ortho")
    frames = (frames * window).transpose(1, 2)
    n_frames = frames.shape[-1]
    length = n_fft + hop * (n_frames - 1)

    def overlap_add(columns: Tensor) -> Tensor:
        return functional.fold(columns, (1, length), (1, n_fft), stride=(1, hop))

    weight = overlap_add((window**2)[None, :, None].expand(1, -1, n_frames))
    audio = overlap_add(frames) / weight.clamp_min(1e-3)
    return audio[:, 0, 0]


def _to_stft(audio: Tensor, window: Tensor, hop: int) -> Tensor:
    return torch.stft(
        audio, window.numel(), hop, window=window, center=False,
        return_complex=True, normalized=True,
    )  # fmt: skip


def _first_phases(magnitude: Tensor, hop: int, n_fft: int) -> Tensor:
    """Phases that advance from frame to frame at each spectral peak's frequency."""
    log_magnitude = magnitude.clamp_min(1e-8).log()
    left, mid, right = (
        functional.pad(log_magnitude, (0, 0, 1, 1))[:, i : i + magnitude.shape[1]]
        for i in range(3)
    )
    curvature = (left - 2 * mid + right).clamp_max(-1e-4)
    offset = (0.5 * (left - right) / curvature).clamp(-0.5, 0.5)
    is_peak = (mid > left) & (mid >= right)
    bins = torch.arange(magnitude.shape[1], device=magnitude.device)[None, :, None]
    owner = _nearest_peak(is_peak)
    frequency = torch.gather(bins + offset, 1, owner)
    advance = 2 * math.pi * hop / n_fft * frequency.double()
    phases = torch.cumsum(advance, dim=-1)
    # Bins beside a peak alternate in sign, as a windowed sinusoid's do.
    return (phases + math.pi * (bins - owner)).float()


def _nearest_peak(is_peak: Tensor) -> Tensor:
    """Index of the nearest peak bin for every bin; the bin itself where none is."""
    n_bins = is_peak.shape[1]
    bins = torch.arange(n_bins, device=is_peak.device)[None, :, None]
    below = torch.where(is_peak, bins, -n_bins).cummax(dim=1).values
    flipped = torch.where(is_peak, bins, 3 * n_bins).flip(1)
    above = flipped.cummin(dim=1).values.flip(1)
    nearest = torch.where(bins - below <= above - bins, below, above)
    return torch.where((nearest >= 0) & (nearest < n_bins), nearest, bins)


def magnitude_to_audio(
    magnitude: Tensor, *, window: Tensor, hop: int, n_iterations: int
) -> Tensor:
    """Return audio whose STFT magnitude is near the one given.

    Args:
        magnitude: `(batch, n_bins, n_frames)`, at least 0.
        window: Analysis and synthesis window, `(n_fft,)`.
        hop: Samples between frames.
        n_iterations: Rounds of fast Griffin-Lim after the first guess.

    Returns:
        `(batch, n_frames * hop)`; the same for the same input, always.
    """
    n_fft = window.numel()
    stft = torch.polar(magnitude, _first_phases(magnitude, hop, n_fft))
    previous = torch.zeros_like(stft)
    for _ in range(n_iterations):
        rebuilt = _to_stft(_to_audio(stft, window, hop), window, hop)
        pushed = rebuilt + _MOMENTUM * (rebuilt - previous)
        previous = rebuilt
        stft = magnitude * pushed / pushed.abs().clamp_min(1e-12)
    edge = n_fft // 2 - hop // 2
    audio = _to_audio(stft, window, hop)
    return audio[:, edge : audio.shape[-1] - edge]
