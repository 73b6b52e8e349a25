"""Marks that a file declares of itself: tags that generators write.

Signed credentials are read by `audit`, and handed in by who calls; watermarks
likewise. A tag is a word that anybody can write: it is evidence of a claim.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import soundfile

from contrafact.catalog.audio import read_tags
from contrafact.core.matches import OriginEvidence

__all__ = ["declared_evidence", "declared_in_tags"]

_MAKERS = (
    "suno", "udio", "stable audio", "musicgen", "audiocraft", "riffusion", "mureka",
    "sonauto", "elevenlabs", "eleven music", "aiva", "boomy", "soundraw", "loudly",
    "mubert", "lyria", "yue", "ace-step", "diffrhythm", "contrafact",
)  # fmt: skip
_CLAIM = re.compile(
    r"\b(?:made|generated|created|composed|produced)\s+(?:with|by|using|in)\s+("
    + "|".join(map(re.escape, _MAKERS))
    + r")\b",
    re.IGNORECASE,
)
_OWN = "contrafact_model"


def declared_evidence(path: Path) -> list[OriginEvidence]:
    """Return what the tags of a file declare.

    Raises:
        AudioError: If the file cannot be read.
    """
    tags = {**_riff_comment(path), **read_tags(path)}
    named = declared_in_tags(tags)
    return [] if named is None else [named]


def declared_in_tags(tags: Mapping[str, str]) -> OriginEvidence | None:
    """Return the claim in tags that a generator made the file; None if none is.

    Example:
        >>> tags = {"comment": "made with suno; created=2026-01-01; id=7"}
        >>> declared_in_tags(tags).detail
        "tag 'comment' says: made with suno"
    """
    if model := tags.get(_OWN):
        return _claim(f"tag '{_OWN}' says: {model}", model)
    for name, text in sorted(tags.items()):
        if found := _CLAIM.search(text):
            said = found.group(0).lower()
            return _claim(f"tag '{name}' says: {said}", found.group(1).lower())
    return None


def _claim(detail: str, generator: str) -> OriginEvidence:
    return OriginEvidence(
        kind="tags", score=1.0, p_value=None, detail=detail, generator=generator
    )


def _riff_comment(path: Path) -> dict[str, str]:
    """Return `ICMT`, which is not read where a WAV has other tags as well."""
    try:
        with soundfile.SoundFile(path) as file:
            comment = str(file.comment).strip()
    except (soundfile.LibsndfileError, RuntimeError):
        return {}
    return {"icmt": comment} if comment else {}
