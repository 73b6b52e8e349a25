"""Whether a candidate's codec loses less of a recording than it loses of others.

Sound that came out of a decoder survives encoding and decoding again almost as
well as its own reconstruction does; other sound loses more the first time. The
ratio of the two errors is what is compared, which cancels how hard the music is.

References:
    AEDR, AAAI 2026 (ratio of two successive autoencoder reconstructions, for
    images); here with magnitudes in place of pixels, and the codec's frames
    searched, since a cut moves them.
"""

from __future__ import annotations

import numpy as np
import soxr
import torch
from torch import Tensor

from contrafact.core.units import Seconds
from contrafact.generators import Generator
from contrafact.matching.origin.chain import RATE, Samples

__all__ = ["reconstruction_score"]

_LENGTH_S: Seconds = 3.0
_N_OFFSETS = 4
_N_FFT = 1_024
_FLOOR = 1e-3


@torch.inference_mode()
def reconstruction_score(generator: Generator, samples: Samples) -> float:
    """Return the logarithm of the second reconstruction's error over the first's.

    Args:
        generator: The candidate; its codec alone is used.
        samples: `(time,)`, at 16 kHz; three seconds from the middle are used.

    Returns:
        About 0 for what its decoder made, lower for other sound; the highest of
        four positions of the codec's frames.
    """
    windows = _windows(generator, samples)
    once = _through(generator, windows)
    twice = _through(generator, once)
    first, second = _distance(windows, once), _distance(once, twice)
    ratios = (second.clamp_min(1e-6) / first.clamp_min(1e-6)).log()
    return float(ratios.max())


def _windows(generator: Generator, samples: Samples) -> Tensor:
    """Return the middle at four offsets within a token, `(4, channel, time)`."""
    rate = generator.sample_rate
    moved = np.asarray(soxr.resample(samples, RATE, rate), np.float32)
    token = rate / generator.token_rate_hz
    n = round(round(_LENGTH_S * generator.token_rate_hz) * token)
    start = max(0, (len(moved) - n) // 2)
    rows = []
    for i in range(_N_OFFSETS):
        first = start + round(i * token / _N_OFFSETS)
        row = moved[first : first + n]
        rows.append(np.pad(row, (0, n - len(row))))
    stacked = torch.from_numpy(np.stack(rows))[:, None]
    peak = stacked.abs().amax().clamp_min(1e-6)
    return (stacked / peak * 0.5).expand(-1, generator.n_channels, -1)


def _through(generator: Generator, audio: Tensor) -> Tensor:
    return generator.decode(generator.encode(audio))[..., : audio.shape[-1]]


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean distance of log magnitudes, one a row."""
    n = min(a.shape[-1], b.shape[-1])
    return (_magnitudes(a[..., :n]) - _magnitudes(b[..., :n])).abs().mean((1, 2))


def _magnitudes(audio: Tensor) -> Tensor:
    window = torch.hann_window(_N_FFT)
    spectrum = torch.stft(
        audio.mean(1), _N_FFT, _N_FFT // 4, window=window, return_complex=True
    )
    return spectrum.abs().clamp_min(_FLOOR).log()
