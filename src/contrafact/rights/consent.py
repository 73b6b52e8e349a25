"""What was allowed or reserved, by whom, for what, where and from when.

A consent is one frozen statement from one source. What follows from all of
them together is in `decide.py`; where they are kept, in `registry.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from contrafact.core.errors import ConsentError
from contrafact.rights.territory import WORLDWIDE, Territory

__all__ = [
    "AiDisclosure",
    "Conflict",
    "Consent",
    "Decision",
    "Right",
    "SubjectKind",
    "Use",
    "parse_right",
    "parse_use",
]


class Right(StrEnum):
    """The two rights in recorded music; each needs a consent of its own."""

    MASTER = "master"
    COMPOSITION = "composition"


class Use(StrEnum):
    """What somebody may be allowed to do with a recording."""

    TRAIN_GENERATIVE = "train-generative"
    TRAIN_NON_GENERATIVE = "train-non-generative"
    TEXT_AND_DATA_MINING = "text-and-data-mining"
    IDENTIFICATION = "identification"
    REFERENCE_CONDITIONING = "reference-conditioning"
    COMMERCIAL_OUTPUT = "commercial-output"


class SubjectKind(StrEnum):
    """What a consent is about.

    A work by its id, ISWC or title; a recording by its id, its ISRC, the
    SHA-256 of its file or its ISCC; or a place that files came from, which can
    reserve but never allow.
    """

    WORK = "work"
    RECORDING = "recording"
    LOCATION = "location"


_USES = {use.value: use for use in Use} | {
    "tdm": Use.TEXT_AND_DATA_MINING,
    "data-mining": Use.TEXT_AND_DATA_MINING,
    "commercial": Use.COMMERCIAL_OUTPUT,
}
_RIGHTS = {right.value: right for right in Right} | {"work": Right.COMPOSITION}
_UNIT = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One statement about one right in one work or recording.

    Attributes:
        id: `C-` and 32 hexadecimal digits of the SHA-256 of the content,
            computed if not given. The content is everything but `source`,
            which may name another place of the same document, and what is
            known of a revocation.
        grantor: Who says so; empty if the source does not tell.
        is_allowed: A permission, or else a reservation.
        valid_from: First day, or None if it has no beginning.
        valid_until: Last day, or None if it has no end.
        is_revocable: Whether the grantor may end it before its time.
        source: The document and the place in it, for people.
        source_digest: SHA-256 of the document.
        signal_date: When it was said; it has no force before. None if unknown.
        revoked_from: First day on which it has no force any more.
        title: What the source calls the work or recording, for people.

    Raises:
        ConsentError: If the days run backwards, or a place is said to allow.
    """

    right: Right
    subject_kind: SubjectKind
    subject_id: str
    grantor: str
    use: Use
    is_allowed: bool
    territory: Territory = WORLDWIDE
    valid_from: date | None = None
    valid_until: date | None = None
    is_revocable: bool = True
    source: str
    source_digest: str
    signal_date: date | None = None
    revoked_from: date | None = None
    title: str | None = None
    id: str = ""

    def __post_init__(self) -> None:
        """Check what cannot be, and name the record."""
        first, last = self.valid_from, self.valid_until
        if first is not None and last is not None and last < first:
            raise ConsentError(
                f"It is valid from {first} until {last}, which runs backwards. "
                "Correct one of the dates."
            )
        if self.is_allowed and self.subject_kind is SubjectKind.LOCATION:
            raise ConsentError(
                "A place cannot allow anything, it can only reserve. Name the "
                "recording or the work that is allowed."
            )
        if not self.id:
            object.__setattr__(self, "id", _content_id(self))

    def is_in_force(self, on: date) -> bool:
        """Tell whether it counts on a day: said, begun, not over, not revoked."""
        return (
            (self.signal_date is None or self.signal_date <= on)
            and (self.valid_from is None or self.valid_from <= on)
            and (self.valid_until is None or on <= self.valid_until)
            and (self.revoked_from is None or on < self.revoked_from)
        )


def _content_id(consent: Consent) -> str:
    c = consent
    parts = (
        c.right.value,
        c.subject_kind.value,
        c.subject_id,
        c.grantor,
        c.use.value,
        "1" if c.is_allowed else "0",
        str(c.territory),
        c.valid_from.isoformat() if c.valid_from else "",
        c.valid_until.isoformat() if c.valid_until else "",
        "1" if c.is_revocable else "0",
        c.source_digest,
        c.signal_date.isoformat() if c.signal_date else "",
        c.title or "",
    )
    return f"C-{hashlib.sha256(_UNIT.join(parts).encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A permission and a reservation that meet: both count, the latter wins."""

    allowing: Consent
    reserving: Consent

    def __str__(self) -> str:
        """Return one line that names both sources."""
        a, r = self.allowing, self.reserving
        text = (
            f"{a.right} of {a.subject_id} for {a.use}: allowed by {_who(a)}, reserved "
            f"by {_who(r)}. The reservation counts."
        )
        return text if a.is_revocable else f"{text} The permission is irrevocable."


def _who(consent: Consent) -> str:
    return f"{consent.grantor or 'an unnamed party'} ({consent.source})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a use is allowed, and why.

    Attributes:
        reason: One line for people.
        consents: What the answer rests on: the permissions of both rights if
            it is allowed, else the reservations; empty where there is nothing.
        conflicts: Every permission that met a reservation.
    """

    is_allowed: bool
    reason: str
    consents: tuple[Consent, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AiDisclosure:
    """What a message says about machine-made parts of a recording.

    Attributes:
        contains_ai: `All`, `Partly` or `None`, as DDEX has it; None if only
            contributions are disclosed.
        contributions: Contributor with role, and `All`, `Partly` or `None`.
    """

    subject_id: str
    contains_ai: str | None
    contributions: tuple[tuple[str, str], ...]
    source: str
    source_digest: str
    signal_date: date | None = None


def parse_use(text: str) -> Use:
    """Return the use of this name; `_` and blanks count as `-`.

    Raises:
        ConsentError: If there is none.

    Example:
        >>> parse_use("Train Generative").value
        'train-generative'
    """
    found = _USES.get(_name(text))
    if found is None:
        raise ConsentError(f"'{text}' is no use. Known ones are {', '.join(Use)}.")
    return found


def parse_right(text: str) -> Right:
    """Return the right of this name.

    Raises:
        ConsentError: If there is none.
    """
    found = _RIGHTS.get(_name(text))
    if found is None:
        raise ConsentError(f"'{text}' is no right. Write master or composition.")
    return found


def _name(text: str) -> str:
    return "-".join(text.casefold().replace("_", " ").replace("-", " ").split())
