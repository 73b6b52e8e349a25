"""Filters of the mel scale, as the makers of published networks used them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mel_filters"]


def mel_filters(
    n_bands: int, *, n_fft: int, sample_rate: int, highest_hz: float
) -> NDArray[np.float32]:
    """Return triangles of height 1, equally wide on the mel scale of HTK from 0 Hz on.

    Args:
        n_bands: How many.
        n_fft: Samples of a frame of the spectrum.
        sample_rate: In Hz.
        highest_hz: Where the last one ends, at most half the sample rate.

    Returns:
        What each bin adds to each band, `(n_fft // 2 + 1, n_bands)`.

    References:
        Young et al., "The HTK book", 5.6.
    """
    top = 2595 * np.log10(1 + highest_hz / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_bands + 2) / 2595) - 1)
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(weights, np.float32)
