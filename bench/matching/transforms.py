"""What may have been done to a recording before it is asked about.

Each transformation takes an excerpt, mono at `rate`, and a random generator,
and returns the excerpt as it would be found. Pitch and tempo are changed by a
phase vocoder with phases locked to the peaks of the spectrum.

References:
    Laroche and Dolson, "Improved phase vocoder time-scale modification of
    audio", IEEE Transactions on Speech and Audio Processing, 1999.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt, sosfiltfilt

__all__ = ["TRANSFORMS", "Transform", "mix", "pitch", "speed", "stretch"]

Samples = NDArray[np.float32]
RATE = 16_000
_N, _HOP = 1_024, 256


def stretch(samples: Samples, by: float) -> Samples:
    """Play faster by a factor without a change of pitch."""
    if abs(by - 1) < 1e-6:
        return samples
    window = np.hanning(_N + 1)[:-1].astype(np.float32)
    places = np.arange(0, max(1, len(samples) - 1), _HOP * by)
    padded = np.pad(samples, (_N // 2 + _HOP, _N + _HOP))
    starts = places.round().astype(int)
    cut = np.lib.stride_tricks.sliding_window_view(padded, _N)
    now = np.fft.rfft(cut[starts + _HOP] * window)
    before = np.fft.rfft(cut[starts] * window)
    sizes, turns = np.abs(now), np.angle(now * before.conj())
    phases = _locked(np.angle(now), sizes, turns)
    frames = np.fft.irfft(sizes * np.exp(1j * phases)) * window
    out = np.zeros(len(frames) * _HOP + _N)
    for i, frame in enumerate(frames):
        out[i * _HOP : i * _HOP + _N] += frame
    out = out[_N // 2 :] / 1.5
    return out[: round(len(samples) / by)].astype(np.float32)


def _locked(angles: Samples, sizes: Samples, turns: Samples) -> Samples:
    """Return phases that go on at each peak and keep their relation around it."""
    phases = np.empty_like(angles)
    phases[0] = angles[0]
    for i in range(1, len(angles)):
        size = sizes[i]
        inner = size[1:-1]
        peaks = 1 + np.flatnonzero((inner > size[:-2]) & (inner >= size[2:]))
        if len(peaks) == 0:
            phases[i] = phases[i - 1] + turns[i]
            continue
        middle = (peaks[1:] + peaks[:-1]) // 2
        owner = peaks[np.searchsorted(middle, np.arange(len(size)), side="left")]
        turned = phases[i - 1][owner] + turns[i][owner] - angles[i][owner]
        phases[i] = angles[i] + turned
    return phases


def speed(samples: Samples, by: float) -> Samples:
    """Play faster by a factor, pitch and all."""
    return np.asarray(soxr.resample(samples, RATE * by, RATE), np.float32)


def pitch(samples: Samples, semitones: float) -> Samples:
    """Change the pitch and leave the tempo."""
    factor = 2 ** (semitones / 12)
    return speed(stretch(samples, 1 / factor), factor)


def noise(samples: Samples, rng: np.random.Generator, *, snr_db: float) -> Samples:
    """Add white noise."""
    level = samples.std() * 10 ** (-snr_db / 20)
    return samples + (level * rng.standard_normal(len(samples))).astype(np.float32)


def mix(samples: Samples, other: Samples) -> Samples:
    """Add another recording of the same loudness; cut to the shorter."""
    n = min(len(samples), len(other))
    one, two = samples[:n], other[:n]
    return one + two * (one.std() / max(float(two.std()), 1e-6))


def codec(samples: Samples, kind: str, bit_rate: int) -> Samples:
    """Encode with loss and decode again."""
    name, container, rate = {
        "mp3": ("libmp3lame", "mp3", 16_000),
        "aac": ("aac", "mp4", 16_000),
        "opus": ("libopus", "ogg", 48_000),
    }[kind]
    sound = soxr.resample(samples, RATE, rate) if rate != RATE else samples
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(name, rate=rate, layout="mono")
        stream.bit_rate = bit_rate
        pcm = (np.clip(sound, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            stream.codec_context.format, "mono", rate, stream.frame_size
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as file:
        out = av.AudioResampler("flt", "mono", RATE)
        frames = [f for packet in file.decode(audio=0) for f in out.resample(packet)]
        frames += out.resample(None)
    return np.concatenate([f.to_ndarray()[0] for f in frames]).astype(np.float32)


def reverb(samples: Samples, rng: np.random.Generator) -> Samples:
    """Play in a room that rings for 0.5 to 1.5 s, as loud as the direct sound."""
    ring_s = rng.uniform(0.5, 1.5)
    n = int(ring_s * RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[: int(0.01 * RATE)] = 0
    tail /= np.sqrt((tail**2).sum())
    tail[0] = 1.0
    wet = fftconvolve(samples, tail)[: len(samples)]
    return (wet / max(1.0, float(np.abs(wet).max()))).astype(np.float32)


def equalise(samples: Samples, rng: np.random.Generator) -> Samples:
    """Raise or lower five bands by up to 12 dB each."""
    edges = np.geomspace(80, 7_000, 6)
    out = samples.copy()
    for low, high in itertools.pairwise(edges):
        band = butter(2, [low, high], "bandpass", fs=RATE, output="sos")
        gain = 10 ** (rng.uniform(-12, 12) / 20) - 1
        out += (gain * sosfilt(band, samples)).astype(np.float32)
    return out / max(1.0, float(np.abs(out).max()))


def low_pass(samples: Samples, hz: float) -> Samples:
    """Leave only what is below a frequency."""
    return sosfiltfilt(butter(8, hz, fs=RATE, output="sos"), samples).astype(np.float32)


def resample_8k(samples: Samples) -> Samples:
    """Go through 8 kHz and back."""
    return np.asarray(soxr.resample(soxr.resample(samples, RATE, 8_000), 8_000, RATE))


@dataclass(frozen=True)
class Transform:
    """One transformation.

    Attributes:
        group: The row of the report it belongs to.
        apply: From excerpt and random generator to what is asked about.
        pitch_semitones: By how much it raises the pitch.
        tempo_ratio: By how much it is faster.
    """

    name: str
    group: str
    apply: Callable[[Samples, np.random.Generator], Samples]
    pitch_semitones: float = 0.0
    tempo_ratio: float = 1.0


def _plain() -> list[Transform]:
    return [
        Transform("clean", "clean", lambda x, _: x),
        Transform("mp3 32k", "codec", lambda x, _: codec(x, "mp3", 32_000)),
        Transform("opus 16k", "codec", lambda x, _: codec(x, "opus", 16_000)),
        Transform("aac 32k", "codec", lambda x, _: codec(x, "aac", 32_000)),
        Transform("resample 8 kHz", "band", lambda x, _: resample_8k(x)),
        Transform("EQ", "band", equalise),
        Transform("low-pass 2 kHz", "band", lambda x, _: low_pass(x, 2_000)),
        Transform("noise 5 dB", "noise", lambda x, r: noise(x, r, snr_db=5)),
        Transform("noise 0 dB", "noise 0 dB", lambda x, r: noise(x, r, snr_db=0)),
        Transform("reverb", "reverb", reverb),
    ]


def _speeds() -> list[Transform]:
    made = []
    for percent in (-20, -10, -5, -2, 2, 5, 10, 20):
        by = 1 + percent / 100
        made.append(
            Transform(
                f"speed {percent:+d} %",
                "speed",
                lambda x, _, by=by: speed(x, by),
                pitch_semitones=12 * float(np.log2(by)),
                tempo_ratio=by,
            )
        )
    for semitones in (-6, -4, -2, -1, 1, 2, 4, 6):
        made.append(
            Transform(
                f"pitch {semitones:+d}",
                "pitch",
                lambda x, _, s=semitones: pitch(x, s),
                pitch_semitones=semitones,
            )
        )
    for percent in (-25, -10, -5, 5, 10, 25):
        by = 1 + percent / 100
        made.append(
            Transform(
                f"stretch {percent:+d} %",
                "stretch",
                lambda x, _, by=by: stretch(x, by),
                tempo_ratio=by,
            )
        )
    return made


def _together() -> list[Transform]:
    def apply(x: Samples, _: object, by: float, semitones: float) -> Samples:
        return codec(pitch(stretch(x, by), semitones), "mp3", 32_000)

    made = []
    for percent, semitones in ((8, 2), (-8, -2), (15, -3), (-15, 3)):
        by = 1 + percent / 100
        made.append(
            Transform(
                f"stretch {percent:+d} %, pitch {semitones:+d}, mp3",
                "stretch + pitch + mp3",
                lambda x, r, by=by, s=semitones: apply(x, r, by, s),
                pitch_semitones=semitones,
                tempo_ratio=by,
            )
        )
    return made


TRANSFORMS: tuple[Transform, ...] = (*_plain(), *_speeds(), *_together())
"""All but mixing, which needs another recording."""
