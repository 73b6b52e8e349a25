"""Keys: who signs, what a signature is checked with, and which are revoked.

Private keys lie in a folder of their own, never in a workspace unless someone
puts them there. Other places for keys (a token, a service) need only be a
`Signer`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from contrafact.audit.entries import format_time, parse_time
from contrafact.catalog.atomic import atomic_path, storage_errors, write_json
from contrafact.core.errors import ConfigError, EntryError, SigningKeyError

__all__ = [
    "Algorithm",
    "FileSigner",
    "KeyRecord",
    "KeyRing",
    "PublicKey",
    "Signer",
    "generate_key",
    "list_keys",
    "load_signer",
    "record_from_json",
    "revoke_key",
]

Algorithm = Literal["ed25519", "es256"]
_PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
_ECDSA = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What a signature is checked with.

    Attributes:
        algorithm: `ed25519` (RFC 8032) or `es256` (ECDSA on P-256 with SHA-256).
        der: The key as SubjectPublicKeyInfo (RFC 5280).
    """

    algorithm: Algorithm
    der: bytes

    @classmethod
    def from_pem(cls, pem: bytes) -> PublicKey:
        """Return the key of a PEM text.

        Raises:
            SigningKeyError: If it holds no Ed25519 or P-256 public key.
        """
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SigningKeyError("This is no public key in PEM form.") from error
        return cls._of(key)

    @classmethod
    def _of(cls, key: object) -> PublicKey:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        if isinstance(key, ed25519.Ed25519PublicKey):
            return cls("ed25519", key.public_bytes(serialization.Encoding.DER, form))
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
            return cls("es256", key.public_bytes(serialization.Encoding.DER, form))
        raise SigningKeyError("The key is neither Ed25519 nor P-256. Use one of these.")

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the fingerprint."""
        return self.fingerprint[:16]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `der`, 64 hexadecimal digits: what is told by telephone."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key (RFC 8032), else `der`."""
        return self.der[-32:] if self.algorithm == "ed25519" else self.der

    @property
    def pem(self) -> bytes:
        """The key as PEM, which `openssl` reads."""
        return serialization.load_der_public_key(self.der).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this key made the signature over the message."""
        key = serialization.load_der_public_key(self.der)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, message, _ECDSA)
            return True
        except InvalidSignature:
            return False


class Signer(Protocol):
    """Whatever can sign: a key file here, a token or a service elsewhere."""

    @property
    def public_key(self) -> PublicKey:
        """What its signatures are checked with."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature: 64 bytes for Ed25519, ASN.1 DER for ES256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A public key, and whether it still stands for its holder.

    Attributes:
        revoked_from: Signatures of this moment and later do not count.
        reason: Why it was revoked.
    """

    public_key: PublicKey
    created: datetime
    revoked_from: datetime | None = None
    reason: str | None = None

    def is_good_at(self, when: datetime) -> bool:
        """Tell whether a signature of that moment counts."""
        return self.revoked_from is None or when < self.revoked_from

    def to_json(self) -> dict[str, Any]:
        """Return the record without the key itself, as JSON has it."""
        revoked = self.revoked_from and format_time(self.revoked_from)
        return {
            "id": self.public_key.id,
            "algorithm": self.public_key.algorithm,
            "fingerprint": self.public_key.fingerprint,
            "created": format_time(self.created),
            "revoked_from": revoked,
            "reason": self.reason,
        }


class KeyRing:
    """Public keys that are trusted, each up to the moment it was revoked."""

    def __init__(self, records: Iterable[KeyRecord]) -> None:
        """Trust these keys."""
        self.records = tuple(records)

    def find(self, key_id: str) -> KeyRecord | None:
        """Return the record of the key with this id, or None."""
        return next((r for r in self.records if r.public_key.id == key_id), None)


class FileSigner:
    """Signs with a private key from a file."""

    def __init__(self, key: _PrivateKey) -> None:
        """Sign with this key; see `load_signer`."""
        self._key = key
        self._public_key = PublicKey._of(key.public_key())

    @property
    def public_key(self) -> PublicKey:
        """What its signatures are checked with."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature: 64 bytes for Ed25519, ASN.1 DER for ES256."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, _ECDSA)


def generate_key(folder: Path, algorithm: str = "ed25519") -> KeyRecord:
    """Make a key pair: `ID.key.pem` for its holder alone, `ID.pub.pem`, `ID.json`.

    Args:
        folder: Made if it is missing, for its holder alone.
        algorithm: `ed25519` or `es256`.

    Raises:
        ConfigError: If the algorithm is unknown.
        StorageError: If the folder is not writable.
    """
    key: _PrivateKey
    if algorithm == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif algorithm == "es256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        raise ConfigError(
            f"There is no kind of key {algorithm!r}. Give ed25519 or es256."
        )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    record = KeyRecord(public_key=PublicKey._of(key.public_key()), created=_now())
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_private(_private_path(folder, record.public_key.id), pem)
    with atomic_path(folder / f"{record.public_key.id}.pub.pem") as temporary:
        temporary.write_bytes(record.public_key.pem)
    write_json(folder / f"{record.public_key.id}.json", record.to_json())
    return record


def _now() -> datetime:
    return datetime.now(UTC)


def _private_path(folder: Path, key_id: str) -> Path:
    return folder / f"{key_id}.key.pem"


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that nobody but its owner may ever have been able to read."""
    with atomic_path(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


def list_keys(folder: Path) -> KeyRing:
    """Return the keys of a folder, oldest first; none if there is no folder.

    Raises:
        SigningKeyError: If one of them is damaged.
    """
    records = [_read_record(path) for path in sorted(folder.glob("*.pub.pem"))]
    return KeyRing(sorted(records, key=lambda r: (r.created, r.public_key.id)))


def _read_record(path: Path) -> KeyRecord:
    try:
        key = PublicKey.from_pem(path.read_bytes())
        notes = path.with_name(path.name.replace(".pub.pem", ".json"))
        plain = json.loads(notes.read_text(encoding="utf-8"))
        if plain["fingerprint"] != key.fingerprint:
            raise SigningKeyError("The fingerprint is another.")
        return record_from_json(plain, key)
    except (OSError, ValueError, KeyError, TypeError, EntryError) as error:
        raise SigningKeyError(
            f"The key {path} is damaged: {error} Restore it, or move its files away."
        ) from error


def record_from_json(plain: dict[str, Any], key: PublicKey) -> KeyRecord:
    """Return the record that `KeyRecord.to_json` wrote about this key."""
    revoked = plain["revoked_from"]
    return KeyRecord(
        public_key=key,
        created=parse_time(plain["created"]),
        revoked_from=None if revoked is None else parse_time(revoked),
        reason=plain["reason"],
    )


def load_signer(folder: Path, key_id: str | None = None) -> FileSigner:
    """Return the signer of a folder's key.

    Args:
        folder: Where `generate_key` made it.
        key_id: Its id or how the id begins; the newest that is not revoked if
            None.

    Raises:
        SigningKeyError: If there is no such key, it is revoked, or it is damaged.
    """
    ring = list_keys(folder)
    wanted = [r for r in ring.records if r.public_key.id.startswith(key_id or "")]
    good = [r for r in wanted if r.is_good_at(_now())]
    if wanted and not good and (first := wanted[-1]).revoked_from is not None:
        raise SigningKeyError(
            f"The key {first.public_key.id} is revoked since "
            f"{format_time(first.revoked_from)}: {first.reason}. "
            "Make another with `contrafact audit keys new`."
        )
    if not good or (key_id is not None and len(good) > 1):
        raise SigningKeyError(
            f"There {'is no' if not good else 'is more than one'} key "
            f"{key_id or 'to sign with'} in {folder}. List them with `contrafact "
            "audit keys list`, or make one with `contrafact audit keys new`."
        )
    return FileSigner(_read_private(_private_path(folder, good[-1].public_key.id)))


def _read_private(path: Path) -> _PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"Cannot read the private key {path}: {error} Restore the file."
        ) from error
    if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        return key
    raise SigningKeyError(f"{path} is neither Ed25519 nor P-256. Use one of these.")


def revoke_key(
    folder: Path, key_id: str, *, reason: str, since: datetime | None = None
) -> KeyRecord:
    """Declare that a key's signatures do not count from a moment on.

    A revocation can be moved to an earlier moment, never to a later one.

    Args:
        folder: Where the key is.
        key_id: Its id, or how the id begins.
        reason: Why, for whoever checks a signature.
        since: Now if None.

    Raises:
        SigningKeyError: If there is no such key.
        StorageError: If the folder is not writable.
    """
    ring = list_keys(folder)
    found = [r for r in ring.records if key_id and r.public_key.id.startswith(key_id)]
    if len(found) != 1:
        raise SigningKeyError(
            f"There is {'no' if not found else 'more than one'} key {key_id!r} in "
            f"{folder}. List them with `contrafact audit keys list`."
        )
    moment = min(since or _now(), found[0].revoked_from or since or _now())
    record = replace(found[0], revoked_from=moment, reason=reason)
    write_json(folder / f"{record.public_key.id}.json", record.to_json())
    return record
