"""Content credentials, signed here by throw-away certificates."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
import soundfile
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contrafact.catalog import digest_file
from contrafact.core.entities import Problem
from contrafact.core.errors import RightsFileError
from contrafact.rights import Right, SubjectKind, Use

Read = Callable[..., tuple[list[Any], list[Problem]]]
Sign = Callable[..., Path]

FORMATS = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg"}
SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype"
CREATED = {
    "action": "c2pa.created",
    "digitalSourceType": f"{SOURCES}/digitalCapture",
}


@dataclass(frozen=True)
class Chain:
    """A root certificate, and a signer that it vouches for."""

    root: bytes
    signer: c2pa.Signer


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    is_root = key is issuer_key
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_root,
                key_cert_sign=is_root,
                crl_sign=is_root,
                **usage,
            ),
            True,
        )
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            False,
        )
    )
    if not is_root:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(usages, False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    kinds = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    return x509.Name([x509.NameAttribute(kind, text) for kind in kinds])


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Return a chain of certificates that nobody trusts yet."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    root = _certificate("Test root", keys[0], "Test root", keys[0])
    leaf = _certificate("Test label", keys[1], "Test root", keys[0])
    pem = [c.public_bytes(serialization.Encoding.PEM) for c in (leaf, root)]
    secret = keys[1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, b"".join(pem), secret, None)
    return Chain(pem[1], c2pa.Signer.from_info(info))


@pytest.fixture
def sign(tmp_path: Path, chain: Chain) -> Sign:
    """Return a function that writes a signed file with an assertion."""

    def write(
        entries: dict[str, Any], *, kind: str = "wav", label: str = "cawg"
    ) -> Path:
        wave = np.random.default_rng(5).uniform(-0.1, 0.1, 8_000)
        plain, signed = io.BytesIO(), io.BytesIO()
        soundfile.write(plain, wave, 16_000, format=kind.upper())
        plain.seek(0)
        data = {k: v if isinstance(v, dict) else {"use": v} for k, v in entries.items()}
        manifest = {
            "claim_generator_info": [{"name": "test", "version": "1"}],
            "format": FORMATS[kind],
            "assertions": [
                {"label": "c2pa.actions", "data": {"actions": [CREATED]}},
                {"label": f"{label}.training-mining", "data": {"entries": data}},
            ],
        }
        c2pa.Builder(manifest).sign(chain.signer, FORMATS[kind], plain, signed)
        path = tmp_path / f"song.{kind}"
        path.write_bytes(signed.getvalue())
        return path

    return write


@pytest.fixture
def trust(tmp_path: Path, chain: Chain) -> Path:
    """Return a file with the root certificate."""
    (tmp_path / "root.pem").write_bytes(chain.root)
    return tmp_path / "root.pem"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("label", ["cawg", "c2pa"])
def test_a_reservation_is_read(sign: Sign, read: Read, kind: str, label: str) -> None:
    """From every format and by either label; of the file, for both rights."""
    path = sign(
        {f"{label}.ai_generative_training": "notAllowed"}, kind=kind, label=label
    )
    records, problems = read(path)
    assert problems == []
    assert {c.right for c in records} == set(Right)
    for c in records:
        assert (c.use, c.is_allowed) == (Use.TRAIN_GENERATIVE, False)
        assert c.subject_kind is SubjectKind.RECORDING
        assert c.subject_id == digest_file(path)
        assert c.grantor == "Test label"


def test_each_entry_is_its_own_use(sign: Sign, read: Read) -> None:
    """The four that are defined."""
    names = ("ai_generative_training", "ai_training", "data_mining", "ai_inference")
    records, _ = read(sign({f"cawg.{name}": "notAllowed" for name in names}))
    # In the order of their names, as the manifest is stored.
    assert [c.use for c in records if c.right is Right.MASTER] == [
        Use.TRAIN_GENERATIVE,
        Use.REFERENCE_CONDITIONING,
        Use.TRAIN_NON_GENERATIVE,
        Use.TEXT_AND_DATA_MINING,
    ]


def test_constrained_is_reserved(sign: Sign, read: Read) -> None:
    """Without terms that were agreed it is as if it were not allowed."""
    entry = {"use": "constrained", "constraint_info": "ask us"}
    records, _ = read(sign({"cawg.ai_training": entry}))
    assert [c.is_allowed for c in records] == [False, False]


def test_only_who_is_trusted_may_allow(sign: Sign, read: Read, trust: Path) -> None:
    """And then the master only: nobody signs for the composer."""
    path = sign({"cawg.ai_training": "allowed"})
    records, [note] = read(path)
    assert records == []
    assert "'Test label', whose signature is valid but not trusted" in note.message
    [c], problems = read(path, trust=trust)
    assert problems == []
    assert (c.right, c.is_allowed) == (Right.MASTER, True)


def test_damage_voids_permissions_and_keeps_reservations(
    sign: Sign, read: Read, trust: Path
) -> None:
    """A file that was changed after it was signed allows nothing."""
    path = sign({"cawg.ai_training": "allowed", "cawg.data_mining": "notAllowed"})
    data = bytearray(path.read_bytes())
    data[1_000] ^= 1
    path.write_bytes(data)
    records, [note] = read(path, trust=trust)
    assert {(c.use, c.is_allowed) for c in records} == {
        (Use.TEXT_AND_DATA_MINING, False)
    }
    assert "invalid" in note.message


def test_what_was_reserved_before_stays_reserved(
    sign: Sign, read: Read, chain: Chain, trust: Path
) -> None:
    """Whoever signs a file anew, saying nothing on training, lifts nothing."""
    path = sign({"cawg.data_mining": "notAllowed", "cawg.ai_training": "allowed"})
    manifest = {"claim_generator_info": [{"name": "test", "version": "1"}]}
    builder, signed = c2pa.Builder(manifest), io.BytesIO()
    builder.set_intent(c2pa.C2paBuilderIntent.EDIT)  # with the parent
    before = io.BytesIO(path.read_bytes())
    builder.sign(chain.signer, FORMATS["wav"], before, signed)
    path.write_bytes(signed.getvalue())
    records, problems = read(path, trust=trust)
    assert problems == []
    assert {(c.use, c.is_allowed) for c in records} == {
        (Use.TEXT_AND_DATA_MINING, False)
    }


def test_unknown_entries_are_told(sign: Sign, read: Read) -> None:
    """Unknown names are left out; unknown values are reserved."""
    records, notes = read(
        sign({"org.example.singing": "allowed", "cawg.ai_training": "perhaps"})
    )
    assert [c.is_allowed for c in records] == [False, False]
    assert [note.is_fatal for note in notes] == [False, False]


def test_a_file_without_credentials_is_refused(tmp_path: Path, read: Read) -> None:
    """There is nothing to import from it; nor from what is no audio."""
    soundfile.write(tmp_path / "plain.wav", np.zeros(100), 8_000)
    with pytest.raises(RightsFileError, match="no content credentials"):
        read(tmp_path / "plain.wav")
    (tmp_path / "none.mp3").write_bytes(b"nothing")
    with pytest.raises(RightsFileError, match="no content credentials"):
        read(tmp_path / "none.mp3")


def test_credentials_that_say_nothing_are_a_note(sign: Sign, read: Read) -> None:
    """Absence is no permission, and no fault."""
    records, notes = read(sign({}, label="org.example"))
    assert records == []
    assert ["say nothing" in note.message for note in notes] == [True]


def test_certificates_that_are_none_are_an_error(
    sign: Sign, read: Read, tmp_path: Path
) -> None:
    """Not a chain that trusts nobody."""
    with pytest.raises(RightsFileError, match="certificates"):
        read(sign({"cawg.ai_training": "allowed"}), trust=tmp_path / "absent.pem")
