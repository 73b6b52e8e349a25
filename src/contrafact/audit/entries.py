"""What is written in the log: one canonical form, and promises of what is private.

An entry is a JSON object with `format`, `kind`, `time` and `body`. Its bytes
are those of RFC 8785 for the values allowed here, so that an entry has one
form and one hash. Where an entry must not show a value, it holds a salted
commitment to it; who is given the salt and the value can check them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from contrafact.core.errors import EntryError

__all__ = [
    "FORMAT",
    "KINDS",
    "MAX_ENTRY_BYTES",
    "Kind",
    "Reveal",
    "canonical",
    "commit",
    "commitment_of",
    "format_time",
    "make_entry",
    "parse_entry",
    "parse_time",
]

Kind = Literal[
    "consent",
    "withdrawal",
    "release",
    "contamination",
    "attribution",
    "statement",
    "policy",
]
KINDS: tuple[str, ...] = get_args(Kind)
FORMAT = 1
MAX_ENTRY_BYTES = 65_535
"""What the two length bytes of an entry bundle can say."""

_SALT_BYTES = 32
_MAX_INTEGER = 2**53 - 1
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveal:
    """What opens one commitment; who holds it can show the value to others.

    Attributes:
        field: Where in the entry's `private` part the commitment is.
        salt: 32 random bytes as hexadecimal digits. Without it the value
            cannot be guessed from the commitment; deleting it deletes the value.
        value: What was committed to.
    """

    commitment: str
    field: str
    salt: str
    value: Any

    @property
    def is_true(self) -> bool:
        """Whether salt and value are what the commitment was made from."""
        return commitment_of(self.value, salt=bytes.fromhex(self.salt)) == (
            self.commitment
        )


def canonical(document: Any) -> bytes:
    r"""Return the one form of a document: sorted names, no blanks, UTF-8.

    Equal to RFC 8785 for what is allowed: objects with ASCII names, lists,
    texts, whole numbers up to 2**53 - 1 in size, true, false and null. Numbers
    with a fraction are texts here, so that no reader rounds them.

    Raises:
        EntryError: If the document holds anything else.

    Example:
        >>> canonical({"b": [1, None], "a": "ü"}).decode()
        '{"a":"ü","b":[1,null]}'
    """
    _check(document, "$")
    try:
        return json.dumps(
            document, sort_keys=True, ensure_ascii=False, separators=(",", ":")
        ).encode()
    except UnicodeEncodeError as error:
        raise EntryError(
            "A text holds half of a surrogate pair, which UTF-8 cannot say. "
            "Mend the text."
        ) from error


def _check(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise EntryError(f"The name {name!r} at {where} is not ASCII text.")
            _check(item, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check(item, f"{where}[{number}]")
    elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise EntryError(f"The number at {where} is above 2**53. Write it as a text.")
    elif not (value is None or isinstance(value, str | int)):
        raise EntryError(
            f"The value at {where} is a {type(value).__name__}; an entry holds texts, "
            "whole numbers, true, false, null, lists and objects. Write it as a text."
        )


def format_time(when: datetime) -> str:
    """Return a moment as entries have it: UTC with microseconds, RFC 3339.

    Raises:
        EntryError: If `when` has no time zone.
    """
    if when.tzinfo is None:
        raise EntryError(f"The time {when} has no time zone. Give it in UTC.")
    return when.astimezone(UTC).strftime(_TIME)


def parse_time(text: object) -> datetime:
    """Return the moment that `format_time` wrote.

    Raises:
        EntryError: If the text is of another form.
    """
    try:
        return datetime.strptime(str(text), _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise EntryError(
            f"{text!r} is no time of the form 2026-01-31T12:00:00.000000Z."
        ) from error


def commitment_of(value: Any, *, salt: bytes) -> str:
    """Return SHA-256 of the salt and the value's canonical form, hexadecimal."""
    return hashlib.sha256(salt + canonical(value)).hexdigest()


def commit(private: Mapping[str, Any]) -> tuple[dict[str, Any], list[Reveal]]:
    """Return commitments to the values, and what opens each of them.

    Every value has a salt of its own, so that one can be shown without the
    others, and equal values cannot be told to be equal.

    Raises:
        EntryError: If a value has no canonical form.
    """
    reveals = []
    for field, value in sorted(private.items()):
        salt = secrets.token_bytes(_SALT_BYTES)
        commitment = commitment_of(value, salt=salt)
        reveals.append(
            Reveal(commitment=commitment, field=field, salt=salt.hex(), value=value)
        )
    return {r.field: {"commitment": r.commitment} for r in reveals}, reveals


def make_entry(
    kind: str, body: Mapping[str, Any], *, private: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Reveal]]:
    """Return an entry without its time, and what opens its commitments.

    Args:
        kind: One of `KINDS`.
        body: What everybody may read.
        private: What the entry only commits to, by name.

    Raises:
        EntryError: If the kind is unknown or a value has no canonical form.
    """
    if kind not in KINDS:
        raise EntryError(
            f"There is no kind of entry {kind!r}. Give one of: {', '.join(KINDS)}."
        )
    entry = {"format": FORMAT, "kind": kind, "body": dict(body)}
    commitments, reveals = commit(private or {})
    if commitments:
        entry["private"] = commitments
    canonical(entry)
    return entry, reveals


def parse_entry(data: bytes) -> dict[str, Any]:
    """Return the entry of these bytes.

    Raises:
        EntryError: If they are not the canonical form of an entry.
    """
    try:
        entry = json.loads(data)
    except ValueError as error:
        raise EntryError("An entry is not JSON.") from error
    is_entry = isinstance(entry, dict) and entry.get("format") == FORMAT
    if not is_entry or entry.get("kind") not in KINDS or canonical(entry) != data:
        raise EntryError("An entry is not in its canonical form.")
    parse_time(entry.get("time"))
    return dict(entry)
