"""Log-mel spectra of decoded audio, for comparing how things sound."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_N_BANDS = 40
_FLOOR = 1e-5  # magnitude below which all is silence


def log_mel(audio: Tensor, *, sample_rate: int) -> Tensor:
    """Return the natural logarithm of mel-band magnitudes.

    Args:
        audio: Mono, `(time,)`.
        sample_rate: In Hz.

    Returns:
        `(40, n_frame)`; frames of 64 ms, 32 ms apart.
    """
    n_fft = 2 ** round(math.log2(max(32.0, sample_rate * 0.064)))
    padded = functional.pad(audio, (0, max(0, n_fft - audio.numel())))
    spectrum = torch.stft(
        padded, n_fft, n_fft // 2, window=torch.hann_window(n_fft),
        center=False, return_complex=True,
    ).abs()  # fmt: skip
    bands = _filters(n_fft, sample_rate) @ spectrum
    return bands.clamp_min(_FLOOR).log()


def _filters(n_fft: int, sample_rate: int) -> Tensor:
    """Return triangles evenly spaced in mel, `(n_band, n_fft // 2 + 1)`."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, _N_BANDS + 2) / 2595) - 1)
    bins = torch.arange(n_fft // 2 + 1) * sample_rate / n_fft
    low, middle, high = (edges[i : i + _N_BANDS, None] for i in range(3))
    rising = (bins - low) / (middle - low)
    falling = (high - bins) / (high - middle)
    return torch.minimum(rising, falling).clamp_min(0)
