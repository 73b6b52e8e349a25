"""Block by block from bytes to numbers: libsndfile first, FFmpeg for the rest.

Decoders hand out float32 blocks `(channel, time)` and never hold a whole
recording. Limits, mixing and resampling belong to `audio.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from contrafact.catalog._containers import (
    Container,
    Declared,
    identify,
    read_declared,
)
from contrafact.core.errors import AudioError
from contrafact.core.units import Seconds

__all__ = ["AudioInfo", "Block", "Decoder", "Interrupted", "open_decoder"]

Block = NDArray[np.float32]

_N_FRAMES = 1 << 14
_UNKNOWN = 1 << 60
_MP3_NEAR_S = 60.0
_PREROLL_S = 1.0
"""How far before its place a lossy decoder starts, to have settled there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    """What the header of an audio file says.

    Attributes:
        duration_s: Length by the header; 0 where the header does not say.
        sample_rate: In Hz.
        codec: Lower-case name, such as `pcm_16`, `vorbis` or `aac`.
        is_cut: Whether the bytes are known to end before the recording does.
    """

    duration_s: Seconds
    sample_rate: int
    n_channels: int
    codec: str
    is_cut: bool = False


class Interrupted(Exception):  # noqa: N818 - a signal inside this package
    """The bytes stopped making sense before the end."""


class Decoder(Protocol):
    """An opened audio file."""

    path: Path
    container: Container
    declared: Declared
    info: AudioInfo

    def blocks(self, start: int = 0) -> Iterator[Block]:
        """Yield `(channel, time)` blocks from frame `start` to the end.

        Raises:
            Interrupted: If the data stops making sense.
        """


def open_decoder(path: str | Path) -> Decoder:
    """Open an audio file by its content.

    Raises:
        AudioError: If it is empty, not audio, or cannot be read.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise AudioError(f"{path} is empty: it has 0 bytes. Copy it again.")
        container = identify(path)
        if container is None:
            raise AudioError(
                f"{path} is not audio that can be read: expected WAV, FLAC, MP3, "
                "Ogg or M4A content. Convert it or leave it out."
            )
        return _open_as(path, container, read_declared(path, container))
    except OSError as error:
        raise AudioError(
            f"Cannot read {path}: {error.strerror or error}. Check the path."
        ) from error


def _open_as(path: Path, container: Container, declared: Declared) -> Decoder:
    # libsndfile's MP3 decoder writes to stderr about files that were cut off, and
    # leaves out what others play after the end that a header gives.
    is_odd = container.name == "MP3" and (declared.is_cut or declared.goes_on)
    if not is_odd:
        try:
            return _SoundfileDecoder(path, container, declared)
        except soundfile.LibsndfileError:
            pass  # FFmpeg reads more kinds of file; it says what is wrong.
    try:
        return _FfmpegDecoder(path, container, declared)
    except (av.FFmpegError, ValueError, LookupError) as error:
        raise AudioError(
            f"{path} cannot be decoded: it starts like {container.name} but is "
            "damaged or holds no audio. Copy it again from its source."
        ) from error


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read on, block after block.

    soundfile seeks to where it is after every block it reads, which makes
    lossy decoders start anew there, with audible faults; unless it is told
    that the file cannot seek.
    """

    def seekable(self) -> bool:
        return False


class _SoundfileDecoder:
    """WAV, FLAC, Ogg, MP3 and AIFF through libsndfile."""

    def __init__(self, path: Path, container: Container, declared: Declared) -> None:
        self.path, self.container = path, container
        with soundfile.SoundFile(os.fsencode(path)) as file:
            # libsndfile says 2^63 - 1 where a FLAC header leaves the length open.
            n_frames = file.frames if file.frames < _UNKNOWN else 0
            # An estimate of MP3 length without a header proves nothing.
            is_exact = n_frames > 0 and container.name in ("FLAC", "AIFF")
            self.declared = Declared(n_frames=n_frames) if is_exact else declared
            self.info = AudioInfo(
                duration_s=n_frames / file.samplerate,
                sample_rate=file.samplerate,
                n_channels=file.channels,
                codec=_codec(file.format, file.subtype),
                is_cut=self.declared.is_cut,
            )

    def blocks(self, start: int = 0) -> Iterator[Block]:
        try:
            with _Stream(os.fsencode(self.path)) as file:
                if start >= file.frames:
                    return
                early = self._seek_before(file, start)
                for block in _read_all(file):
                    if block.shape[1] > early:
                        yield block[:, early:]
                    early = max(0, early - block.shape[1])
        except soundfile.LibsndfileError as error:
            raise Interrupted(str(error)) from error

    def _seek_before(self, file: soundfile.SoundFile, start: int) -> int:
        """Seek to `start` or before; return how many frames before."""
        early = 0
        if self.container.name == "MP3":
            # An MP3 frame borrows bits from frames before it, and a seek near
            # the start decodes wrongly, with noise on stderr.
            is_near = start < _MP3_NEAR_S * file.samplerate
            early = start if is_near else round(_PREROLL_S * file.samplerate)
        file.seek(start - early)
        return early


def _codec(container: str, subtype: str) -> str:
    if container in ("FLAC", "MP3"):
        return container.lower()
    return subtype.lower()


def _read_all(file: soundfile.SoundFile) -> Iterator[Block]:
    while True:
        block = file.read(_N_FRAMES, dtype="float32", always_2d=True)
        if not len(block):
            return
        yield np.ascontiguousarray(block.T)


class _FfmpegDecoder:
    """M4A, AAC, ALAC, Matroska, and what libsndfile refuses, through PyAV."""

    def __init__(self, path: Path, container: Container, declared: Declared) -> None:
        self.path, self.container = path, container
        with self._open() as opened:
            stream = opened.streams.audio[0]
            frame = next(iter(opened.decode(stream)), None)
            if frame is None:
                raise LookupError("no audio frame")
            duration_s = _stream_duration(stream, opened)
            # Only MP4 states its length in an index; the others are estimates.
            if container.name == "MP4" and stream.duration:
                declared = Declared(n_frames=round(duration_s * frame.sample_rate))
            self.declared = declared
            self._origin_s = float(frame.time or 0.0)
            self.info = AudioInfo(
                duration_s=duration_s,
                sample_rate=frame.sample_rate,
                n_channels=frame.layout.nb_channels,
                codec=stream.codec_context.codec.canonical_name,
                is_cut=declared.is_cut,
            )

    def _open(self) -> Any:
        return av.open(str(self.path), format=self.container.demuxer)

    def blocks(self, start: int = 0) -> Iterator[Block]:
        try:
            with self._open() as opened:
                yield from self._decode(opened, start)
        except av.FFmpegError as error:
            raise Interrupted(str(error)) from error

    def _decode(self, opened: Any, start: int) -> Iterator[Block]:
        stream = opened.streams.audio[0]
        position = None
        early_s = start / self.info.sample_rate - _PREROLL_S
        # Only MP4 has time stamps that are exact to the sample.
        if self.container.name == "MP4" and early_s > 0:
            seconds = early_s + self._origin_s
            opened.seek(int(seconds / stream.time_base), stream=stream)
        else:
            position = 0
        for frame in opened.decode(stream):
            block = self._block(frame)
            if position is None:
                seconds = float(frame.time or 0.0) - self._origin_s
                position = round(seconds * self.info.sample_rate)
            if position + block.shape[1] > start:
                yield block[:, max(0, start - position) :]
            position += block.shape[1]

    def _block(self, frame: Any) -> Block:
        n_channels = frame.layout.nb_channels
        expected = (self.info.sample_rate, self.info.n_channels)
        if (frame.sample_rate, n_channels) != expected:
            raise AudioError(
                f"{self.path} changes its sample rate or channel count on the way. "
                "Convert it to one format."
            )
        numbers = frame.to_ndarray()
        if not frame.format.is_planar:
            numbers = numbers.reshape(-1, n_channels).T
        return _to_float(numbers)


def _stream_duration(stream: Any, opened: Any) -> Seconds:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return opened.duration / av.time_base if opened.duration else 0.0


def _to_float(numbers: NDArray[Any]) -> Block:
    if numbers.dtype == np.uint8:
        return np.asarray((numbers.astype(np.float32) - 128) / 128, dtype=np.float32)
    if numbers.dtype.kind == "i":
        full_scale = float(-np.iinfo(numbers.dtype).min)
        return np.asarray(numbers / full_scale, dtype=np.float32)
    return np.asarray(numbers, dtype=np.float32)
