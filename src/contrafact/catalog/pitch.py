"""Changes the pitch of sound and leaves its tempo, by the filters of FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from numpy.typing import NDArray

from contrafact.catalog.audio import Audio

__all__ = ["change_pitch"]

Block = NDArray[np.float32]

_PIECE = 65_536  # frames handed over at a time


def change_pitch(audio: Audio, semitones: float) -> Audio:
    """Return the sound at another pitch, its tempo and length as they were.

    It is played faster or slower, then stretched back by overlapping waveforms
    that fit (WSOLA); short sounds smear by some tens of milliseconds.

    Args:
        audio: Of any number of channels.
        semitones: How much higher; negative for lower, in [-12, 12].

    Raises:
        ValueError: If more than an octave is asked for.

    References:
        Verhelst and Roelands, "An overlap-add technique based on waveform
        similarity (WSOLA)", ICASSP 1993; FFmpeg's filter `atempo`.
    """
    if not -12 <= semitones <= 12:
        raise ValueError(f"semitones must be in [-12, 12]; found {semitones}.")
    if semitones == 0:
        return audio
    wanted = audio.samples.shape[1]
    rows = []
    for channel in audio.samples:
        pieces = list(_changed(channel, audio.sample_rate, semitones))
        # Of a few samples nothing may come out.
        found = np.concatenate([np.zeros(0, np.float32), *pieces])[:wanted]
        rows.append(np.pad(found, (0, wanted - len(found))))
    return Audio(samples=np.stack(rows), sample_rate=audio.sample_rate)


def _changed(channel: Block, rate: int, semitones: float) -> Iterator[Block]:
    """Yield one channel at another pitch, piece by piece."""
    # The graph is named, for its steps die with it.
    _graph, source, sink = _chain(rate, 2 ** (semitones / 12))
    for start in range(0, len(channel), _PIECE):
        piece = np.ascontiguousarray(channel[None, start : start + _PIECE])
        frame = av.AudioFrame.from_ndarray(piece, "flt", "mono")
        frame.sample_rate, frame.pts = rate, start
        source.push(frame)
        yield from _pulled(sink)
    source.push(None)
    yield from _pulled(sink)


def _chain(rate: int, factor: float) -> tuple[Graph, FilterContext, FilterContext]:
    """Return a graph that makes sound `factor` times as high, its start and end."""
    # A stated rate is a whole number; the tempo makes up for what it is not.
    stated = round(rate * factor)
    graph = Graph()
    first = graph.add(
        "abuffer",
        f"sample_rate={rate}:sample_fmt=flt:channel_layout=mono:time_base=1/{rate}",
    )
    last = first
    for name, value in (
        ("asetrate", f"{stated}"),
        ("atempo", f"{rate / stated:.9f}"),
        ("aresample", f"{rate}"),
        ("aformat", "sample_fmts=flt"),
        ("abuffersink", None),
    ):
        step = graph.add(name, value)
        last.link_to(step)
        last = step
    graph.configure()
    return graph, first, last


def _pulled(sink: FilterContext) -> Iterator[Block]:
    """Yield what is ready."""
    while True:
        try:
            frame = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, av.AudioFrame)  # of the graph's own making
        yield frame.to_ndarray()[0]
