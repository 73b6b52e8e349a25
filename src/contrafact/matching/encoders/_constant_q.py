"""The constant-Q transform, with kernels that a checkpoint may bring along.

References:
    Brown, "Calculation of a constant Q spectral transform", JASA 89, 1991.
    Brown and Puckette, "An efficient algorithm for the calculation of a constant Q
    transform", JASA 92, 1992.
    Cheuk, Anderson, Agres and Herremans, "nnAudio", IEEE Access 2020: kernels as
    convolutions, whose names and lengths checkpoints keep.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["ConstantQ", "kernels"]

_LOWEST_HZ = 32.70


def kernels(
    sample_rate: int, *, n_bins: int, per_octave: int, scale: float
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """Return the kernels, `(bin, width)`, and how long each is, `(bin,)`.

    Each is a Hann window times a turning phase, in the middle of the width, of
    absolute values that add up to 1. Bins go up from C1 at 32.7 Hz.
    """
    quality = scale / (2 ** (1 / per_octave) - 1)
    hz = _LOWEST_HZ * 2.0 ** (np.arange(n_bins) / per_octave)
    lengths = np.ceil(quality * sample_rate / hz)
    width = 2 ** math.ceil(math.log2(lengths[0]))
    found = np.zeros((n_bins, width), np.complex64)
    for row, frequency, length in zip(found, hz, lengths.astype(int), strict=True):
        begin = math.ceil(width / 2 - length / 2) - length % 2
        times = np.arange(length) - math.ceil(length / 2)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        wave = window * np.exp(2j * np.pi * times * frequency / sample_rate)
        row[begin : begin + length] = wave / np.abs(wave).sum()
    return found, lengths.astype(np.float32)


class ConstantQ(nn.Module):
    """Magnitudes of a constant-Q transform."""

    def __init__(
        self, sample_rate: int, *, hop: int, n_bins: int, per_octave: int, scale: float
    ) -> None:
        """Make the kernels; those of a checkpoint may take their place.

        Args:
            sample_rate: In Hz.
            hop: Samples from one frame to the next.
            n_bins: How many, from C1 on.
            per_octave: Of them.
            scale: Lengths of the kernels are this times what separates the bins.
        """
        super().__init__()
        self.hop = hop
        self.cqt_kernels_real: Tensor
        self.cqt_kernels_imag: Tensor
        self.lenghts: Tensor
        made, lengths = kernels(
            sample_rate, n_bins=n_bins, per_octave=per_octave, scale=scale
        )
        for name, part in (("real", made.real), ("imag", made.imag)):
            kernel = torch.from_numpy(np.ascontiguousarray(part, np.float32))
            self.register_buffer(f"cqt_kernels_{name}", kernel[:, None])
        self.register_buffer("lenghts", torch.from_numpy(lengths))  # sic

    def forward(self, samples: Tensor) -> Tensor:
        """Return magnitudes, `(window, bin, frame)`, of samples, `(window, time)`."""
        half = self.cqt_kernels_real.shape[-1] // 2
        padded = nn.functional.pad(samples[:, None], (half, half), mode="reflect")
        real, imag = (
            nn.functional.conv1d(padded, kernel, stride=self.hop)
            for kernel in (self.cqt_kernels_real, self.cqt_kernels_imag)
        )
        return torch.hypot(real, imag) * self.lenghts.sqrt()[:, None]
