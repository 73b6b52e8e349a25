"""What kind of audio file the bytes are, and what length their header declares.

Names are not believed: a demultiplexer is chosen by content, from a short list,
so that a playlist dressed up as audio is never followed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["AUDIO_SUFFIXES", "Container", "Declared", "identify", "read_declared"]

_HEAD = 64
_STREAMED = 0xFFFFFF00
"""WAV sizes from here on mean "unknown": the writer could not seek back."""
_WAV_PLAIN = (1, 3, 0xFFFE)
"""Format tags where a frame has a fixed number of bytes: PCM and float."""
_OGG_TAIL = 1 << 17
_MOST_TAGS = 1 << 16  # bytes that may follow the sound of an MP3 file unnoticed
_OGG_END_MARK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A kind of audio file.

    Attributes:
        demuxer: FFmpeg's name for it.
        suffixes: File name suffixes that fit it, the usual one first.
    """

    name: str
    demuxer: str
    suffixes: tuple[str, ...]


WAV = Container(name="WAV", demuxer="wav", suffixes=(".wav", ".wave"))
FLAC = Container(name="FLAC", demuxer="flac", suffixes=(".flac",))
OGG = Container(name="Ogg", demuxer="ogg", suffixes=(".ogg", ".oga", ".opus"))
MP3 = Container(name="MP3", demuxer="mp3", suffixes=(".mp3",))
MP4 = Container(name="MP4", demuxer="mp4", suffixes=(".m4a", ".mp4", ".m4b", ".aac"))
ADTS = Container(name="AAC", demuxer="aac", suffixes=(".aac", ".m4a"))
AIFF = Container(name="AIFF", demuxer="aiff", suffixes=(".aiff", ".aif", ".aifc"))
MATROSKA = Container(
    name="Matroska", demuxer="matroska", suffixes=(".mka", ".webm", ".mkv")
)
_ALL = (WAV, FLAC, OGG, MP3, MP4, ADTS, AIFF, MATROSKA)
AUDIO_SUFFIXES = frozenset(suffix for kind in _ALL for suffix in kind.suffixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a header promises beyond what decoders report.

    Attributes:
        n_frames: Frames in the whole file; None if the header does not say.
        is_cut: Whether the bytes are known to end before the header says.
        goes_on: Whether much follows where the recording ends by the header.
    """

    n_frames: int | None = None
    is_cut: bool = False
    goes_on: bool = False


def _after_id3(file: BinaryIO) -> int:
    """Return where the audio starts: behind an ID3v2 tag, if there is one."""
    file.seek(0)
    head = file.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def identify(path: Path) -> Container | None:
    """Return the kind of audio file the bytes are, or None.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(_after_id3(file))
        return _by_magic(file.read(_HEAD))


def _by_magic(head: bytes) -> Container | None:
    if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
        return WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if head[4:8] == b"ftyp":
        return MP4
    starts = {b"fLaC": FLAC, b"OggS": OGG, b"\x1aE\xdf\xa3": MATROSKA}
    return starts.get(head[:4]) or _by_sync_word(head)


def _by_sync_word(head: bytes) -> Container | None:
    """Tell MPEG layers (11 bits set) from ADTS (12 bits, layer 0)."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    has_layer = head[1] & 0x06 != 0
    if has_layer:
        return MP3
    return ADTS if head[1] & 0xF0 == 0xF0 else None


def read_declared(path: Path, container: Container) -> Declared:
    """Return what the header declares about the length of the file.

    Raises:
        OSError: If the file cannot be read.
    """
    readers = {"WAV": _declared_wav, "Ogg": _declared_ogg, "MP3": _declared_mp3}
    reader = readers.get(container.name)
    if reader is None:
        return Declared()
    with path.open("rb") as file:
        return reader(file, path.stat().st_size)


def _declared_wav(file: BinaryIO, n_bytes: int) -> Declared:
    """Walk the RIFF chunks up to `data`; libsndfile hides that it is short."""
    frame_bytes, is_plain, position = 0, False, 12
    while position + 8 <= n_bytes:
        file.seek(position)
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"fmt ":
            tag, frame_bytes = struct.unpack("<H10xH", file.read(14).ljust(14, b"\0"))
            is_plain = tag in _WAV_PLAIN
        if name == b"data":
            if not 0 < size < _STREAMED:
                return Declared()
            is_cut = position + 8 + size > n_bytes
            has_count = is_plain and frame_bytes > 0
            n_frames = size // frame_bytes if has_count else None
            return Declared(n_frames=n_frames, is_cut=is_cut)
        position += 8 + size + size % 2
    return Declared()


def _declared_ogg(file: BinaryIO, n_bytes: int) -> Declared:
    """Look for the end-of-stream mark on the last page, and for its whole body."""
    file.seek(max(0, n_bytes - _OGG_TAIL))
    tail = file.read()
    at = tail.rfind(b"OggS\x00")
    page = tail[at:]
    if at < 0 or len(page) < 27:
        return Declared(is_cut=True)
    n_segments = page[26]
    n_expected = 27 + n_segments + sum(page[27 : 27 + n_segments])
    has_end = bool(page[5] & _OGG_END_MARK)
    return Declared(is_cut=not has_end or len(page) < n_expected)


def _declared_mp3(file: BinaryIO, n_bytes: int) -> Declared:
    """Read the count of frames and bytes in a Xing or Info header."""
    start = _after_id3(file)
    file.seek(start)
    head = file.read(4096)
    found = [at for at in (head.find(b"Xing"), head.find(b"Info")) if at >= 0]
    if not found:
        return Declared()
    flags, n_frames, n_audio_bytes = struct.unpack_from(">III", head, found[0] + 4)
    if flags & 3 != 3:
        return Declared()
    is_mpeg1 = head[1] & 0x08 != 0
    # One frame of slack: some writers do not count the header's own frame.
    is_cut = start + n_audio_bytes > n_bytes + 2048
    if start + 1.01 * n_audio_bytes + _MOST_TAGS < n_bytes:
        return Declared(goes_on=True)
    return Declared(n_frames=n_frames * (1152 if is_mpeg1 else 576), is_cut=is_cut)
