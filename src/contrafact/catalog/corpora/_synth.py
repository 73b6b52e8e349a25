"""Plays notes with a General MIDI soundfont, exact to the audio frame.

The soundfont is the one that the pretty_midi package carries; the synthesizer
is tinysoundfont. What is to be played is decided elsewhere.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from contrafact.catalog.corpora.base import SAMPLE_RATE
from contrafact.core.errors import CorpusError

__all__ = ["N_CHANNELS", "PlayedNote", "find_soundfont", "play"]

_SOUNDFONT = "TimGM6mb.sf2"
# The soundfont's recordings hold sound above 8 kHz, which would fold back into
# what is heard if the synthesizer ran at 16 kHz.
_RENDER_RATE = 2 * SAMPLE_RATE
_N_VOICES = 128
# A reset lets what sounded before die away within 10 ms, and that is thrown away.
_FLUSH_FRAMES = _RENDER_RATE // 10
N_CHANNELS = 9  # the tenth is for drums


class PlayedNote(NamedTuple):
    """One note as played: seconds, MIDI pitch, channel and velocity 1 to 127."""

    start_s: float
    end_s: float
    pitch: int
    channel: int
    velocity: int


def find_soundfont() -> Path:
    """Return the path of the soundfont, without importing its package.

    Raises:
        CorpusError: If pretty_midi is missing or carries none.
    """
    spec = importlib.util.find_spec("pretty_midi")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / _SOUNDFONT).is_file():
            return path
    raise CorpusError(
        f"The soundfont {_SOUNDFONT} was not found. It comes with a package: "
        "pip install pretty_midi==0.2.10"
    )


def play(
    notes: Sequence[PlayedNote], programs: Sequence[int], duration_s: float
) -> NDArray[np.float32]:
    """Render notes to mono audio at `SAMPLE_RATE`.

    Args:
        notes: In any order; those at or after the end are not heard.
        programs: General MIDI program, 0 to 127, of each channel from 0.
        duration_s: Length of the result in seconds.

    Returns:
        Audio, `(time,)`, at the synthesizer's own level.

    Raises:
        CorpusError: If the synthesizer or the soundfont is missing.
    """
    synth, font = _synth()
    synth.soundfonts[font].reset()
    _generate(synth, _FLUSH_FRAMES)
    for channel, program in enumerate(programs[:N_CHANNELS]):
        synth.program_select(channel, font, 0, program)
    n_frames = round(duration_s * _RENDER_RATE)
    parts, now = [], 0
    for frame, is_on, channel, pitch, velocity in _events(notes):
        if frame >= n_frames:
            break
        if frame > now:
            parts.append(_generate(synth, frame - now))
            now = frame
        if is_on:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    parts.append(_generate(synth, n_frames - now))
    return _to_sample_rate(np.concatenate(parts), round(duration_s * SAMPLE_RATE))


def _events(notes: Sequence[PlayedNote]) -> list[tuple[int, int, int, int, int]]:
    """Return (frame, 0 off or 1 on, channel, pitch, velocity), offs first."""
    events = []
    for start_s, end_s, pitch, channel, velocity in notes:
        start, end = round(start_s * _RENDER_RATE), round(end_s * _RENDER_RATE)
        events.append((start, 1, channel, pitch, velocity))
        events.append((max(end, start + 1), 0, channel, pitch, 0))
    return sorted(events)


def _generate(synth: Any, n_frames: int) -> NDArray[np.float32]:
    stereo = np.frombuffer(synth.generate_simple(n_frames), np.float32)
    mono: NDArray[np.float32] = stereo.reshape(-1, 2).mean(axis=1)
    return mono


def _to_sample_rate(audio: NDArray[np.float32], n_frames: int) -> NDArray[np.float32]:
    resampled = soxr.resample(audio, _RENDER_RATE, SAMPLE_RATE)
    result = np.zeros(n_frames, np.float32)
    result[: len(resampled)] = resampled[:n_frames]
    return result


@functools.cache
def _synth() -> tuple[Any, int]:
    """Return this process's synthesizer and the number of its soundfont."""
    try:
        from tinysoundfont import Synth
    except ImportError as error:
        raise CorpusError(
            "The synthesizer tinysoundfont is not installed. It runs without the "
            "PyAudio that it asks for: pip install --no-deps tinysoundfont==0.3.7"
        ) from error
    synth = Synth(samplerate=_RENDER_RATE)
    return synth, synth.sfload(str(find_soundfont()), max_voices=_N_VOICES)
