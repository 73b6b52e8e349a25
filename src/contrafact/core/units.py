"""Units and identifiers as types; a duration cannot pass for a count.

Identifiers that contrafact makes are derived from content, so that the same
input names the same thing on every machine: `recording_id` from the digest of
the file's bytes, `work_id` and `party_id` from the normalised name.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import NewType

__all__ = [
    "Digest",
    "PartyId",
    "RecordingId",
    "ReleaseId",
    "Seconds",
    "SegmentId",
    "WorkId",
    "digest_of",
    "is_valid_isrc",
    "is_valid_iswc",
    "normalise_name",
    "party_id",
    "recording_id",
    "release_id",
    "work_id",
]

Seconds = float
Digest = NewType("Digest", str)
RecordingId = NewType("RecordingId", str)
WorkId = NewType("WorkId", str)
ReleaseId = NewType("ReleaseId", str)
PartyId = NewType("PartyId", str)
SegmentId = NewType("SegmentId", str)

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_ISWC = re.compile(r"T([0-9]{9})([0-9])")


def digest_of(data: bytes) -> Digest:
    """Return the SHA-256 of `data` as 64 hexadecimal digits."""
    return Digest(hashlib.sha256(data).hexdigest())


def normalise_name(name: str) -> str:
    r"""Return `name` in the form used to tell whether two names are one.

    Unicode NFKC, case folded, runs of white space made one blank.

    Example:
        >>> normalise_name("  Scott\u00a0 JOPLIN ")
        'scott joplin'
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _short(kind: str, *parts: str) -> str:
    joined = "\x1f".join(normalise_name(part) for part in parts)
    return f"{kind}-{hashlib.sha256(joined.encode()).hexdigest()[:16]}"


def recording_id(digest: Digest) -> RecordingId:
    """Return the identifier of the recording whose file has this digest."""
    return RecordingId(f"R-{digest[:16]}")


def work_id(title: str, iswc: str | None = None) -> WorkId:
    """Return the identifier of a work: from its ISWC if known, else its title."""
    return WorkId(_short("W", iswc) if iswc else _short("W", title))


def party_id(name: str) -> PartyId:
    """Return the identifier of the party of this name."""
    return PartyId(_short("P", name))


def release_id(title: str, label: str) -> ReleaseId:
    """Return the identifier of the release of this title on this label."""
    return ReleaseId(_short("L", title, label))


def is_valid_isrc(text: str) -> bool:
    """Tell whether `text` is an ISRC (ISO 3901), hyphens allowed.

    Example:
        >>> is_valid_isrc("US-RC1-76-07839"), is_valid_isrc("US-RC1-76")
        (True, False)
    """
    return _ISRC.fullmatch(text.replace("-", "").upper()) is not None


def is_valid_iswc(text: str) -> bool:
    """Tell whether `text` is an ISWC (ISO 15707) with a right check digit.

    Example:
        >>> is_valid_iswc("T-034.524.680-1"), is_valid_iswc("T-034.524.680-2")
        (True, False)
    """
    match = _ISWC.fullmatch(re.sub(r"[-. ]", "", text.upper()))
    if match is None:
        return False
    total = 1 + sum(i * int(digit) for i, digit in enumerate(match[1], start=1))
    return (10 - total % 10) % 10 == int(match[2])
