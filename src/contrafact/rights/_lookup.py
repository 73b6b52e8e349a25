"""Which consents are about a recording: by its ids, its work, its place."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from contrafact.core.entities import Recording, Work
from contrafact.core.units import WorkId, normalise_name, work_id
from contrafact.rights.consent import Consent

__all__ = ["Finder", "location_of"]

_SEPARATOR = "::"


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a recording is known by.

    Attributes:
        sure: Name it and nothing else.
        unsure: May name another too, so that they can reserve but not allow.
    """

    sure: tuple[str, ...]
    unsure: tuple[str, ...]


class Finder:
    """Knows by what each of some recordings is looked up.

    Attributes:
        keys: All of them together.
    """

    def __init__(
        self, recordings: Sequence[Recording], works: Iterable[Work] = ()
    ) -> None:
        """Look at the recordings; works are needed for titles beside an ISWC."""
        known = {work.id: work for work in works}
        shared = _shared_isrcs(recordings)
        self._keys = {r.id: _keys_of(r, known, shared) for r in recordings}
        self.keys = {k for keys in self._keys.values() for k in keys.sure + keys.unsure}

    def about(
        self,
        recording: Recording,
        by_key: Mapping[str, Sequence[Consent]],
        places: Sequence[Consent],
    ) -> list[Consent]:
        """Return the consents about a recording, each once.

        Args:
            recording: One of those looked at.
            by_key: Consents by what they are looked up by.
            places: Reservations of places.
        """
        keys = self._keys[recording.id]
        found = {c.id: c for key in keys.sure for c in by_key.get(key, ())}
        for key in keys.unsure:
            found |= {c.id: c for c in by_key.get(key, ()) if not c.is_allowed}
        if places:
            path = os.path.abspath(recording.file)
            found |= {c.id: c for c in places if _is_within(path, c.subject_id)}
        return list(found.values())


def _shared_isrcs(recordings: Sequence[Recording]) -> set[str]:
    """Return the ISRCs that recordings of different works bear."""
    works: dict[str, set[str]] = defaultdict(set)
    for r in recordings:
        if r.isrc:
            works[r.isrc].add(r.work_id or normalise_name(r.title))
    return {isrc for isrc, named in works.items() if len(named) > 1}


def _keys_of(
    recording: Recording, works: Mapping[WorkId, Work], shared: set[str]
) -> _Keys:
    r = recording
    sure: list[str] = [r.id, r.digest]
    unsure: list[str] = []
    if r.isrc:
        (unsure if r.isrc in shared else sure).append(r.isrc)
    if r.work_id:
        sure.append(r.work_id)
        work = works.get(r.work_id)
        # A work that has an ISWC may be reserved by somebody who knows but its
        # title; another work may have that title too.
        if work is not None and work.iswc:
            unsure.append(work_id(work.title))
    return _Keys(tuple(sure), tuple(unsure))


def location_of(root: str, pattern: str) -> str:
    """Return the subject id of a place: a folder, and a pattern of paths in it."""
    return f"{os.path.abspath(root)}{_SEPARATOR}{pattern}"


def _is_within(path: str, location: str) -> bool:
    root, _, pattern = location.partition(_SEPARATOR)
    prefix = root.rstrip(os.sep) + os.sep
    if not path.startswith(prefix):
        return False
    return (
        _regex(pattern).match("/" + path[len(prefix) :].replace(os.sep, "/"))
        is not None
    )


@lru_cache(maxsize=4096)
def _regex(pattern: str) -> re.Pattern[str]:
    """Return a pattern of paths as RFC 9309 (robots.txt) has it, section 2.2.3."""
    is_whole = pattern.endswith("$")
    body = pattern.removesuffix("$")
    if not body.startswith(("/", "*")):
        body = "*" + body
    text = ".*".join(re.escape(part) for part in body.split("*"))
    return re.compile(text + ("$" if is_whole else ""), re.DOTALL)
