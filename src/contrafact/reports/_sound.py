"""Sounds cut, encoded for a browser, and outlined as a waveform."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import soundfile  # type: ignore[import-untyped,unused-ignore]
from numpy.typing import NDArray

from contrafact.reports.inputs import Sound

# Rates that MPEG audio layer III knows; others are kept exact as FLAC.
_MP3_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}
# 0 is best, 1 smallest. At 16 kHz this is about 6 kB a second.
_MP3_COMPRESSION = 0.6


def cut(sound: Sound, start_s: float, end_s: float) -> Sound:
    """Return the span of a sound, as much of it as there is."""
    if not (math.isfinite(start_s) and math.isfinite(end_s)):
        start_s, end_s = 0.0, 0.0
    start = max(round(start_s * sound.sample_rate), 0)
    end = max(round(end_s * sound.sample_rate), start)
    return Sound(samples=sound.samples[:, start:end], sample_rate=sound.sample_rate)


def mono(sound: Sound) -> NDArray[np.float32]:
    """Return the mean of the channels, finite, in [-1, 1], `(time,)`."""
    if sound.samples.size == 0:
        return np.zeros(0, np.float32)
    mixed = np.nan_to_num(sound.samples, nan=0.0, posinf=1.0, neginf=-1.0).mean(axis=0)
    clipped: NDArray[np.float32] = np.clip(mixed, -1, 1).astype(np.float32)
    return clipped


def data_uri(sound: Sound) -> str:
    """Return the sound as a `data:` URI that every current browser plays.

    Mono MP3 where the format knows the sample rate, else FLAC. Ogg is not
    used: its random stream serial would make each report's bytes differ.

    Returns:
        The URI, or an empty string for a sound without samples.
    """
    samples = mono(sound)
    if samples.size == 0:
        return ""
    buffer = io.BytesIO()
    if sound.sample_rate in _MP3_RATES and "MP3" in soundfile.available_formats():
        kind, mime = "MP3", "audio/mpeg"
        soundfile.write(
            buffer,
            samples,
            sound.sample_rate,
            format=kind,
            bitrate_mode="VARIABLE",
            compression_level=_MP3_COMPRESSION,
        )
    else:
        mime = "audio/flac"
        soundfile.write(buffer, samples, sound.sample_rate, format="FLAC")
    return f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def outline(sound: Sound, n_bins: int) -> str:
    """Return the waveform as an SVG path in the box (0, -100) to (n_bins, 100).

    The peak of each bin, mirrored; scaled to the loudest one, so that a quiet
    song is seen too. Silence is a thin line.
    """
    samples = np.abs(mono(sound))
    if samples.size == 0:
        samples = np.zeros(1, np.float32)
    starts = np.linspace(0, samples.size, n_bins, endpoint=False).astype(int)
    peaks = np.maximum.reduceat(samples, starts)
    loudest = float(peaks.max())
    heights = peaks / loudest if loudest > 0 else peaks
    levels = np.maximum(np.rint(96 * heights), 1).astype(int)
    # One bar of 0.6 width each: reads well at any size and prints crisply.
    return "".join(f"M{i}.5 {-h}V{h}" for i, h in enumerate(levels.tolist()))
