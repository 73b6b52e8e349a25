"""Decoding a whole recording once to learn the facts about it.

Facts are collected here and judged here; whether a recording enters the
catalog is decided in `ingest.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contrafact.catalog._decode import Block, Decoder, Interrupted, open_decoder
from contrafact.core.entities import Problem
from contrafact.core.errors import AudioError
from contrafact.core.units import Seconds

__all__ = [
    "MAX_DURATION_S",
    "SILENT_BELOW",
    "AudioFacts",
    "audio_problems",
    "is_cut_short",
    "probe_audio",
]

MAX_DURATION_S: Seconds = 12 * 3600.0

SILENT_BELOW = 1e-4
"""Peak of -80 dB: above the dither of 16 bits, below anything audible."""
_CEILING = 0.9999
_CLIPPED_ABOVE = 0.02
"""A full-scale sine spends 1 % of its time at the ceiling; clipping, more."""
_SLACK_S = 0.25
"""Lossy coders drop their own delay and padding from the declared length."""
_LOSSLESS = ("WAV", "FLAC", "AIFF")


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """What decoding a whole file found.

    Attributes:
        duration_s: Exact decoded length.
        declared_s: Length by the header; None where it does not say.
        sample_rate: In Hz.
        codec: Lower-case name, such as `pcm_16`, `vorbis` or `aac`.
        container: Kind of file by its content, such as `FLAC`.
        suffix: The usual suffix of that kind.
        peak: Largest absolute value, 1 at full scale; NaN left out.
        clipped_fraction: Part of the values at full scale, in [0, 1].
        n_not_finite: How many values are NaN or infinite.
        is_truncated: Whether the data ends before the header says.
        is_mislabelled: Whether the name's suffix is that of another kind.
    """

    path: str
    duration_s: Seconds
    declared_s: Seconds | None
    sample_rate: int
    n_channels: int
    codec: str
    container: str
    suffix: str
    peak: float
    clipped_fraction: float
    n_not_finite: int
    is_truncated: bool
    is_mislabelled: bool

    @property
    def is_silent(self) -> bool:
        """Whether nothing in it can be heard."""
        return self.peak < SILENT_BELOW

    @property
    def is_clipped(self) -> bool:
        """Whether more of it lies at full scale than undistorted sound would."""
        return self.clipped_fraction > _CLIPPED_ABOVE


class _Tally:
    """Running counts over the blocks of one file."""

    def __init__(self) -> None:
        self.n_frames = self.n_values = self.n_clipped = self.n_not_finite = 0
        self.peak = 0.0

    def add(self, block: Block) -> None:
        magnitude = np.abs(block)
        peak = float(magnitude.max(initial=0.0))
        if not np.isfinite(peak):
            is_finite = np.isfinite(magnitude)
            self.n_not_finite += int(magnitude.size - is_finite.sum())
            magnitude = np.where(is_finite, magnitude, 0)
            peak = float(magnitude.max(initial=0.0))
        self.peak = max(self.peak, peak)
        if peak >= _CEILING:
            self.n_clipped += int((magnitude >= _CEILING).sum())
        self.n_values += block.size
        self.n_frames += block.shape[1]


def probe_audio(
    path: str | Path, *, max_duration_s: Seconds = MAX_DURATION_S
) -> AudioFacts:
    """Decode a file once, block by block, and return the facts about it.

    Args:
        path: WAV, FLAC, MP3, Ogg Vorbis or Opus, M4A; told by its content.
        max_duration_s: Give up beyond this length.

    Raises:
        AudioError: If it is empty, not audio, damaged from the start, or too
            long. Whatever can be decoded is described by facts instead.
    """
    decoder = open_decoder(path)
    tally, is_interrupted = _Tally(), False
    n_most = round(max_duration_s * decoder.info.sample_rate)
    try:
        for block in decoder.blocks():
            tally.add(block)
            if tally.n_frames > n_most:
                raise AudioError(
                    f"{path} is longer than {max_duration_s / 3600:g} h, the most "
                    "that is taken. Split it."
                )
    except Interrupted:
        is_interrupted = True
    return _facts(decoder, tally, is_interrupted=is_interrupted)


def _facts(decoder: Decoder, tally: _Tally, *, is_interrupted: bool) -> AudioFacts:
    info, container, declared = decoder.info, decoder.container, decoder.declared
    n_declared = declared.n_frames
    return AudioFacts(
        path=str(decoder.path),
        duration_s=tally.n_frames / info.sample_rate,
        declared_s=None if n_declared is None else n_declared / info.sample_rate,
        sample_rate=info.sample_rate,
        n_channels=info.n_channels,
        codec=info.codec,
        container=container.name,
        suffix=container.suffixes[0],
        peak=tally.peak,
        clipped_fraction=tally.n_clipped / max(1, tally.n_values),
        n_not_finite=tally.n_not_finite,
        is_truncated=is_interrupted or is_cut_short(decoder, tally.n_frames),
        is_mislabelled=decoder.path.suffix.lower() not in container.suffixes,
    )


def is_cut_short(decoder: Decoder, n_frames: int) -> bool:
    """Tell whether `n_frames` decoded are fewer than the header promised."""
    slack_s = 0.0 if decoder.container.name in _LOSSLESS else _SLACK_S
    n_slack = slack_s * decoder.info.sample_rate
    n_declared = decoder.declared.n_frames or 0
    return decoder.declared.is_cut or n_frames + n_slack < n_declared


def _unusable_reason(facts: AudioFacts) -> str | None:
    """Return why the audio is of no use, or None if it can be used."""
    if facts.is_truncated:
        declared = "" if facts.declared_s is None else f" of {facts.declared_s:.2f} s"
        return (
            f"it is cut off: {facts.duration_s:.2f} s{declared} can be decoded. "
            "Copy it again from its source."
        )
    if facts.duration_s == 0:
        return "it holds 0 samples. Export it again."
    if facts.n_not_finite:
        return f"{facts.n_not_finite} values are NaN or infinite. Export it again."
    if facts.is_silent:
        return f"it is silent: its peak is {facts.peak:.1e}. Leave it out."
    return None


def audio_problems(facts: AudioFacts, *, source: str | None = None) -> list[Problem]:
    """Return what is wrong with a recording, by the facts about it.

    Truncated, empty, silent and NaN audio is fatal; clipping and a suffix that
    does not fit the content are not.

    Args:
        facts: What `probe_audio` found.
        source: What to call it; the path that was probed if None.
    """
    source = facts.path if source is None else source
    reason = _unusable_reason(facts)
    problems = [Problem(source=source, message=reason)] if reason else []
    if facts.is_mislabelled:
        message = (
            f"its name ends in '{Path(facts.path).suffix}' but it is "
            f"{facts.container}; read as {facts.container}. Rename it."
        )
        problems.append(Problem(source=source, message=message, is_fatal=False))
    if facts.is_clipped:
        message = (
            f"clipped: {facts.clipped_fraction:.1%} of it lies at full scale. "
            "Use an unclipped copy if there is one."
        )
        problems.append(Problem(source=source, message=message, is_fatal=False))
    return problems
