from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from contrafact.audit.keys import (
    FileSigner,
    KeyRecord,
    KeyRing,
    PublicKey,
    generate_key,
    list_keys,
    load_signer,
)
from contrafact.audit.notes import (
    Checkpoint,
    key_hash,
    parse_checkpoint,
    sign_checkpoint,
    signer_of,
)
from contrafact.core.errors import LogDamagedError, SigningKeyError

# The example of the documentation of golang.org/x/mod/sumdb/note.
NAME = "PeterNeumann"
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb"
    "6KE6RyyBwJnAM="
)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
CHECKPOINT = Checkpoint("example.org/log", 7, b"r" * 32)


def go_key() -> PublicKey:
    """Return the key of the example."""
    raw = base64.b64decode(GO_KEY.split("+", 2)[2])[1:]
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return PublicKey.from_pem(pem)


def test_keys_are_named_as_the_published_example_has_it() -> None:
    """The four bytes before the signature of the Go package's own example."""
    raw = base64.b64decode(GO_SIGNATURE)
    assert key_hash(NAME, go_key()).hex() == GO_KEY.split("+")[1]
    assert raw[:4] == key_hash(NAME, go_key())


def test_the_published_example_is_a_true_note() -> None:
    """Signed by somebody else, it is verified here."""
    note = f"{GO_TEXT}\n— {NAME} {GO_SIGNATURE}\n".encode()
    keys = KeyRing([KeyRecord(public_key=go_key(), created=NOW)])
    assert signer_of(note, keys, when=NOW).public_key == go_key()
    with pytest.raises(SigningKeyError, match="is wrong"):
        signer_of(note.replace(b"answer", b"Answer"), keys, when=NOW)


@pytest.mark.parametrize("algorithm", ["ed25519", "es256"])
def test_a_checkpoint_is_signed_and_read_back(tmp_path: Path, algorithm: str) -> None:
    """By either kind of key; an altered one is refused."""
    generate_key(tmp_path, algorithm)
    note = sign_checkpoint(CHECKPOINT, load_signer(tmp_path))
    keys = list_keys(tmp_path)
    assert parse_checkpoint(note) == CHECKPOINT
    assert signer_of(note, keys, when=NOW) == keys.records[0]
    with pytest.raises(SigningKeyError):
        signer_of(note.replace(b"\n7\n", b"\n8\n"), keys, when=NOW)


def test_signatures_of_others_are_passed_over(tmp_path: Path) -> None:
    """A note may carry those of witnesses that are not known here."""
    for name in ("own", "other"):
        generate_key(tmp_path / name)
    own = sign_checkpoint(CHECKPOINT, load_signer(tmp_path / "own")).decode()
    other = sign_checkpoint(CHECKPOINT, load_signer(tmp_path / "other")).decode()
    both = own + other.rpartition("\n\n")[2]
    for name in ("own", "other"):
        assert signer_of(both.encode(), list_keys(tmp_path / name), when=NOW)
    with pytest.raises(SigningKeyError, match="No key that is trusted"):
        signer_of(own.encode(), list_keys(tmp_path / "other"), when=NOW)


def test_a_revoked_key_counts_until_its_day(signer: FileSigner) -> None:
    """The same note is good for an earlier moment and refused for a later."""
    record = KeyRecord(
        public_key=signer.public_key, created=NOW, revoked_from=NOW, reason="lost"
    )
    note, keys = sign_checkpoint(CHECKPOINT, signer), KeyRing([record])
    assert signer_of(note, keys, when=NOW - timedelta(seconds=1)) == record
    with pytest.raises(SigningKeyError, match=r"was revoked \(lost\)"):
        signer_of(note, keys, when=NOW)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: note[:-1],
        lambda note: note.replace(b"\n\n", b"\n"),
        lambda note: note.replace(b"\n7\n", b"\n07\n"),
        lambda note: note.replace(b"\n7\n", b"\n-7\n"),
        lambda note: note.replace(b"\n7\n", b"\nseven\n"),
        lambda note: note.replace("—".encode(), b"-"),
        lambda note: note[:-3] + b"\n",
        lambda note: b"\xff" + note,
        lambda note: b"",
    ],
)
def test_what_is_no_checkpoint_is_refused(signer: FileSigner, spoil: object) -> None:
    """It is damaged, in one line; nothing else escapes."""
    note = spoil(sign_checkpoint(CHECKPOINT, signer))  # type: ignore[operator]
    keys = KeyRing([KeyRecord(public_key=signer.public_key, created=NOW)])
    with pytest.raises((LogDamagedError, SigningKeyError)):
        _ = parse_checkpoint(note), signer_of(note, keys, when=NOW)
