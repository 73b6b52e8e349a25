"""Small sounds made on the fly, in every format that is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace

SOUNDFILE_KINDS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}
FFMPEG_KINDS = {".m4a": ("ipod", "aac"), ".mka": ("matroska", "libopus")}


def tone(
    *, seconds: float = 1.0, rate: int = 16_000, n_channels: int = 1, pitch: float = 440
) -> np.ndarray:
    """Return a steady tone, `(channel, time)`; every channel is softer."""
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * pitch * time)
    return np.stack([wave / (1 + c) for c in range(n_channels)]).astype(np.float32)


def encode_with_ffmpeg(
    path: Path, samples: np.ndarray, rate: int, **options: str
) -> None:
    """Write M4A or Matroska through FFmpeg's encoders."""
    container, codec = FFMPEG_KINDS[path.suffix]
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w", format=container, options=options) as output:
        stream: Any = output.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, stream.layout, rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))


@pytest.fixture
def sound(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a tone in the format of the name's suffix."""

    def make(
        name: str, *, samples: Any = None, rate: int = 16_000, **shape: Any
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = tone(rate=rate, **shape) if samples is None else samples
        if path.suffix in FFMPEG_KINDS:
            encode_with_ffmpeg(path, wave, rate)
        else:
            kind, subtype = SOUNDFILE_KINDS[path.suffix]
            soundfile.write(path, wave.T, rate, format=kind, subtype=subtype)
        return path

    return make


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a new, empty workspace."""
    return Workspace.init(tmp_path / "workspace")
