"""The withdrawal drill: release, withdraw, refuse, retrain, prove, answer."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from contrafact.audit import check_proof, generate_key, open_envelope
from contrafact.catalog import Workspace
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.errors import (
    ConfigError,
    ConsentMissingError,
    LogDamagedError,
    ProofError,
    ReleaseError,
    SigningKeyError,
    UnknownEntityError,
    WithdrawnError,
)
from contrafact.workflows.answers import find_in_releases
from contrafact.workflows.audit import list_entries, trusted_keys
from contrafact.workflows.bundles import make_bundle, verify_bundle
from contrafact.workflows.models import find_model
from contrafact.workflows.releases import (
    check_release,
    create_release,
    find_release,
    list_releases,
)
from contrafact.workflows.retrain import retrain_release
from contrafact.workflows.serving import check_serving
from contrafact.workflows.train import train
from contrafact.workflows.withdraw import WithdrawalReport, withdraw
from contrafact.workflows.withdrawals import Policy

TODAY = date.today()


@pytest.fixture(autouse=True)
def _own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign with a key of the test's own."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    generate_key(keys_dir_from_environment(), algorithm="es256")


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Workspace:
    """Return a workspace with a tiny model that nobody else writes to."""
    return Workspace.open(shutil.copytree(trained, tmp_path / "ws"))


@pytest.fixture
def work(workspace: Workspace) -> str:
    """Return the id of a work that the model was trained on."""
    with workspace.catalog() as catalog:
        return str(catalog.works()[0].id)


def _take_back(
    workspace: Workspace,
    work: str,
    *,
    policy: Policy = Policy.BLOCK,
    effective: date = TODAY,
) -> WithdrawalReport:
    return withdraw(
        workspace, work, reason="no more", effective=effective, policy=policy
    )


def test_a_release_binds_what_made_it(workspace: Workspace) -> None:
    """Its signed statement names weights, corpus, code, settings, seed and log."""
    release = create_release(workspace, "tiny")
    envelope = json.loads((release.directory / "statement.json").read_text())
    said = open_envelope(envelope, trusted_keys())
    manifest = json.loads((workspace.models_dir / "tiny" / "manifest.json").read_text())
    predicate = said["predicate"]
    assert predicate["corpus"]["root"] == manifest["manifest"]
    assert predicate["read_log"]["head"] == manifest["read_log"]["head"]
    assert predicate["read_log"]["n_steps"] == manifest["training"]["n_steps"]
    assert predicate["model_digest"] == manifest["model"]
    assert predicate["seed"] == 0
    assert "model.safetensors" in {s["name"] for s in said["subject"]}
    assert check_release(workspace, release) == []
    assert create_release(workspace, "tiny").id == release.id
    assert [e.entry["kind"] for e in list_entries(workspace)] == ["release"]


def test_other_weights_are_found_out(workspace: Workspace) -> None:
    """A byte of the weights that changed since is named."""
    release = create_release(workspace, "tiny")
    path = workspace.models_dir / "tiny" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert check_release(workspace, release) == [
        "model.safetensors is not as it was signed"
    ]


def test_a_read_log_that_was_changed_cannot_be_released(workspace: Workspace) -> None:
    """Leaving a line out, or adding one, breaks the chain."""
    path = workspace.models_dir / "tiny" / "read-log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ReleaseError, match="not the log that was written"):
        create_release(workspace, "tiny")


def test_without_a_key_nothing_is_withdrawn(
    workspace: Workspace, work: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A withdrawal that could not be signed leaves no trace of itself."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "none"))
    with pytest.raises(SigningKeyError):
        _take_back(workspace, work)
    assert not (workspace.root / "withdrawals").exists()
    train(workspace, recipe="tiny")


def test_a_withdrawal_contaminates_everything_made_from_it(
    workspace: Workspace, work: str
) -> None:
    """Release, fine-tune, distilled part, model and latents, and none besides."""
    first = create_release(workspace, "tiny")
    tuned = create_release(workspace, "tiny", kind="fine-tune", parent=first.id)
    small = create_release(workspace, "tiny", kind="distilled", parent=tuned.id)
    assert {r.status for r in list_releases(workspace)} == {"clean"}
    report = _take_back(workspace, work)
    named = {(p.kind, p.name) for p in report.contaminated if p.kind != "latents"}
    assert named == {
        ("release", first.id),
        ("fine-tune", tuned.id),
        ("distilled", small.id),
        ("model", "tiny"),
    }
    latents = [p for p in report.contaminated if p.kind == "latents"]
    assert len(latents) == len(report.record.recordings)
    assert {r.status for r in list_releases(workspace)} == {"contaminated"}
    entries = [e.entry for e in list_entries(workspace)]
    assert [e["kind"] for e in entries[-2:]] == ["withdrawal", "contamination"]
    assert "no more" not in json.dumps(entries)


def test_what_does_not_hold_it_stays_clean(workspace: Workspace) -> None:
    """A work that is in the catalog and not in the release changes nothing."""
    with workspace.catalog() as catalog:
        recordings = catalog.recordings()
    _take_back(workspace, str(recordings[0].work_id))
    left = train(workspace, recipe="tiny", name="rest", licensed_only=True)
    clean = create_release(workspace, left.id)
    assert clean.status == "clean"
    assert find_release(workspace, clean.id).withdrawn == ()


def test_a_withdrawal_to_come_contaminates_at_once(
    workspace: Workspace, work: str
) -> None:
    """Its day is for serving; no new model is trained with it until then."""
    release = create_release(workspace, "tiny")
    report = _take_back(workspace, work, effective=TODAY + timedelta(days=30))
    found = find_release(workspace, release.id)
    assert (found.status, found.pending) == ("contaminated", (report.record.id,))
    with pytest.raises(ConsentMissingError, match="withdrawal"):
        train(workspace, recipe="tiny", name="more")


def test_a_damaged_log_keeps_nobody_from_withdrawing(
    workspace: Workspace, work: str
) -> None:
    """It is in force, the error says so, and the next call enters it."""
    release = create_release(workspace, "tiny")
    checkpoint = workspace.root / "audit/checkpoint"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole.replace(b"\n1\n", b"\n9\n"))
    with pytest.raises(LogDamagedError, match="is in force, but not entered"):
        _take_back(workspace, work)
    assert find_release(workspace, release.id).status == "contaminated"
    checkpoint.write_bytes(whole)
    again = _take_back(workspace, work)
    assert list_entries(workspace)[again.entry].entry["kind"] == "withdrawal"


def test_withdrawing_again_changes_nothing(workspace: Workspace, work: str) -> None:
    """The log has one entry about it, and the second call says that it was known."""
    first = _take_back(workspace, work)
    again = _take_back(workspace, work)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.entry == again.entry
    kinds = [e.entry["kind"] for e in list_entries(workspace)]
    assert kinds.count("withdrawal") == 1


def test_what_is_not_there_cannot_be_withdrawn(workspace: Workspace) -> None:
    """A name that means nothing is an error, and so is no reason."""
    with pytest.raises(UnknownEntityError, match="no work or recording"):
        _take_back(workspace, "W-none")
    with pytest.raises(ConfigError, match="needs a reason"):
        withdraw(workspace, "W-none", reason=" ", effective=TODAY)


@pytest.mark.parametrize(
    ("policy", "days", "is_served"),
    [
        (Policy.BLOCK, 0, False),
        (Policy.BLOCK, 30, False),
        (Policy.BLOCK_FROM_DATE, 0, False),
        (Policy.BLOCK_FROM_DATE, 30, True),
        (Policy.PAY_THROUGH, 0, True),
    ],
)
def test_the_policy_says_what_is_served(
    workspace: Workspace, work: str, policy: Policy, days: int, is_served: bool
) -> None:
    """Blocked at once, blocked from its day, or served with a notice."""
    record = find_model(workspace, "tiny")
    assert check_serving(workspace, record) == ()
    effective = TODAY + timedelta(days=days)
    _take_back(workspace, work, policy=policy, effective=effective)
    if is_served:
        assert policy in check_serving(workspace, record)[0]
    else:
        with pytest.raises(WithdrawnError, match="contrafact retrain"):
            check_serving(workspace, record)


def test_the_drill(
    workspace: Workspace, work: str, corpus: Path, tmp_path: Path
) -> None:
    """From a withdrawal to a clean successor with proofs, a report and a bundle."""
    old = create_release(workspace, "tiny")
    with pytest.raises(ReleaseError, match="needs no successor"):
        retrain_release(workspace, old.id)
    report = _take_back(workspace, work)
    with pytest.raises(ConsentMissingError):
        train(workspace, recipe="tiny", name="again")
    done = retrain_release(workspace, old.id, bridge=True)
    n_left = 24 - len(report.record.recordings)
    assert (done.model.id, done.model.n_recordings) == ("tiny-r2", n_left)
    assert (done.release.status, done.release.replaces) == ("clean", old.id)
    read = (workspace.models_dir / "tiny-r2" / "read-log.jsonl").read_text()
    assert not any(digest in read for digest in report.record.digests)

    # The proofs hold under the root that is signed, and under no other.
    corpus_of = done.release.corpus
    proof = json.loads(
        (done.release.directory / "proofs" / f"not-in-{work}.json").read_text()
    )
    check_proof(proof, root=corpus_of["root"], size=corpus_of["n_entries"])
    with pytest.raises(ProofError):
        check_proof(proof, root=old.corpus["root"], size=old.corpus["n_entries"])

    # The bridge is what it says: contaminated, measured, and never served here.
    bridge = done.document["bridge"]
    assert bridge["status"] == "contaminated"
    assert "not removal" in bridge["label"]
    residual = done.document["comparison"]["bridge_residual"]["withdrawn"]
    models = done.document["comparison"]["models"]
    losses = [models[m]["loss"]["withdrawn"]["mean"] for m in ("bridge", "after")]
    assert residual["mean"] == pytest.approx(losses[0] - losses[1])
    with pytest.raises(WithdrawnError):
        check_serving(workspace, find_model(workspace, bridge["model"]))

    answers = {a.release: a for a in find_in_releases(workspace, work)}
    assert answers[old.id].is_in
    assert not answers[done.release.id].is_in
    make_bundle(workspace, tmp_path / "bundle")
    assert verify_bundle(tmp_path / "bundle").is_true

    # Run again it is found as it is; nothing is trained or entered twice.
    again = retrain_release(workspace, old.id)
    assert again.release.id == done.release.id
    assert again.model.digest == done.model.digest


def test_a_rights_holder_is_answered_for_all_recordings(workspace: Workspace) -> None:
    """By the name in the consents or in the credits; a stranger is not made up."""
    release = create_release(workspace, "tiny")
    answers = find_in_releases(workspace, "contrafact")
    assert len(answers) == 24
    assert all(a.is_in and a.release == release.id for a in answers)
    credited = find_in_releases(workspace, "agate")
    assert 0 < len(credited) < 24
    absent = find_in_releases(workspace, "W-0000000000000000")
    assert [a.is_in for a in absent] == [False]
    with pytest.raises(UnknownEntityError, match="Neither a rights holder"):
        find_in_releases(workspace, "Nobody At All")
