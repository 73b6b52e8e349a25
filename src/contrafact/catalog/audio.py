"""Reading and writing audio: any common file in, WAV or FLAC out.

Reading streams: a part of a ten-hour recording costs the memory of the part.
Tags are read and written here too. What a recording means is not known here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from contrafact.catalog._decode import (
    AudioInfo,
    Block,
    Decoder,
    Interrupted,
    open_decoder,
)
from contrafact.catalog._probe import (
    MAX_DURATION_S,
    SILENT_BELOW,
    AudioFacts,
    audio_problems,
    is_cut_short,
    probe_audio,
)
from contrafact.catalog._tags import add_tags, read_tags
from contrafact.catalog.atomic import storage_errors, write_bytes
from contrafact.core.errors import AudioError
from contrafact.core.units import Seconds

__all__ = [
    "MAX_DURATION_S",
    "Audio",
    "AudioFacts",
    "AudioInfo",
    "audio_problems",
    "check_suffix",
    "container_of",
    "encode_audio",
    "probe_audio",
    "read_audio",
    "read_info",
    "read_tags",
    "write_audio",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audio:
    """Sound in memory.

    Attributes:
        samples: `(channel, time)`, float32, full scale at 1.
        sample_rate: In Hz.
    """

    samples: NDArray[np.float32]
    sample_rate: int

    @property
    def duration_s(self) -> Seconds:
        """Its length in seconds."""
        n_frames: int = self.samples.shape[1]
        return n_frames / self.sample_rate


def read_info(path: str | Path) -> AudioInfo:
    """Return what the header of an audio file says, without decoding it all.

    Raises:
        AudioError: If it is empty, not audio, or cannot be read.
    """
    return open_decoder(path).info


def container_of(path: str | Path) -> str:
    """Return the kind of audio file by its content: `WAV`, `FLAC`, `MP3`, `Ogg`...

    Raises:
        AudioError: If it is empty, not audio, or cannot be read.
    """
    return open_decoder(path).container.name


def read_audio(
    path: str | Path,
    *,
    sample_rate: int | None = None,
    mono: bool = True,
    start_s: Seconds = 0.0,
    duration_s: Seconds | None = None,
    max_duration_s: Seconds = MAX_DURATION_S,
    allow_cut: bool = False,
) -> Audio:
    """Decode an audio file, or a part of it.

    The kind of file is told by its content, not its name.

    Args:
        path: WAV, FLAC, MP3, Ogg Vorbis or Opus, M4A.
        sample_rate: Resample to this rate in Hz; keep the file's if None.
        mono: Mix all channels down to one, by their mean.
        start_s: Where the part starts; at or above 0.
        duration_s: Length of the part; to the end if None. Less is returned
            if the recording ends before.
        max_duration_s: Refuse to hold more than this in memory.
        allow_cut: Return what can be decoded of a file that is cut off.

    Returns:
        The sound, `(1, time)` if `mono`, else `(channel, time)`.

    Raises:
        AudioError: If the file is empty, not audio, cut off, too long or, read
            whole, silent; if the part holds no samples, NaN or infinity.
    """
    decoder = open_decoder(path)
    part = _Part(decoder, start_s=start_s, duration_s=duration_s, most_s=max_duration_s)
    rate = decoder.info.sample_rate
    blocks = _mixed(part) if mono else iter(part)
    if sample_rate is not None and sample_rate != rate:
        n_channels = 1 if mono else decoder.info.n_channels
        blocks = _resampled(blocks, rate, sample_rate, n_channels=n_channels)
    gathered = list(blocks)
    part.require_whole(allow_cut=allow_cut)
    samples = np.concatenate(gathered, axis=1)
    del gathered
    _require_usable(samples, path, is_all=part.is_all)
    return Audio(samples=np.ascontiguousarray(samples), sample_rate=sample_rate or rate)


class _Part:
    """The blocks of a part of a recording, and what reading them showed."""

    def __init__(
        self,
        decoder: Decoder,
        *,
        start_s: Seconds,
        duration_s: Seconds | None,
        most_s: Seconds,
    ) -> None:
        self._decoder, self._start_s, self._most_s = decoder, start_s, most_s
        self._is_open = duration_s is None
        self._rate = decoder.info.sample_rate
        known_s = decoder.info.duration_s - start_s
        if (known_s if duration_s is None else duration_s) > most_s:
            raise self._too_long()
        self._first = round(start_s * self._rate)
        wanted_s = most_s if duration_s is None else duration_s
        self._n_wanted = round(wanted_s * self._rate)
        self._n_read = 0
        self._is_interrupted = self._has_more = False

    def _too_long(self) -> AudioError:
        return AudioError(
            f"{self._decoder.path} is longer than {self._most_s / 3600:g} h, the most "
            "that is read at once. Read a part of it."
        )

    @property
    def is_all(self) -> bool:
        """Whether the part is the whole recording."""
        return self._first == 0 and not self._has_more

    def __iter__(self) -> Iterator[Block]:
        try:
            for block in self._decoder.blocks(self._first):
                n_left = self._n_wanted - self._n_read
                self._has_more = block.shape[1] > n_left
                if n_left > 0:
                    self._n_read += min(n_left, block.shape[1])
                    yield block[:, :n_left]
                if self._has_more:
                    return
        except Interrupted:
            self._is_interrupted = True

    def require_whole(self, *, allow_cut: bool) -> None:
        """Raise an `AudioError` unless what was asked for could be read."""
        path = self._decoder.path
        if self._is_open and self._has_more:
            raise self._too_long()
        end = self._first + self._n_read
        is_cut = self._is_interrupted or is_cut_short(self._decoder, end)
        is_short = not self._has_more and self._n_read < self._n_wanted
        if is_short and is_cut and not (allow_cut and self._n_read):
            raise AudioError(
                f"{path} is cut off after {end / self._rate:.2f} s. "
                "Copy it again from its source."
            )
        if self._n_read == 0 and self._first == 0:
            raise AudioError(f"{path} holds 0 samples. Export it again.")
        if self._n_read == 0:
            raise AudioError(
                f"{path} ends before {self._start_s:g} s, where the part was to "
                "start. Ask for an earlier part."
            )


def _mixed(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        # What `mean` gives, which takes five times as long for two long rows.
        total = block[:1].copy()
        for row in block[1:]:
            total += row
        total /= np.float32(len(block))
        yield total


def _resampled(
    blocks: Iterable[Block], rate: int, new_rate: int, *, n_channels: int
) -> Iterator[Block]:
    stream = soxr.ResampleStream(rate, new_rate, n_channels, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).T
    rest = np.zeros((0, n_channels), np.float32)
    yield stream.resample_chunk(rest, last=True).T


def _require_usable(samples: Block, path: str | Path, *, is_all: bool) -> None:
    if not np.isfinite(samples).all():
        raise AudioError(f"{path} holds NaN or infinite values. Export it again.")
    if is_all and np.abs(samples).max(initial=0) < SILENT_BELOW:
        raise AudioError(f"{path} is silent throughout. Choose another recording.")


def write_audio(
    path: str | Path,
    samples: NDArray[np.float32],
    sample_rate: int,
    *,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write WAV or FLAC, 16 bits, whole or not at all; same input, same bytes.

    Values beyond full scale are cut to it, with a warning in the log.

    Args:
        path: Ends in `.wav` or `.flac`; replaced if it exists.
        samples: `(channel, time)`, full scale at 1.
        sample_rate: In Hz.
        tags: Names and values, which `read_tags` gives back.

    Raises:
        AudioError: If the suffix, the shape or the values cannot be written.
        StorageError: If the disk is full or the place is not writable.
    """
    path = Path(path)
    write_bytes(path, encode_audio(path, samples, sample_rate, tags=tags))


def encode_audio(
    path: str | Path,
    samples: NDArray[np.float32],
    sample_rate: int,
    *,
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes that `write_audio` would write to a path.

    Raises:
        AudioError: If the suffix, the shape or the values cannot be written.
        StorageError: If there can be no file of that name.
    """
    path = Path(path)
    container = check_suffix(path)
    _require_writable(samples, path)
    buffer = BytesIO()
    try:
        soundfile.write(
            buffer, samples.T, sample_rate, format=container, subtype="PCM_16"
        )
    except (soundfile.LibsndfileError, ValueError) as error:
        raise AudioError(
            f"Cannot write {path}: {container} does not take {samples.shape[0]} "
            f"channels at {sample_rate} Hz. Resample or mix it down."
        ) from error
    return add_tags(buffer.getvalue(), container, tags or {})


def check_suffix(path: Path) -> str:
    """Return the kind of file that `write_audio` would write, `WAV` or `FLAC`.

    Raises:
        AudioError: If the suffix is of neither, or a folder is in the way.
        StorageError: If there can be no file of that name.
    """
    container = {".wav": "WAV", ".flac": "FLAC"}.get(path.suffix.lower())
    if container is None:
        raise AudioError(
            f"Cannot write '{path.suffix}' audio to {path}: use .wav or .flac."
        )
    with storage_errors(path):
        is_folder = path.is_dir()
    if is_folder:
        raise AudioError(f"Cannot write {path}: it is a folder. Name a file.")
    return container


def _require_writable(samples: Block, path: Path) -> None:
    if samples.ndim != 2 or samples.size == 0:
        raise AudioError(
            f"Cannot write {path}: expected samples (channel, time), found shape "
            f"{samples.shape}."
        )
    if not np.isfinite(samples).all():
        raise AudioError(f"Cannot write {path}: the sound holds NaN or infinity.")
    peak = float(np.abs(samples).max())
    if peak > 1.0:
        _log.warning("%s: peak %.3f is above full scale and was cut", path, peak)
