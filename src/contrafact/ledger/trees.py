"""Merkle trees as the ledger sees them, and the bytes of what is in them.

The trees themselves are handed in: who proves things is no matter of the
ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Protocol

from contrafact.ledger._reading import PlayEntry

__all__ = [
    "MerkleTree",
    "TreeMaker",
    "canonical",
    "digest_of_document",
    "event_line",
    "fraction_of",
    "fraction_text",
]

_LONG = 10_000
"""Bits of a number that is written to the base of 16: Python refuses to read
decimals of more than 4,300 digits."""


class MerkleTree(Protocol):
    """A tree over leaves, as in RFC 9162."""

    def root(self) -> bytes:
        """Return the root, 32 bytes."""
        ...

    def inclusion(self, index: int) -> list[bytes]:
        """Return the proof that a leaf is in the tree."""
        ...


TreeMaker = Callable[[Iterable[bytes]], MerkleTree]
"""From the bytes of leaves to their tree; handed in, since trees are not ours."""


def canonical(document: object) -> bytes:
    """Return the one form of a JSON document, as RFC 8785 has it for our values."""
    text = json.dumps(
        document, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    return text.encode()


def event_line(entry: PlayEntry) -> bytes:
    """Return a play or its correction as a line of the canonical event file."""
    key = entry.key
    document = {
        "event_id": entry.id,
        "entry": entry.kind,
        "output_id": key.output_id,
        "at": entry.at,
        "amount_minor": entry.amount,
        "currency": key.currency,
        "user": entry.listener,
        "territory": key.territory,
        "kind": key.play_kind,
    }
    return canonical(document) + b"\n"


def digest_of_document(document: object) -> str:
    """Return the SHA-256 of a document's one form."""
    return hashlib.sha256(canonical(document)).hexdigest()


def fraction_text(value: Fraction) -> str:
    """Return a fraction as text, however long; very long ones in hexadecimal.

    Sums over many plans have the common denominator of all of them.

    Example:
        >>> fraction_text(Fraction(-1, 3)), fraction_text(Fraction(7))
        ('-1/3', '7')
    """
    if max(value.numerator.bit_length(), value.denominator.bit_length()) <= _LONG:
        return str(value)
    return f"{value.numerator:#x}/{value.denominator:#x}"


def fraction_of(text: str) -> Fraction:
    """Return the fraction of a text that `fraction_text` wrote.

    Raises:
        ValueError: If it is none.
    """
    if "x" not in text:
        return Fraction(text)
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator, 16), int(denominator, 16))
