from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contrafact.audit.croissant import describe
from contrafact.audit.keys import (
    FileSigner,
    generate_key,
    list_keys,
    load_signer,
    revoke_key,
)
from contrafact.audit.manifest import ManifestEntry, build_manifest
from contrafact.audit.statements import (
    RELEASE_TYPE,
    in_toto_statement,
    model_signature,
    open_envelope,
    pre_authentication_encoding,
    release_predicate,
    seal,
    subjects_of,
    verify_model_signature,
)
from contrafact.core.errors import ConfigError, EntryError, SigningKeyError

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOOL = shutil.which("model_signing")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a folder with the files of a model."""
    (tmp_path / "model" / "sub").mkdir(parents=True)
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "model" / "sub" / "config.json").write_text("{}")
    (tmp_path / "model" / "sub-b").write_text("sorts between as text")
    return tmp_path / "model"


@pytest.fixture
def es256(tmp_path: Path) -> FileSigner:
    """Return a signer that model-signing knows."""
    generate_key(tmp_path / "es256", "es256")
    return load_signer(tmp_path / "es256")


def release(model: Path, **changes: Any) -> dict[str, Any]:
    """Return the statement of a release."""
    parts: dict[str, Any] = {
        "release": "r1",
        "corpus": {"root": "ab" * 32, "n_entries": 3},
        "code": {"name": "contrafact", "version": "1"},
        "configuration": {"rate": "0.001"},
        "seed": 7,
        "read_log": {"head": "cd" * 32},
        "parent": None,
        "when": NOW,
        **changes,
    }
    subjects = subjects_of([model / "weights.safetensors"], root=model)
    predicate = release_predicate(**parts)
    return in_toto_statement(subjects, RELEASE_TYPE, predicate=predicate)


def test_the_encoding_that_is_signed_is_the_published_one() -> None:
    """As in the DSSE protocol: lengths in front of type and payload."""
    encoded = pre_authentication_encoding(b"hello world")
    assert encoded == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


@pytest.mark.parametrize("algorithm", ["ed25519", "es256"])
def test_a_sealed_release_is_opened(
    tmp_path: Path, model: Path, algorithm: str
) -> None:
    """By either kind of key; what it binds comes back as it was."""
    generate_key(tmp_path / "k", algorithm)
    statement = release(model)
    envelope = seal(statement, load_signer(tmp_path / "k"))
    assert open_envelope(envelope, list_keys(tmp_path / "k")) == statement
    assert json.loads(json.dumps(envelope)) == envelope


def test_an_altered_or_foreign_envelope_is_refused(
    tmp_path: Path, model: Path, signer: FileSigner, keys: Path
) -> None:
    """Payload, type and signature are all covered; so is whose key it is."""
    envelope = seal(release(model), signer)
    other = seal(release(model, seed=8), signer)
    generate_key(tmp_path / "others")
    for bad in (
        {**envelope, "payload": other["payload"]},
        {**envelope, "payloadType": "text/plain"},
        {**envelope, "signatures": []},
        {**envelope, "signatures": other["signatures"]},
        {**envelope, "payload": "%"},
        {},
    ):
        with pytest.raises(SigningKeyError):
            open_envelope(bad, list_keys(keys))
    with pytest.raises(SigningKeyError, match="No key that is trusted"):
        open_envelope(envelope, list_keys(tmp_path / "others"))


def test_a_key_revoked_by_then_does_not_count(
    model: Path, signer: FileSigner, keys: Path
) -> None:
    """The time that the release states decides."""
    envelope = seal(release(model), signer)
    later = NOW + timedelta(days=1)
    revoke_key(keys, signer.public_key.id, reason="lost", since=later)
    assert open_envelope(envelope, list_keys(keys))
    late = seal(release(model, when=later), signer)
    with pytest.raises(SigningKeyError, match="was revoked before"):
        open_envelope(late, list_keys(keys))


def test_settings_are_bound_as_texts(model: Path) -> None:
    """A fraction would be read in two ways, so it is refused."""
    with pytest.raises(EntryError, match="Write it as a text"):
        release(model, configuration={"rate": 0.001})
    one = release(model)["predicate"]["configuration_digest"]
    two = release(model, configuration={"rate": "0.002"})["predicate"]
    assert two["configuration_digest"] != one


def test_a_model_signature_names_what_changed(model: Path, es256: FileSigner) -> None:
    """Altered, missing and added files, each by name."""
    keys = list_keys(model.parent / "es256")
    bundle = model_signature(model, es256, ignore=["model.sig"])
    (model / "model.sig").write_text(json.dumps(bundle))
    assert verify_model_signature(model, bundle, keys) == []
    (model / "weights.safetensors").write_bytes(b"heavier")
    (model / "sub" / "config.json").unlink()
    (model / "extra").write_text("")
    assert verify_model_signature(model, bundle, keys) == [
        "extra is not signed",
        "sub/config.json is missing",
        "weights.safetensors was altered",
    ]


def test_what_the_tool_does_not_know_is_refused(
    model: Path, signer: FileSigner, es256: FileSigner
) -> None:
    """An Ed25519 key, and links, which point elsewhere tomorrow."""
    with pytest.raises(ConfigError, match="--algorithm es256"):
        model_signature(model, signer)
    (model / "link").symlink_to(model / "sub-b")
    with pytest.raises(ConfigError, match="is a link"):
        model_signature(model, es256)


@pytest.mark.skipif(TOOL is None, reason="model-signing is not installed")
def test_model_signing_verifies_our_signature(model: Path, es256: FileSigner) -> None:
    """The tool of the OpenSSF accepts it, and refuses the altered model."""
    bundle = model_signature(model, es256, ignore=["model.sig"])
    (model / "model.sig").write_text(json.dumps(bundle))
    (model.parent / "key.pem").write_bytes(es256.public_key.pem)
    command = [str(TOOL), "verify", "key", str(model), "--signature"]
    command += [str(model / "model.sig"), "--public_key"]
    command.append(str(model.parent / "key.pem"))
    good = subprocess.run(command, capture_output=True, check=False)
    (model / "sub-b").write_text("altered")
    bad = subprocess.run(command, capture_output=True, text=True, check=False)
    assert good.returncode == 0
    assert bad.returncode != 0
    assert "sub-b" in bad.stdout + bad.stderr


def test_a_manifest_is_described(tmp_path: Path) -> None:
    """The description names root, file and digest, and every column."""
    entry = ManifestEntry(work="W", recording="R", digest="0" * 64, right="master")
    manifest = build_manifest([entry], tmp_path)
    plain = describe(manifest, name="corpus", published=date(2026, 5, 1))
    assert manifest.header.root in plain["description"]
    assert plain["distribution"][0]["contentUrl"] == "manifest.jsonl"
    columns = [f["source"]["extract"]["column"] for f in plain["recordSet"][0]["field"]]
    assert sorted(columns) == sorted(json.loads(entry.line))
