"""What happens to audio between a generator and a listener, done to arrays.

Each takes samples `(time,)` and their rate and returns samples at the same rate.
Codecs are real encoders in memory; pitch and stretch are a phase vocoder.

References:
    Laroche and Dolson, "Improved phase vocoder time-scale modification of
    audio", 1999.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import lfilter

__all__ = ["RATE", "TRANSFORMATIONS", "coded", "pitched", "sped", "stretched"]

Samples = NDArray[np.float32]
Transformation = Callable[[Samples], Samples]
RATE = 32_000
"""Of all samples that are transformed here, Hz."""
_CODECS = {
    "mp3": ("mp3", "libmp3lame"),
    "aac": ("adts", "aac"),
    "opus": ("ogg", "libopus"),
}
_CODEC_RATES = {"mp3": 32_000, "aac": 32_000, "opus": 48_000}


def coded(samples: Samples, kind: str, bits_per_s: int) -> Samples:
    """Encode and decode with MP3, AAC or Opus at a bit rate."""
    container, codec = _CODECS[kind]
    rate = _CODEC_RATES[kind]
    at_rate = _resampled(samples, RATE, rate)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = bits_per_s
        stream.codec_context.format = "flt" if kind == "opus" else "fltp"
        if kind == "opus":
            stream.codec_context.options = {"compression_level": "2"}
        for frame in _frames(at_rate, rate, stream.codec_context):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(
        buffer, "r", format="aac" if container == "adts" else container
    ) as back:
        blocks = [_mono(frame) for frame in back.decode(audio=0)]
    return _resampled(np.concatenate(blocks), rate, RATE)


def _mono(frame: Any) -> Samples:
    block = frame.to_ndarray()
    if block.dtype.kind == "i":
        block = block / 32768
    n_channels = frame.layout.nb_channels
    rows = block if frame.format.is_planar else block.reshape(-1, n_channels).T
    return np.asarray(rows.mean(0), np.float32)


def _frames(samples: Samples, rate: int, context: Any) -> list[Any]:
    context.open()
    size = context.frame_size or 1024
    frames = []
    for i in range(0, len(samples) - size + 1, size):
        part = np.clip(samples[i : i + size], -1, 1)[None]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(part), context.format.name, "mono"
        )
        frame.sample_rate, frame.pts = rate, i
        frames.append(frame)
    return frames


def _resampled(samples: Samples, rate: float, new_rate: float) -> Samples:
    return np.asarray(soxr.resample(samples, rate, new_rate), np.float32)


def through_rate(samples: Samples, rate: int) -> Samples:
    """Resample down and up again: nothing above half of `rate` is left."""
    return _resampled(_resampled(samples, RATE, rate), rate, RATE)


def noisy(samples: Samples, decibels: float) -> Samples:
    """Add white noise at a signal-to-noise ratio."""
    rng = np.random.default_rng(len(samples))
    noise = rng.standard_normal(len(samples)) * samples.std() * 10 ** (-decibels / 20)
    return np.asarray(samples + noise, np.float32)


def equalised(samples: Samples) -> Samples:
    """Three filters: bass and treble up by 6 dB, a 6 dB dip at 1.5 kHz."""
    for hz, gain, q in ((200.0, 6.0, 0.7), (1_500.0, -6.0, 1.0), (5_000.0, 6.0, 0.7)):
        a, w = 10 ** (gain / 40), 2 * np.pi * hz / RATE
        alpha, c = np.sin(w) / (2 * q), np.cos(w)
        above = [1 + alpha * a, -2 * c, 1 - alpha * a]
        below = [1 + alpha / a, -2 * c, 1 - alpha / a]
        samples = lfilter(above, below, samples)
    return np.asarray(samples, np.float32)


def loud(samples: Samples) -> Samples:
    """Limit as a loud master does: 9 dB up, into a soft ceiling."""
    peak = float(np.abs(samples).max()) or 1.0
    return np.asarray(np.tanh(2.8 * samples / peak) * 0.9, np.float32)


def stretched(samples: Samples, by: float) -> Samples:
    """Play faster by a factor without a change of pitch: a phase vocoder."""
    n, hop = 2_048, 512
    padded = np.pad(samples, n)
    places = np.arange(0, len(padded) - n - hop, hop * by)
    window = np.hanning(n).astype(np.float32)
    starts = places.astype(int)
    near = np.stack([padded[s : s + n] for s in starts]) * window
    ahead = np.stack([padded[s + hop : s + hop + n] for s in starts]) * window
    now, then = np.fft.rfft(near), np.fft.rfft(ahead)
    phase = np.angle(now[0]) + np.concatenate(
        [np.zeros((1, n // 2 + 1)), np.cumsum(np.angle(then * now.conj())[:-1], 0)]
    )
    frames = np.fft.irfft(np.abs(now) * np.exp(1j * phase)).astype(np.float32) * window
    out = np.zeros(hop * len(frames) + n, np.float32)
    for i, frame in enumerate(frames):
        out[i * hop : i * hop + n] += frame
    return out[n:-n] / 1.5


def sped(samples: Samples, by: float) -> Samples:
    """Play faster by a factor, pitch and all."""
    return _resampled(samples, RATE * by, RATE)


def pitched(samples: Samples, semitones: float) -> Samples:
    """Change the pitch and leave the speed."""
    factor = 2 ** (semitones / 12)
    return sped(stretched(samples, 1 / factor), factor)


def middle(samples: Samples, seconds: float) -> Samples:
    """Return the middle."""
    start = max(0, (len(samples) - round(seconds * RATE)) // 2)
    return samples[start : start + round(seconds * RATE)]


TRANSFORMATIONS: dict[str, Transformation] = {
    "clean": lambda x: x,
    "MP3 64k": lambda x: coded(x, "mp3", 64_000),
    "AAC 64k": lambda x: coded(x, "aac", 64_000),
    "Opus 32k": lambda x: coded(x, "opus", 32_000),
    "22 kHz": lambda x: through_rate(x, 22_050),
    "16 kHz": lambda x: through_rate(x, 16_000),
    "noise 30 dB": lambda x: noisy(x, 30),
    "noise 20 dB": lambda x: noisy(x, 20),
    "EQ": equalised,
    "loud": loud,
    "5 s": lambda x: middle(x, 5.0),
    "pitch -4": lambda x: pitched(x, -4),
    "pitch -3": lambda x: pitched(x, -3),
    "pitch -2": lambda x: pitched(x, -2),
    "pitch -1": lambda x: pitched(x, -1),
    "pitch +1": lambda x: pitched(x, 1),
    "pitch +2": lambda x: pitched(x, 2),
    "pitch +3": lambda x: pitched(x, 3),
    "pitch +4": lambda x: pitched(x, 4),
    "speed 0.85": lambda x: sped(x, 0.85),
    "speed 0.93": lambda x: sped(x, 0.93),
    "speed 1.07": lambda x: sped(x, 1.07),
    "speed 1.15": lambda x: sped(x, 1.15),
    "stretch 0.9": lambda x: stretched(x, 0.9),
    "stretch 1.1": lambda x: stretched(x, 1.1),
}
