"""From audio to notes, with the network that basic-pitch carries.

Only the network is used, `nmp.onnx`, which holds its own constant-Q front end;
nothing of the package is imported, so that it need not be importable. How its
answers become notes is decided here.

References:
    Bittner et al., "A lightweight instrument-agnostic model for polyphonic note
    transcription and multipitch estimation", ICASSP 2022.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from pathlib import Path
from typing import Any, Self

import numpy as np
import soxr
from numpy.typing import NDArray

from contrafact.core.errors import MatchingError
from contrafact.matching.versions.notes import Notes

__all__ = ["SAMPLE_RATE", "WINDOW_S", "Hearing", "find_network", "transcribe"]

SAMPLE_RATE = 16_000

_NETWORK = Path("saved_models", "icassp_2022", "nmp.onnx")
_RATE = 22_050  # of the network
_FRAME = 256
_FRAME_S = _FRAME / _RATE
_WINDOW = 43_844
_CONTEXT = 16  # frames at each end of a window that are not used
_HOP = 140  # frames from one window to the next
WINDOW_S = _HOP * _FRAME / _RATE
"""Time from one window of the network to the next, about 1.6 s."""
# What is heard at once, at `SAMPLE_RATE`: 63 windows, 102.4 s, a whole number at both
# rates; and how much is heard around it.
_BLOCK = 63 * _HOP * _FRAME * 320 // 441
_MARGIN = 2 * SAMPLE_RATE
_FIRST_PITCH = 21

_SILENT = 1e-4  # RMS; a window below is not looked at
_ONSET, _ACTIVE = 0.5, 0.3
_GAP = 11  # frames a note may fall silent for, 128 ms
_SHORTEST = 6  # frames of a note, 70 ms


def transcribe(samples: NDArray[np.float32]) -> Notes:
    """Return the notes heard in audio.

    Args:
        samples: Mono, `(time,)`, at `SAMPLE_RATE`, finite.

    Returns:
        The notes in order of onset, whatever the instruments; none in silence.

    Raises:
        MatchingError: If the network cannot be found or run.
    """
    blocks = []
    for start in range(0, len(samples), _BLOCK):
        audio, offset = _resampled(samples, start)
        n_here = min(len(samples) - start, _BLOCK)
        hearing = Hearing(audio, offset, n_windows=_n_windows(n_here))
        blocks.append(hearing.notes().shifted(start / SAMPLE_RATE))
    return Notes.joined(blocks)


class Hearing:
    """A piece of audio of which more and more is heard, nothing twice."""

    def __init__(
        self, audio: NDArray[np.float32], offset: int, *, n_windows: int
    ) -> None:
        """Hear nothing yet.

        Args:
            audio: At the rate of the network.
            offset: Sample at which the first window begins.
            n_windows: How many there are, one each `WINDOW_S`.
        """
        self.n_windows = n_windows
        self._audio, self._offset = audio, offset
        self._heard: dict[int, list[NDArray[np.float32]]] = {}

    @classmethod
    def of(cls, samples: NDArray[np.float32]) -> Self:
        """Return what hears samples at `SAMPLE_RATE`, at most 102 s."""
        audio, offset = _resampled(samples[:_BLOCK], 0)
        return cls(audio, offset, n_windows=_n_windows(min(len(samples), _BLOCK)))

    def notes(self, first: int = 0, last: int | None = None) -> Notes:
        """Return the notes in some windows, times counted from the first of them.

        Raises:
            MatchingError: If the network cannot be found or run.
        """
        which = range(first, self.n_windows if last is None else last)
        for i in which:
            if i not in self._heard:
                start = self._offset + i * _HOP * _FRAME
                self._heard[i] = _listen(self._audio, start)
        heard = (self._heard[i] for i in which)
        onset, active = (np.concatenate(each) for each in zip(*heard, strict=True))
        return _notes(onset, active)


def _n_windows(n_samples: int) -> int:
    return math.ceil(n_samples / SAMPLE_RATE * _RATE / (_HOP * _FRAME))


def _resampled(
    samples: NDArray[np.float32], start: int
) -> tuple[NDArray[np.float32], int]:
    """Return a block at the network's rate, with what is around, and where it begins.

    So that hours of audio need no more memory than minutes.
    """
    before = min(start, _MARGIN)
    piece = samples[start - before : start + _BLOCK + _MARGIN]
    audio: NDArray[np.float32] = soxr.resample(piece, SAMPLE_RATE, _RATE)
    return audio, before * _RATE // SAMPLE_RATE


def find_network() -> Path:
    """Return the path of the network, without importing its package.

    Raises:
        MatchingError: If basic-pitch is missing or carries none.
    """
    spec = importlib.util.find_spec("basic_pitch")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / _NETWORK).is_file():
            return path
    raise MatchingError(
        "The network that hears notes was not found. It comes with a package that "
        "works here without what it asks for: pip install --no-deps basic-pitch==0.4.0"
    )


def _listen(audio: NDArray[np.float32], start: int) -> list[NDArray[np.float32]]:
    """Return onset and activity of each pitch, `(frame, pitch)`, from `start` on."""
    start -= _CONTEXT * _FRAME
    window = np.zeros(_WINDOW, np.float32)
    piece = audio[max(start, 0) : start + _WINDOW]
    window[max(-start, 0) : max(-start, 0) + len(piece)] = piece
    # The network scales each window to its own loudest: of noise it makes notes.
    if float(np.sqrt(np.mean(np.square(window)))) < _SILENT:
        return [np.zeros((_HOP, 88), np.float32)] * 2
    session, name, outputs = _session()
    heard = session.run(outputs, {name: window[None, :, None]})
    return [each[0, _CONTEXT : _CONTEXT + _HOP] for each in heard]


def _notes(onset: NDArray[np.float32], active: NDArray[np.float32]) -> Notes:
    """Return a note for each peak of `onset`, as long as its pitch is active."""
    before = np.pad(onset, ((1, 0), (0, 0)))[:-1]
    after = np.pad(onset, ((0, 1), (0, 0)))[1:]
    is_peak = (onset >= _ONSET) & (onset > before) & (onset >= after)
    rows = []
    for pitch in np.flatnonzero(is_peak.any(axis=0)):
        starts = np.flatnonzero(is_peak[:, pitch])
        ends = np.append(starts[1:], len(onset))
        for start, limit in zip(starts, ends, strict=True):
            curve = active[start:limit, pitch]
            length = _length(curve)
            if length >= _SHORTEST:
                loudness = float(curve[:length].mean())
                rows.append((start, start + length, pitch, loudness))
    table = np.array(sorted(rows), np.float64).reshape(-1, 4)
    return Notes(
        start_s=table[:, 0] * _FRAME_S,
        end_s=table[:, 1] * _FRAME_S,
        pitch=table[:, 2].astype(np.int16) + _FIRST_PITCH,
        strength=table[:, 3].astype(np.float32),
    )


def _length(curve: NDArray[np.float32]) -> int:
    """Return for how many frames the pitch sounds before it falls silent."""
    sounding = np.flatnonzero(curve >= _ACTIVE)
    if not len(sounding):
        return 0
    breaks = np.flatnonzero(np.diff(sounding) > _GAP)
    return int(sounding[breaks[0]] if len(breaks) else sounding[-1]) + 1


@functools.cache
def _session() -> tuple[Any, str, list[str]]:
    """Return this process's network, the name of its input and of two outputs."""
    path = find_network()
    try:
        import onnxruntime
    except ImportError as error:
        raise MatchingError(
            "Notes are heard with onnxruntime, which is not installed: "
            'pip install "contrafact[transcription]"'
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    # In this order: onset, then activity; the third output is not needed.
    outputs = ["StatefulPartitionedCall:2", "StatefulPartitionedCall:1"]
    return session, session.get_inputs()[0].name, outputs
