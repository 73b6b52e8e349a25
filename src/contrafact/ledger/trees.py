"""Merkle trees as the ledger sees them, and the bytes of what is in them.

The trees themselves are handed in: who proves things is no matter of the
ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Protocol

from contrafact.ledger._reading import PlayEntry

__all__ = ["MerkleTree", "TreeMaker", "canonical", "digest_of_document", "event_line"]


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
