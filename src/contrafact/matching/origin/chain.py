"""One chain for every recording: decode, one channel, one rate, loudness, band.

Generators and people alike go through it, at enrolment and when asked, so that
neither sample rate nor loudness nor length tells them apart. What lies above
the band is never looked at: many uploads have nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.audio import read_audio, read_info
from contrafact.core.errors import AudioError
from contrafact.core.units import Seconds

__all__ = ["MIN_S", "RATE", "Channel", "Prepared", "prepare", "prepare_samples"]

RATE = 16_000
"""Of everything that is compared, Hz."""
MIN_S: Seconds = 4.0
"""Shorter sound is not judged: too few frames to average the music out."""
_MAX_S: Seconds = 60.0
_LOUDNESS = 0.05
_SILENT = 1e-4
_ALIKE = 0.3
"""Below this correlation the channels are heard one by one."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channel:
    """One channel of sound after the chain.

    Attributes:
        name: `mix`, or `left` and `right` where they differ.
        samples: `(time,)`, at `RATE`, root mean square 0.05.
    """

    name: str
    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A recording after the chain.

    Attributes:
        channels: One, or two where the channels have little in common.
        native_rate: What the file's header says, Hz; for descriptions alone.
        duration_s: Of what was heard, at most the middle 60 s.
    """

    channels: tuple[Channel, ...]
    native_rate: int
    duration_s: Seconds


def prepare(path: str | Path) -> Prepared:
    """Read a file through the chain.

    Raises:
        AudioError: If it cannot be read, is silent, or shorter than 4 s.
    """
    info = read_info(path)
    start_s = max(0.0, (info.duration_s - _MAX_S) / 2)
    audio = read_audio(
        path, sample_rate=RATE, mono=False, start_s=start_s, duration_s=_MAX_S
    )
    return prepare_samples(audio.samples, name=str(path), native_rate=info.sample_rate)


def prepare_samples(
    samples: Samples, *, name: str = "the sound", native_rate: int = RATE
) -> Prepared:
    """Bring sound at `RATE`, `(channel, time)`, into the form that is compared.

    Raises:
        AudioError: If it is silent or shorter than 4 s.
    """
    duration_s = samples.shape[1] / RATE
    if duration_s < MIN_S:
        raise AudioError(
            f"{name} has {duration_s:.1f} s of sound; at least {MIN_S:g} s are "
            "needed to tell what made it. Give a longer recording."
        )
    if float(np.abs(samples).max(initial=0.0)) < _SILENT:
        raise AudioError(
            f"{name} is silent where it was listened to. Choose another recording."
        )
    channels = tuple(
        Channel(name=label, samples=_at_loudness(row)) for label, row in _rows(samples)
    )
    return Prepared(channels=channels, native_rate=native_rate, duration_s=duration_s)


def _rows(samples: Samples) -> list[tuple[str, Samples]]:
    if samples.shape[0] == 1:
        return [("mix", samples[0])]
    left, right = samples[0], samples[1]
    powers = float(left @ left), float(right @ right)
    if min(powers) < 1e-6 * max(powers):
        return [("mix", left if powers[0] > powers[1] else right)]
    if float(left @ right) < _ALIKE * (powers[0] * powers[1]) ** 0.5:
        return [("left", left), ("right", right)]
    return [("mix", samples.mean(axis=0))]


def _at_loudness(row: Samples) -> Samples:
    level = float(np.sqrt(np.mean(np.square(row, dtype=np.float64))))
    return np.asarray(row * (_LOUDNESS / max(level, 1e-12)), np.float32)
