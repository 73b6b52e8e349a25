"""The tags inside audio files, under one set of names.

Names are lower case: `title`, `artist`, `album`, `isrc`, `label`, `comment`,
and whatever else was written by name, such as `contrafact_prompt`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import mutagen
import mutagen.id3
import soundfile
from mutagen.flac import FLAC
from mutagen.wave import WAVE

from contrafact.core.errors import AudioError

__all__ = ["add_tags", "read_tags"]

_ID3_KINDS = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "isrc": "TSRC",
    "label": "TPUB",
}
_ID3_NAMES = {kind: name for name, kind in _ID3_KINDS.items()}
_MP4_NAMES = {
    "\xa9nam": "title",
    "\xa9ART": "artist",
    "\xa9alb": "album",
    "\xa9cmt": "comment",
}
_MP4_FREE = "----:com.apple.iTunes:"
_SYNONYMS = {"organization": "label", "publisher": "label", "description": "comment"}
_RIFF_NAMES = ("title", "artist", "album", "comment")


def read_tags(path: str | Path) -> dict[str, str]:
    """Return the tags of an audio file; empty if it has none or damaged ones.

    Several values under one name are joined by `; `.

    Raises:
        AudioError: If the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            tagged = mutagen.File(file)
    except mutagen.MutagenError:
        return {}
    except OSError as error:
        raise AudioError(f"Cannot read {path}: {error.strerror or error}.") from error
    if tagged is None:
        return {}
    found = _by_kind(tagged.tags)
    if not found and isinstance(tagged, WAVE):
        found = _riff_info(path)
    return {name: text for name, text in found.items() if text}


def _by_kind(tags: Any) -> dict[str, str]:
    if tags is None:
        return {}
    if hasattr(tags, "getall"):
        return _from_id3(tags)
    if any(key.startswith(("\xa9", "----:")) for key in dict(tags)):
        return _from_mp4(tags)
    pairs = ((key.lower(), value) for key, value in sorted(tags.items()))
    return {_SYNONYMS.get(name, name): _joined(value) for name, value in pairs}


def _from_id3(tags: Any) -> dict[str, str]:
    found = {}
    for frame in tags.values():
        kind = frame.FrameID
        if kind in _ID3_NAMES:
            found[_ID3_NAMES[kind]] = _joined(frame.text)
        elif kind == "TXXX":
            found[frame.desc.lower()] = _joined(frame.text)
        elif kind == "COMM" and not frame.desc:
            found["comment"] = _joined(frame.text)
    return found


def _from_mp4(tags: Any) -> dict[str, str]:
    found = {}
    for key, value in tags.items():
        if key.startswith(_MP4_FREE):
            found[key.removeprefix(_MP4_FREE).lower()] = _joined(value)
        elif key in _MP4_NAMES:
            found[_MP4_NAMES[key]] = _joined(value)
    return found


def _riff_info(path: str | Path) -> dict[str, str]:
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            return {name: _text(getattr(file, name)) for name in _RIFF_NAMES}
    except soundfile.LibsndfileError:
        return {}


def _joined(value: Any) -> str:
    values: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
    return "; ".join(filter(None, map(_text, values)))


def _text(value: Any) -> str:
    """Return plain text: no NULs, nothing that UTF-8 cannot hold."""
    plain = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    plain = plain.encode("utf-8", "replace").decode("utf-8")
    return plain.replace("\0", "; ").strip().strip(";").strip()


def add_tags(data: bytes, container: str, tags: Mapping[str, str]) -> bytes:
    """Return the bytes of a WAV or FLAC file with tags in it.

    FLAC holds them as Vorbis comments, WAV in an ID3 chunk.
    """
    if not tags:
        return data
    buffer = BytesIO(data)
    # Typed as Any: mutagen declares types but leaves most calls untyped.
    kinds: dict[str, Any] = {"FLAC": FLAC, "WAV": WAVE}
    tagged = kinds[container](buffer)
    if tagged.tags is None:
        tagged.add_tags()
    for name, value in sorted(tags.items()):
        if container == "FLAC":
            tagged[name.lower()] = value
        else:
            tagged.tags.add(_id3_frame(name.lower(), value))
    buffer.seek(0)
    tagged.save(buffer)
    return buffer.getvalue()


def _id3_frame(name: str, value: str) -> Any:
    frames: Any = mutagen.id3
    if name in _ID3_KINDS:
        return getattr(frames, _ID3_KINDS[name])(encoding=3, text=value)
    if name == "comment":
        return frames.COMM(encoding=3, lang="eng", desc="", text=value)
    return frames.TXXX(encoding=3, desc=name, text=value)
