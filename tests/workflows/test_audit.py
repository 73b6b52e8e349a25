from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from contrafact.audit import check_bundle, generate_key
from contrafact.catalog import Workspace
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.errors import (
    ConfigError,
    LogDamagedError,
    SigningKeyError,
)
from contrafact.workflows.audit import (
    append_entries,
    append_entry,
    list_entries,
    open_log,
    parse_moment,
    read_log,
    reveals_about,
    revoke_and_log,
    workspace_signer,
)
from contrafact.workflows.bundles import make_bundle, verify_bundle, verify_log


@pytest.fixture(autouse=True)
def _own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the keys of whoever runs the tests out of it."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return an empty workspace."""
    return Workspace.init(tmp_path / "ws")


@pytest.fixture
def key() -> str:
    """Make a key and return its id."""
    return generate_key(keys_dir_from_environment()).public_key.id


def test_keys_are_never_in_the_workspace(workspace: Workspace, key: str) -> None:
    """Neither where they are made, nor after anything was entered."""
    append_entry(workspace, "policy", {"a": 1})
    names = [path.name for path in workspace.root.rglob("*")]
    assert not [name for name in names if key in name or name.endswith(".pem")]
    assert workspace_signer().public_key.id == key


def test_without_a_key_nothing_is_entered(workspace: Workspace) -> None:
    """It is told how to make one, and no log is begun."""
    with pytest.raises(SigningKeyError, match="audit keys new"):
        append_entry(workspace, "policy", {"a": 1})
    assert list_entries(workspace) == []
    assert not (workspace.root / "audit").exists()


@pytest.mark.usefixtures("key")
def test_private_values_are_revealed_by_work(
    workspace: Workspace, tmp_path: Path
) -> None:
    """The log does not hold them; a bundle does only for the work asked for."""
    for work, grantor in (("W-1", "Ann"), ("W-2", "Bob")):
        subject = {"subject": {"work": work}}
        append_entry(workspace, "consent", subject, private={"grantor": grantor})
    logged = b"".join(entry.data for entry in list_entries(workspace))
    assert b"Ann" not in logged
    assert [r.value for r in reveals_about(workspace, "W-1")] == ["Ann"]
    make_bundle(workspace, tmp_path / "bundle", reveal=["W-1"])
    shown = [json.loads(p.read_text()) for p in (tmp_path / "bundle/reveals").iterdir()]
    assert [one["value"] for one in shown] == ["Ann"]
    everything = b"".join(
        path.read_bytes() for path in (tmp_path / "bundle").rglob("*") if path.is_file()
    )
    assert b"Bob" not in everything
    # Whoever deletes the salt deletes the value.
    shutil.rmtree(workspace.root / "audit/private")
    assert reveals_about(workspace, "W-2") == ()


@pytest.mark.usefixtures("key")
def test_many_things_are_entered_under_one_checkpoint(workspace: Workspace) -> None:
    """All or none, in their order."""
    things = [("policy", {"number": n}, None) for n in range(5)]
    done = append_entries(workspace, things)
    assert [one.index for one in done] == [0, 1, 2, 3, 4]
    assert {one.size for one in done} == {5}
    with pytest.raises(ValueError, match="no kind of entry"):
        append_entries(workspace, [*things, ("gossip", {}, None)])
    assert len(list_entries(workspace)) == 5


@pytest.mark.usefixtures("key")
def test_a_log_put_back_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    """What is remembered beside the keys, outside the workspace, tells."""
    append_entry(workspace, "policy", {"n": 1})
    shutil.copytree(workspace.root / "audit", tmp_path / "old")
    append_entry(workspace, "withdrawal", {"work": "W-1"})
    newest = tmp_path / "newest"
    newest.write_bytes(read_log(workspace).note())
    shutil.rmtree(workspace.root / "audit")
    shutil.copytree(tmp_path / "old", workspace.root / "audit")
    with pytest.raises(LogDamagedError, match="rolled back"):
        append_entry(workspace, "policy", {"n": 2})
    assert "rolled back" in str(verify_log(workspace).problems[0])
    shutil.rmtree(tmp_path / "keys/logs")
    assert verify_log(workspace).is_true
    assert not verify_log(workspace, since=newest).is_true


@pytest.mark.usefixtures("key")
def test_one_key_signs_the_logs_of_many_workspaces(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Each has its own name, and its own memory."""
    other = Workspace.init(tmp_path / "other")
    for number in range(3):
        for place in (workspace, other):
            assert append_entry(place, "policy", {"n": number}).index == number
    origins = {read_log(w).checkpoint().origin for w in (workspace, other)}
    assert len(origins) == 2
    assert verify_log(workspace).is_true
    assert verify_log(other).is_true


def test_a_revocation_is_entered_by_another_key(workspace: Workspace, key: str) -> None:
    """The log says so itself; it goes on under the new key and stays true."""
    append_entry(workspace, "policy", {"n": 1})
    with pytest.raises(SigningKeyError, match="is revoked"):
        revoke_and_log(key, reason="lost", workspace=workspace)
    other = generate_key(keys_dir_from_environment(), "es256").public_key.id
    record = revoke_and_log(key, reason="lost", workspace=workspace)
    assert record.revoked_from is not None
    assert open_log(workspace).checkpoint().size == 2
    entry = list_entries(workspace)[-1].entry
    assert entry["body"]["policy"] == "key-revoked"
    assert entry["body"]["key"]["id"] == key
    assert verify_log(workspace).is_true
    # Had it been revoked before its last signature, that would not count.
    early = record.revoked_from - timedelta(days=1)
    revoke_and_log(other, reason="stolen too", since=early)
    verdict = verify_log(workspace)
    assert [problem.source for problem in verdict.problems] == ["checkpoint"]


def test_a_bundle_is_verified_and_never_overwrites(
    workspace: Workspace, tmp_path: Path, key: str
) -> None:
    """By its own key with a warning in the answer, or by one that is given."""
    append_entry(workspace, "release", {"release": "r1"})
    names = make_bundle(workspace, tmp_path / "bundle")
    assert "proofs/entry-0.tlog-proof" in names
    verdict = verify_bundle(tmp_path / "bundle")
    assert (verdict.is_true, verdict.is_trusted, verdict.size) == (True, False, 1)
    pem = keys_dir_from_environment() / f"{key}.pub.pem"
    assert verify_bundle(tmp_path / "bundle", key=pem).is_trusted
    with pytest.raises(OSError, match="There is something"):
        make_bundle(workspace, tmp_path / "bundle")
    assert check_bundle(tmp_path / "bundle") == []
    with pytest.raises(ConfigError, match="Cannot read"):
        verify_bundle(tmp_path / "bundle", key=tmp_path / "none.pem")


def test_there_is_nothing_to_verify_without_a_log(
    workspace: Workspace, tmp_path: Path
) -> None:
    """It is an error, not a log of no entries that is true."""
    with pytest.raises(LogDamagedError, match="no log"):
        verify_log(workspace)
    with pytest.raises(LogDamagedError, match="no log"):
        make_bundle(workspace, tmp_path / "bundle")


def test_moments_are_utc_unless_they_say_otherwise() -> None:
    """A date is its first moment."""
    assert parse_moment("2026-01-31").isoformat() == "2026-01-31T00:00:00+00:00"
    assert parse_moment("2026-01-31T12:00:00+02:00").hour == 12
    with pytest.raises(ConfigError, match="no date or time"):
        parse_moment("soon")
