from __future__ import annotations

import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from contrafact.audit._certificates import (
    make_chain,
    public_key_of,
    read_chain,
    vouched_by,
)
from contrafact.audit.keys import generate_key, list_keys, load_signer, revoke_key
from contrafact.audit.marking_keys import (
    OWN_CHAIN,
    OWN_KEY,
    load_marking_key,
    open_marking_key,
    trusted_roots,
)
from contrafact.core.errors import SigningKeyError

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder for marking keys that does not exist yet."""
    return tmp_path / "marking"


def test_a_chain_is_what_openssl_takes(folder: Path) -> None:
    """An independent tool finds the certificate vouched for by the root."""
    key, _ = open_marking_key(folder)
    leaf, root = key.certificates
    files = {}
    for name, certificate in {"leaf": leaf, "root": root}.items():
        files[name] = folder / f"{name}.pem"
        files[name].write_bytes(certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-x509_strict", "-purpose", "smimesign"]
    command += ["-CAfile", str(files["root"]), str(files["leaf"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_chain_names_the_key_and_nobody(folder: Path) -> None:
    """Neither the user's name nor the machine's is given away."""
    key, _ = open_marking_key(folder)
    leaf, root = key.certificates
    assert public_key_of(leaf) == key.signer.public_key
    names = {attribute.value for c in (leaf, root) for attribute in c.subject}
    id_ = key.signer.public_key.id
    assert names == {f"contrafact key {id_}", f"contrafact root for {id_}", "self-made"}


def test_a_chain_needs_an_es256_key(tmp_path: Path) -> None:
    """Ed25519 keys are told so."""
    record = generate_key(tmp_path, "ed25519")
    with pytest.raises(SigningKeyError, match="not ES256"):
        make_chain(record.public_key)


def test_trust_needs_a_root_and_a_day(folder: Path) -> None:
    """Vouched for by its own root only, and only while both are valid."""
    key, _ = open_marking_key(folder)
    leaf, root = chain = key.certificates
    other = read_chain(make_chain(generate_key(folder / "b", "es256").public_key))
    assert vouched_by(chain, [root], on=NOW)
    assert vouched_by(chain, [leaf], on=NOW)
    assert vouched_by([leaf], [root], on=NOW)
    assert not vouched_by(chain, [], on=NOW)
    assert not vouched_by(chain, [other[1]], on=NOW)
    assert not vouched_by([leaf, other[1]], [other[1]], on=NOW)
    assert not vouched_by(chain, [root], on=NOW + timedelta(days=4000))
    assert not vouched_by(chain, [root], on=NOW - timedelta(days=1))


def test_a_leaf_vouches_for_nobody(folder: Path) -> None:
    """A certificate that is no authority's cannot extend trust."""
    key, _ = open_marking_key(folder)
    leaf, _ = key.certificates
    forged = make_chain(generate_key(folder / "b", "es256").public_key)
    assert not vouched_by([read_chain(forged)[0], leaf], [leaf], on=NOW)


def test_the_first_key_is_made_and_kept(folder: Path) -> None:
    """Made once, with a chain beside it, private to its holder."""
    first, is_new = open_marking_key(folder)
    again, is_new_again = open_marking_key(folder)
    assert (is_new, is_new_again) == (True, False)
    assert first.chain == again.chain
    secret = next(folder.glob("*.key.pem"))
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_chain_that_was_not_written_yet_is_made(folder: Path) -> None:
    """As after a kill between key and chain: the key is used all the same."""
    first, _ = open_marking_key(folder)
    next(folder.glob("*.chain.pem")).unlink()
    again, is_new = open_marking_key(folder)
    assert not is_new
    assert again.signer.public_key == first.signer.public_key


def test_a_revoked_key_marks_nothing_and_is_not_believed(folder: Path) -> None:
    """No new key is made behind the user's back, and old marks are not trusted."""
    key, _ = open_marking_key(folder)
    assert trusted_roots(folder) == [key.certificates[1]]
    revoke_key(folder, key.signer.public_key.id, reason="stolen")
    with pytest.raises(SigningKeyError, match="stolen"):
        open_marking_key(folder)
    assert trusted_roots(folder) == []


def test_a_key_of_ones_own_comes_first(folder: Path, tmp_path: Path) -> None:
    """Put into the folder it is used; named on the command line, too."""
    made, _ = open_marking_key(tmp_path / "elsewhere")
    folder.mkdir()
    (folder / OWN_CHAIN).write_bytes(made.chain)
    secret = next((tmp_path / "elsewhere").glob("*.key.pem"))
    (folder / OWN_KEY).write_bytes(secret.read_bytes())
    own, is_new = open_marking_key(folder)
    assert (own.signer.public_key, is_new) == (made.signer.public_key, False)
    assert list_keys(folder).records == ()
    assert trusted_roots(folder) == [made.certificates[1]]


def test_key_and_chain_must_belong_together(folder: Path, tmp_path: Path) -> None:
    """Another's certificate, and what is no certificate, are refused."""
    open_marking_key(folder)
    open_marking_key(tmp_path / "other")
    secret = next(folder.glob("*.key.pem"))
    chain = next((tmp_path / "other").glob("*.chain.pem"))
    with pytest.raises(SigningKeyError, match="belong together"):
        load_marking_key(secret, chain)
    with pytest.raises(SigningKeyError, match="certificates in"):
        load_marking_key(secret, secret)
    with pytest.raises(SigningKeyError, match="private key"):
        load_marking_key(chain, chain)
    with pytest.raises(SigningKeyError, match="certificates in"):
        trusted_roots(folder, [secret])


def test_a_certificate_that_is_over_is_refused(folder: Path) -> None:
    """Nobody would believe a mark made with it."""
    record = generate_key(folder, "es256")
    signer = load_signer(folder)
    path = folder / "old.chain.pem"
    path.write_bytes(make_chain(signer.public_key, on=NOW - timedelta(days=4000)))
    with pytest.raises(SigningKeyError, match="Get a new one"):
        load_marking_key(folder / f"{record.public_key.id}.key.pem", path)
