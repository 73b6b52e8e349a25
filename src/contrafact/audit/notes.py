"""Signed notes and checkpoints, as C2SP has them.

A checkpoint says how many entries a log has and what their root is; a note is
how it is signed. What the entries are is the business of `log.py`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from contrafact.audit.keys import KeyRecord, KeyRing, PublicKey, Signer
from contrafact.audit.merkle import HASH_SIZE
from contrafact.core.errors import ConfigError, LogDamagedError, SigningKeyError

__all__ = [
    "Checkpoint",
    "check_origin",
    "key_hash",
    "parse_checkpoint",
    "sign_checkpoint",
    "signer_of",
]

_ED25519 = b"\x01"
_DASH = "— "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a log has come.

    Attributes:
        origin: The log's name, the same for all time.
        size: How many entries it has.
        root: Root of the tree of its entries, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed.

        References:
            C2SP, tlog-checkpoint.
        """
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_hash(name: str, key: PublicKey) -> bytes:
    """Return the four bytes by which a note names a key.

    References:
        C2SP, signed-note: type 0x01 for Ed25519; for ECDSA (type 0x02) they
        are the first of SHA-256 of the key as SubjectPublicKeyInfo.
    """
    if key.algorithm == "es256":
        return hashlib.sha256(key.der).digest()[:4]
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:4]


def check_origin(origin: str) -> None:
    """Refuse a name that a note cannot carry.

    Raises:
        ConfigError: If it is empty, or holds blanks, `+` or controls.
    """
    if not origin or any(c.isspace() or c == "+" or ord(c) < 32 for c in origin):
        raise ConfigError(
            f"A log cannot be named {origin!r}: no blanks, no plus. Write it like "
            "an address, example.org/log."
        )


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Return the checkpoint as a note signed under the log's name, UTF-8."""
    name = checkpoint.origin
    text = checkpoint.text
    raw = key_hash(name, signer.public_key) + signer.sign(text.encode())
    return f"{text}\n{_DASH}{name} {base64.b64encode(raw).decode()}\n".encode()


def parse_checkpoint(note: bytes) -> Checkpoint:
    """Return what a note says, signed or not; `signer_of` checks by whom.

    Raises:
        LogDamagedError: If it is not a checkpoint.
    """
    text, _ = _parts(note)
    lines = text.split("\n")
    try:
        origin, size, root = lines[0], int(lines[1]), _decoded(lines[2])
    except (IndexError, ValueError) as error:
        raise LogDamagedError(_no_checkpoint("its three lines are damaged")) from error
    found = Checkpoint(origin, size, root)
    if size < 0 or len(root) != HASH_SIZE or found.text != text:
        raise LogDamagedError(_no_checkpoint("it is not in its one form"))
    return found


def signer_of(note: bytes, keys: KeyRing, *, when: datetime | None) -> KeyRecord:
    """Return the record of the trusted key that signed a note.

    Args:
        note: The note.
        keys: What is trusted.
        when: The moment of signing, to which revocations are compared; None
            for a log that has no entry yet.

    Raises:
        SigningKeyError: If no trusted key signed it, the signature of a trusted
            key is wrong, or the key was revoked by then.
    """
    text, signatures = _parts(note)
    for name, raw in signatures:
        for record in keys.records:
            if raw[:4] != key_hash(name, record.public_key):
                continue
            if not record.public_key.verify(text.encode(), raw[4:]):
                raise SigningKeyError(
                    f"The signature of key {record.public_key.id} on the checkpoint "
                    "is wrong. Restore the checkpoint from a backup."
                )
            if when is not None and not record.is_good_at(when):
                raise SigningKeyError(
                    f"The key {record.public_key.id} was revoked ({record.reason}) "
                    "before it signed the checkpoint. Ask who holds the log."
                )
            return record
    raise SigningKeyError(
        "No key that is trusted here signed the checkpoint. Name the key of the log."
    )


def _parts(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text of a note, and its signatures by name of the key."""
    try:
        text, found, lines = note.decode().rpartition("\n\n")
    except UnicodeDecodeError as error:
        raise LogDamagedError(_no_checkpoint("it is not UTF-8")) from error
    if not found or not lines.endswith("\n"):
        raise LogDamagedError(_no_checkpoint("it has no signature"))
    return text + "\n", list(_signatures(lines[:-1].split("\n")))


def _signatures(lines: list[str]) -> Iterator[tuple[str, bytes]]:
    for line in lines:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            raw = _decoded(encoded)
        except ValueError as error:
            raise LogDamagedError(
                _no_checkpoint("a signature is not Base 64")
            ) from error
        if not line.startswith(_DASH) or not name or len(raw) <= 4:
            raise LogDamagedError(_no_checkpoint("a signature line is damaged"))
        yield name, raw


def _decoded(encoded: str) -> bytes:
    """Return the bytes of a Base 64 text in its one form."""
    raw = base64.b64decode(encoded, validate=True)
    if base64.b64encode(raw).decode() != encoded:
        raise binascii.Error("not the one form")
    return raw


def _no_checkpoint(reason: str) -> str:
    return f"This is no checkpoint of a log: {reason}. Restore it from a backup."
