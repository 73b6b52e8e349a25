"""Whether a candidate's codec loses less of a recording at one place of its frames.

A decoder makes sound frame by frame. Encoded again with the frames where they were,
it loses less than with the frames elsewhere; other sound loses as much wherever they
are. So the loss at the best place is held against the usual one, which cancels how
hard the music is, and how clean or dull the recording.

References:
    Yang, Qu and Huang, "Detecting digital audio forgeries by checking frame offsets",
    MM&Sec 2008 (the places of an encoder's frames, there of MP3); AEDR, AAAI 2026
    (ratio of two reconstruction errors as a measure that does not depend on content,
    for images).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrafact.core.units import Seconds
from contrafact.generators import Generator
from contrafact.matching.origin.chain import RATE, Samples

__all__ = ["reconstruction_score"]

_LENGTH_S: Seconds = 8.0
_SLOW_LENGTH_S: Seconds = 3.0
"""Of a codec that has to be run to the sound itself."""
_N_PLACES = 16
_EDGE = 4
"""Frames at either end that hear what was cut off."""
_N_FFT = 1_024
_FLOOR = 1e-3
_PEAK = 0.5


@runtime_checkable
class _Spectral(Protocol):
    """A codec that codes magnitudes: no phases are needed to see what it loses."""

    def spectrum(self, audio: Tensor) -> Tensor: ...

    def encode_spectrum(self, spectrum: Tensor) -> Tensor: ...

    def decode_spectrum(self, latents: Tensor) -> Tensor: ...


@torch.inference_mode()
def reconstruction_score(generator: Generator, samples: Samples) -> float:
    """Return how much less a codec loses at the best place of its frames than usually.

    Sixteen places within a token are tried on the middle of the sound: of eight
    seconds if the codec codes magnitudes, of three if it has to be run to the sound.

    Args:
        generator: The candidate; its codec alone is used.
        samples: `(time,)`, at 16 kHz, at least four seconds.

    Returns:
        Natural logarithm of the usual loss over the least, at least 0: some
        thousandths for sound of others, a tenth for what its decoder made.
    """
    codec = getattr(generator, "codec", None)
    if isinstance(codec, _Spectral):
        windows = _windows(generator, samples, _LENGTH_S)[:, 0]
        losses = torch.stack([_lost(codec, window[None]) for window in windows])
    else:
        windows = _windows(generator, samples, _SLOW_LENGTH_S)
        heard = generator.decode(generator.encode(windows))
        losses = _distance(windows, heard)
    return _dip(losses.clamp_min(1e-9).log().numpy().astype(np.float64))


def _dip(losses: NDArray[np.float64]) -> float:
    """Return how far the least is below the usual, less what rises or falls evenly.

    Sound that gets louder at the end of what is heard is lost more the later the
    frames begin; the places of a decoder's frames come round.
    """
    places = np.arange(len(losses))
    left = losses - np.polyval(np.polyfit(places, losses, 1), places)
    return float(np.median(left) - left.min())


def _windows(generator: Generator, samples: Samples, length_s: Seconds) -> Tensor:
    """Return the middle from each place within a token, `(16, channel, time)`."""
    rate = generator.sample_rate
    moved = np.asarray(soxr.resample(samples, RATE, rate), np.float32)
    token = rate / generator.token_rate_hz
    most = int((len(moved) - token) / token)
    n = round(min(round(length_s * generator.token_rate_hz), most) * token)
    start = int((len(moved) - token - n) / 2)
    firsts = [start + round(i * token / _N_PLACES) for i in range(_N_PLACES)]
    stacked = torch.from_numpy(np.stack([moved[f : f + n] for f in firsts]))[:, None]
    peak = stacked.abs().amax().clamp_min(1e-6)
    return (stacked / peak * _PEAK).expand(-1, generator.n_channels, -1)


def _lost(codec: _Spectral, audio: Tensor) -> Tensor:
    """Return the part of compressed magnitudes that is lost, edges aside."""
    before = codec.spectrum(audio)
    after = codec.decode_spectrum(codec.encode_spectrum(before))
    inside = slice(_EDGE, before.shape[-1] - _EDGE)
    return (before - after)[..., inside].abs().mean() / before.mean().clamp_min(1e-9)


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
