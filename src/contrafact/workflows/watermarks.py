"""Watermarks of songs: the key, the payload, and reading marks as evidence."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrafact.catalog import Audio, atomic_path, read_audio, storage_errors
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.errors import AudioError, SigningKeyError, WatermarkError
from contrafact.core.matches import OriginEvidence
from contrafact.matching.watermarks import (
    WATERMARKS,
    Bits,
    Detection,
    Needs,
    Samples,
    open_watermark,
)

__all__ = [
    "Reading",
    "Readings",
    "WatermarkChoice",
    "nobody",
    "payload_of",
    "read_marks",
    "read_own_mark",
    "read_watermarks",
    "read_watermarks_or_none",
    "watermark_key",
    "watermarked",
]

_KEY_BYTES = 32
_LONGEST_S = 60.0
_QUICK_S = 20.0


Maker = Callable[[str], str | None]


def nobody(mark: str) -> None:
    """Return None: of no mark is it known who made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkChoice:
    """Which watermark is to be put in.

    Attributes:
        name: As in the registry.
        weights: Folder of its weights, for schemes that need one.
    """

    name: str
    weights: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What one scheme read in a file.

    Attributes:
        name: Of the scheme.
        payload: In hexadecimal; "" if it carries none.
    """

    name: str
    detection: Detection
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """What all schemes at hand read in a file.

    Attributes:
        reason: Why nothing could be looked for; "" if it could.
    """

    found: tuple[Reading, ...]
    reason: str = ""

    def to_json(self) -> list[dict[str, Any]]:
        """Return one document for each scheme that was tried."""
        return [
            {
                "name": one.name,
                "is_found": one.detection.is_found,
                "payload": one.payload,
                "confidence": round(one.detection.confidence, 4),
                "false_positive_rate": one.detection.false_positive_rate,
                "detail": one.detection.detail,
            }
            for one in self.found
        ]

    def in_words(self) -> str:
        """Return one line for the reader."""
        tried = ", ".join(one.name for one in self.found)
        found = [
            f"{one.name}:{one.payload}" if one.payload else one.name
            for one in self.found
            if one.detection.is_found
        ]
        if found:
            return f"Watermarks inside the sound: {', '.join(found)}."
        if tried:
            return f"No watermark inside the sound; looked for {tried}."
        return f"No watermark was looked for. {self.reason}".strip()


def watermark_key(*, make: bool) -> bytes | None:
    """Return the user's own key for watermarks.

    Args:
        make: Make it if there is none; else None is returned.

    Raises:
        SigningKeyError: If the file of the key cannot be used.
        StorageError: If a first key cannot be written.
    """
    path = keys_dir_from_environment() / "marking" / "watermark.key"
    if path.is_file():
        text = path.read_text(encoding="ascii", errors="replace").strip()
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise SigningKeyError(
                f"{path} is not a key for watermarks: expected {2 * _KEY_BYTES} "
                "hexadecimal digits. Put the right one back; without it, earlier "
                "marks cannot be read."
            )
        return key
    if not make:
        return None
    key = secrets.token_bytes(_KEY_BYTES)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_path(path) as temporary:
            mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(temporary, mode, 0o600), "w") as file:
                file.write(key.hex() + "\n")
    return key


def payload_of(samples_digest: str, n_bits: int) -> Bits:
    """Return the payload of a song: the first bits of the digest of its samples."""
    number = int(samples_digest, 16) >> (4 * len(samples_digest) - n_bits)
    digits = [number >> i & 1 for i in range(n_bits - 1, -1, -1)]
    return np.array(digits, dtype=np.uint8)


def watermarked(
    samples: Samples, sample_rate: int, choice: WatermarkChoice, *, digest: str
) -> tuple[Samples, str]:
    """Return a song with a watermark, and what it says.

    It is read back before it is believed.

    Args:
        samples: `(channel, time)`, full scale at 1.
        sample_rate: In Hz.
        choice: The scheme.
        digest: SHA-256 of the samples without the mark, hexadecimal.

    Returns:
        The samples, and scheme and payload such as `patchwork:3fa9`.

    Raises:
        AudioError: If the sound cannot carry a mark.
        SigningKeyError: If the user's key cannot be used.
        StorageError: If a first key cannot be written.
        WatermarkError: If the scheme is unknown or not at hand, or the mark
            cannot be read back.
    """
    key = watermark_key(make=True) or b""
    watermark = open_watermark(choice.name, Needs(key=key, weights=choice.weights))
    bits = payload_of(digest, watermark.n_bits)
    marked = watermark.embed(samples, sample_rate, bits)
    first = _as_written(marked[:, : round(_LONGEST_S * sample_rate)])
    found = watermark.detect(first, sample_rate)
    if not found.is_found or not np.array_equal(found.bits, bits):
        raise WatermarkError(
            f"The watermark {choice.name} cannot be read back from this song: it is "
            "too short, too sparse or too steady to carry it. Mark it without "
            "--watermark, or with another scheme."
        )
    return marked, f"{choice.name}:{_hexadecimal(bits)}"


def _as_written(samples: Samples) -> Samples:
    return (np.rint(samples * 32767) / 32767).astype(np.float32)


def read_watermarks(
    path: Path,
    *,
    weights: Path | None = None,
    schemes: Sequence[str] = tuple(WATERMARKS),
    most_s: float = _LONGEST_S,
) -> list[Reading]:
    """Look for every watermark that can be read here.

    Schemes whose package, weights or key are missing are left out.

    Args:
        path: The file.
        weights: Folder with a folder of weights for each scheme, by name.
        schemes: Those that are looked for.
        most_s: Of a longer file, so much from its beginning is read.

    Raises:
        AudioError: If the file cannot be read, or is silent or too short.
        SigningKeyError: If the user's key cannot be used.
    """
    audio = read_audio(path, mono=False, duration_s=most_s)
    found: list[Reading] = []
    problems: list[AudioError] = []
    for name in schemes:
        try:
            found += _read(name, audio, weights)
        except AudioError as error:
            problems.append(error)
    if problems and not found:
        raise problems[0]
    return found


def read_watermarks_or_none(path: Path, *, weights: Path | None = None) -> Readings:
    """Return what `read_watermarks` does, or why nothing could be looked for."""
    try:
        return Readings(found=tuple(read_watermarks(path, weights=weights)))
    except AudioError as error:
        return Readings(found=(), reason=str(error))


def _read(name: str, audio: Audio, weights: Path | None) -> list[Reading]:
    key = watermark_key(make=False)
    if key is None and name == "patchwork":
        return []
    own = None if weights is None else weights / name
    try:
        watermark = open_watermark(name, Needs(key=key or b"", weights=own))
    except WatermarkError:
        return []
    seen = watermark.detect(audio.samples, audio.sample_rate)
    payload = _hexadecimal(seen.bits) if seen.is_found else ""
    return [Reading(name=name, detection=seen, payload=payload)]


def read_own_mark(path: Path, *, maker: Maker = nobody) -> list[OriginEvidence]:
    """Return the mark of our own key in a file, as evidence.

    Nothing is read where no key was ever made: nothing can have been marked.
    Of a long file, its first 20 s are read.

    Args:
        path: The file.
        maker: As for `read_marks`.

    Raises:
        AudioError: If the file cannot be read.
        SigningKeyError: If the user's key cannot be used.
    """
    if watermark_key(make=False) is None:
        return []
    found = _found(path, schemes=("patchwork",), most_s=_QUICK_S)
    return [_evidence(one, maker) for one in found]


def read_marks(
    path: Path, *, weights: Path | None = None, maker: Maker = nobody
) -> list[OriginEvidence]:
    """Return the watermarks found in a file, as evidence of its origin.

    A mark is a declaration that can be stripped, so that its absence says
    nothing and gives no evidence. Sound that is too short or silent to be read
    gives none either. A mark whose scheme states no rate of false alarms has no
    p-value: it is a hint.

    Args:
        path: The file.
        weights: As for `read_watermarks`.
        maker: Says which model carries a scheme and payload, such as
            `patchwork:3fa9`; None if that is not known.

    Raises:
        AudioError: If the file cannot be read.
        SigningKeyError: If the user's key cannot be used.
    """
    return [_evidence(one, maker) for one in _found(path, weights=weights)]


def _found(path: Path, **how: Any) -> list[Reading]:
    read_audio(path, duration_s=1.0)
    try:
        return [one for one in read_watermarks(path, **how) if one.detection.is_found]
    except AudioError:
        return []


def _evidence(one: Reading, maker: Maker) -> OriginEvidence:
    what = f"payload {one.payload}" if one.payload else "no payload"
    return OriginEvidence(
        kind=f"watermark:{one.name}",
        score=one.detection.confidence,
        p_value=one.detection.false_positive_rate,
        detail=f"watermark of the scheme {one.name}, {what}; {one.detection.detail}",
        generator=maker(f"{one.name}:{one.payload}") if one.payload else None,
    )


def _hexadecimal(bits: Bits) -> str:
    digits = -(-len(bits) // 4)
    number = int("".join(map(str, bits)) or "0", 2)
    return f"{number:0{digits}x}" if digits else ""
