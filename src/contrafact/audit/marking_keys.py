"""The key that marks generated files, and the certificates that go with it.

It lies in a folder of its own below the user's keys, so that the log is never
signed with it by chance. A key of the user's own, with certificates from an
authority, comes before one that was made here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from contrafact.audit._certificates import make_chain, public_key_of, read_chain
from contrafact.audit.keys import (
    FileSigner,
    Signer,
    generate_key,
    list_keys,
    load_signer,
)
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import SigningKeyError

__all__ = [
    "OWN_CHAIN",
    "OWN_KEY",
    "MarkingKey",
    "load_marking_key",
    "open_marking_key",
    "trusted_roots",
]

OWN_KEY, OWN_CHAIN = "own.key.pem", "own.chain.pem"


@dataclass(frozen=True, slots=True)
class MarkingKey:
    """Who marks files.

    Attributes:
        signer: Signs; Ed25519 or ES256.
        chain: Its certificate and those that vouch for it, as PEM.
    """

    signer: Signer
    chain: bytes

    @property
    def certificates(self) -> list[x509.Certificate]:
        """The signer's certificate, then those that vouch for it."""
        return read_chain(self.chain)


def load_marking_key(key: Path, chain: Path) -> MarkingKey:
    """Return a key of the user's own, with its certificates.

    Args:
        key: The private key, as PEM without a password; Ed25519 or P-256.
        chain: The signer's certificate first, then those that vouch for it.

    Raises:
        SigningKeyError: If one of them cannot be read, they do not belong
            together, or the certificate is not valid today.
    """
    signer = FileSigner(_private_key(key))
    try:
        pem = chain.read_bytes()
        first = read_chain(pem)[0]
    except (OSError, SigningKeyError) as error:
        raise SigningKeyError(f"Cannot read the certificates in {chain}.") from error
    if public_key_of(first) != signer.public_key:
        raise SigningKeyError(
            f"The first certificate in {chain} is not that of the key in {key}. "
            "Name the two that belong together."
        )
    if not first.not_valid_before_utc <= datetime.now(UTC) <= first.not_valid_after_utc:
        raise SigningKeyError(
            f"The certificate in {chain} is valid from {first.not_valid_before_utc} "
            f"until {first.not_valid_after_utc}. Get a new one."
        )
    return MarkingKey(signer, pem)


def _private_key(path: Path) -> ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"Cannot read the private key {path}: {error} Give one without password."
        ) from error
    if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        return key
    raise SigningKeyError(f"{path} is neither Ed25519 nor P-256. Use one of these.")


def open_marking_key(folder: Path) -> tuple[MarkingKey, bool]:
    """Return the key to mark with, and whether it had to be made.

    Args:
        folder: If `own.key.pem` and `own.chain.pem` are there, they are used;
            else the newest key that is not revoked. With no key at all, one is
            made, with a chain of its own.

    Raises:
        SigningKeyError: If keys are damaged, or all of them are revoked.
        StorageError: If the folder is not writable.
    """
    if (folder / OWN_KEY).exists():
        return load_marking_key(folder / OWN_KEY, folder / OWN_CHAIN), False
    is_new = not list_keys(folder).records
    if is_new:
        generate_key(folder, "es256")
    signer = load_signer(folder)
    path = _chain_path(folder, signer.public_key.id)
    if not path.exists():
        write_bytes(path, make_chain(signer.public_key))
    return MarkingKey(signer, path.read_bytes()), is_new


def _chain_path(folder: Path, key_id: str) -> Path:
    return folder / f"{key_id}.chain.pem"


def trusted_roots(folder: Path, others: Iterable[Path] = ()) -> list[x509.Certificate]:
    """Return the certificates of those whose marks are believed.

    The user's own keys are, unless they are revoked: without a time stamp
    nobody can tell signatures before that moment from later ones.

    Args:
        folder: Of the user's marking keys.
        others: Files with certificates of others, as PEM.

    Raises:
        SigningKeyError: If a file holds no certificate.
    """
    good = [
        _chain_path(folder, record.public_key.id)
        for record in list_keys(folder).records
        if record.revoked_from is None
    ]
    own = [path for path in (*good, folder / OWN_CHAIN) if path.exists()]
    roots = [read_chain(path.read_bytes())[-1] for path in own]
    for path in others:
        try:
            roots += read_chain(path.read_bytes())
        except (OSError, SigningKeyError) as error:
            raise SigningKeyError(f"Cannot read the certificates in {path}.") from error
    return roots
