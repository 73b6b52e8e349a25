from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from contrafact.audit.entries import format_time
from contrafact.audit.keys import (
    PublicKey,
    generate_key,
    list_keys,
    load_signer,
    revoke_key,
)
from contrafact.core.errors import ConfigError, SigningKeyError

ALGORITHMS = ("ed25519", "es256")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_signatures_hold_here_and_at_openssl(tmp_path: Path, algorithm: str) -> None:
    """Both kinds of key; another message does not pass."""
    record = generate_key(tmp_path / "keys", algorithm)
    signature = load_signer(tmp_path / "keys").sign(b"message")
    assert record.public_key.verify(b"message", signature)
    assert not record.public_key.verify(b"massage", signature)
    assert not record.public_key.verify(b"message", signature[:-1] + b"\0")
    (tmp_path / "m").write_bytes(b"message")
    (tmp_path / "s").write_bytes(signature)
    (tmp_path / "k").write_bytes(record.public_key.pem)
    words = ["dgst", "-sha256", "-verify", "k", "-signature", "s", "m"]
    if algorithm == "ed25519":
        words = ["pkeyutl", "-verify", "-pubin", "-inkey", "k", "-rawin"]
        words += ["-in", "m", "-sigfile", "s"]
    done = subprocess.run(["openssl", *words], cwd=tmp_path, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_survives_being_written(tmp_path: Path, algorithm: str) -> None:
    """Its PEM is read as the same key, and its file has its id."""
    key = generate_key(tmp_path, algorithm).public_key
    assert PublicKey.from_pem(key.pem) == key
    assert PublicKey.from_pem((tmp_path / f"{key.id}.pub.pem").read_bytes()) == key
    assert len(key.fingerprint) == 64
    assert key.fingerprint.startswith(key.id)


def test_private_keys_are_for_their_holder_alone(tmp_path: Path) -> None:
    """Nobody else may read the file or list the folder."""
    record = generate_key(tmp_path / "keys")
    path = tmp_path / "keys" / f"{record.public_key.id}.key.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_newest_good_key_signs(tmp_path: Path) -> None:
    """Unless one is named; a revoked one is passed over, and refused by name."""
    with pytest.raises(SigningKeyError, match="no key to sign with"):
        load_signer(tmp_path)
    first, second = (generate_key(tmp_path).public_key.id for _ in range(2))
    assert load_signer(tmp_path).public_key.id == second
    assert load_signer(tmp_path, first).public_key.id == first
    revoke_key(tmp_path, second, reason="lost")
    assert load_signer(tmp_path).public_key.id == first
    with pytest.raises(SigningKeyError, match=r"is revoked since .*: lost"):
        load_signer(tmp_path, second)
    with pytest.raises(SigningKeyError, match="no key ffff"):
        load_signer(tmp_path, "ffff" * 5)


def test_a_revocation_only_moves_back(tmp_path: Path) -> None:
    """It cuts by date; nobody can take it back by setting a later one."""
    record = generate_key(tmp_path)
    moment = record.created + timedelta(days=1)
    revoked = revoke_key(tmp_path, record.public_key.id, reason="a", since=moment)
    assert revoked.is_good_at(record.created)
    assert not revoked.is_good_at(moment)
    later = moment + timedelta(days=5)
    again = revoke_key(tmp_path, record.public_key.id, reason="b", since=later)
    assert again.revoked_from == moment
    (listed,) = list_keys(tmp_path).records
    assert listed.to_json()["revoked_from"] == format_time(moment)
    with pytest.raises(SigningKeyError, match="no key"):
        revoke_key(tmp_path, "", reason="c")


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    """An unknown algorithm, a key of another kind, a damaged file."""
    with pytest.raises(ConfigError, match="no kind of key 'rsa'"):
        generate_key(tmp_path, "rsa")
    command = ["openssl", "genrsa", "-out", "rsa.pem", "2048"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    command = ["openssl", "rsa", "-in", "rsa.pem", "-pubout", "-out", "rsa.pub"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(SigningKeyError, match="neither Ed25519 nor P-256"):
        PublicKey.from_pem((tmp_path / "rsa.pub").read_bytes())
    with pytest.raises(SigningKeyError, match="no public key"):
        PublicKey.from_pem(b"nothing")
    id_ = generate_key(tmp_path).public_key.id
    (tmp_path / f"{id_}.key.pem").write_text("damaged")
    with pytest.raises(SigningKeyError, match="Cannot read the private key"):
        load_signer(tmp_path)
    (tmp_path / f"{id_}.json").write_text("{}")
    with pytest.raises(SigningKeyError, match="damaged"):
        list_keys(tmp_path)
