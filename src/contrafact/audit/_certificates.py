"""Self-made certificates for marking keys, and chains read from files.

Content credentials are signed by an X.509 certificate that another one vouches
for. Without a certificate from an authority a user gets a chain of two: a root
made for one key, whose own key is thrown away at once, and the key's
certificate. It says who signed to whoever was given the root, and to nobody
else.

References:
    C2PA Technical Specification 2.2, section 14.5, Certificate Profile.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contrafact.audit.keys import PublicKey
from contrafact.core.errors import SigningKeyError

__all__ = ["make_chain", "public_key_of", "read_chain", "vouched_by"]

_YEARS = timedelta(days=3652)
"""Long, since without a time stamp a signature ends with its certificate."""
_EARLIER = timedelta(hours=1)
"""Clocks of those who check are not all right."""
_NO_USE = (
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "encipher_only",
    "decipher_only",
)


def make_chain(key: PublicKey, *, on: datetime | None = None) -> bytes:
    """Return a certificate for a key and the root that vouches for it, as PEM.

    Args:
        key: An ES256 key.
        on: From when they are valid, for ten years; now if None.

    Raises:
        SigningKeyError: If the key is not ES256.
    """
    public = serialization.load_der_public_key(key.der)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise SigningKeyError(
            f"The key {key.id} is not ES256, which content credentials need. Make "
            "another with `contrafact audit keys new --algorithm es256`."
        )
    start = (on or datetime.now(UTC)) - _EARLIER
    secret = ec.generate_private_key(ec.SECP256R1())
    issuer = _name(f"contrafact root for {key.id}")
    root = _certificate(issuer, secret.public_key(), issuer, secret, start)
    name = _name(f"contrafact key {key.id}")
    leaf = _certificate(name, public, issuer, secret, start)
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (leaf, root))


def _name(text: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, text),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "self-made"),
        ]
    )


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    secret: ec.EllipticCurvePrivateKey,
    start: datetime,
) -> x509.Certificate:
    is_root = name == issuer
    vouches = x509.KeyUsage(
        digital_signature=not is_root,
        key_cert_sign=is_root,
        crl_sign=is_root,
        **dict.fromkeys(_NO_USE, False),
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(secret.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _YEARS)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), True)
        .add_extension(vouches, True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        .add_extension(authority, False)
    )
    if not is_root:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(usages, False)
    return builder.sign(secret, hashes.SHA256())


def read_chain(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM text, the signer's first.

    Raises:
        SigningKeyError: If it holds none.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise SigningKeyError("There is no certificate in PEM form.") from error


def public_key_of(certificate: x509.Certificate) -> PublicKey:
    """Return the key that a certificate speaks of.

    Raises:
        SigningKeyError: If it is neither Ed25519 nor P-256.
    """
    return PublicKey.from_pem(
        certificate.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def vouched_by(
    chain: list[x509.Certificate], roots: list[x509.Certificate], *, on: datetime
) -> bool:
    """Tell whether a chain leads to one of the roots, all of it valid at a moment."""
    for certificate, issuer in zip(chain, [*chain[1:], None], strict=True):
        if (
            not certificate.not_valid_before_utc
            <= on
            <= certificate.not_valid_after_utc
        ):
            return False
        if any(_vouches(root, certificate) for root in roots):
            return True
        if issuer is None or not _vouches(issuer, certificate):
            return False
    return False


def _vouches(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer == certificate:
        return True
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints)
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return constraints.value.ca
