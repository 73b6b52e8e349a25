from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.audit import Manifest, generate_key
from contrafact.catalog import Workspace, ingest
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.entities import Recording
from contrafact.core.errors import ManifestError, ProofError, SigningKeyError
from contrafact.workflows.audit import list_entries
from contrafact.workflows.manifest import (
    ConsentIds,
    build,
    disprove_all,
    find_manifest,
    list_manifests,
    prove_all,
)


@pytest.fixture(autouse=True)
def _own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the keys of whoever runs the tests out of it."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace with four recordings, of three works."""
    folder = tmp_path / "music"
    folder.mkdir()
    rows = ["file,title,artists,work"]
    waves = np.random.default_rng(1).uniform(-0.5, 0.5, (4, 800))
    for number, wave in enumerate(waves):
        soundfile.write(folder / f"{number}.wav", wave, 8_000)
        rows.append(f"{number}.wav,Title {number},Ann,Work {number % 3}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    workspace = Workspace.init(tmp_path / "ws")
    ingest(workspace, [folder], metadata=folder / "metadata.csv")
    return workspace


def all_but_last(recordings: Sequence[Recording]) -> ConsentIds:
    """Allow both rights of every recording but the last; of that, the master."""
    ids = {(r.id, x): f"C-{x}" for r in recordings for x in ("master", "composition")}
    del ids[recordings[-1].id, "composition"]
    return ids


def test_what_has_both_consents_goes_in(workspace: Workspace) -> None:
    """A recording whose composition nobody allowed is left out, and counted."""
    generate_key(keys_dir_from_environment())
    info = build(workspace, consents=all_but_last)
    assert (info.header.n_entries, info.n_left_out) == (6, 1)
    assert (info.header.n_without_consent, info.is_signed) == (0, True)
    manifest = find_manifest(workspace)
    manifest.check()
    assert {e.consent for e in manifest.entries()} == {"C-master", "C-composition"}
    body = list_entries(workspace)[0].entry["body"]
    assert (body["statement"], body["root"]) == ("manifest", info.header.root)


def test_built_again_it_is_the_same(workspace: Workspace) -> None:
    """It is neither written nor entered twice; another corpus is another manifest."""
    generate_key(keys_dir_from_environment())
    first = build(workspace, consents=all_but_last)
    again = build(workspace, consents=all_but_last)
    assert (again.folder, again.entry) == (first.folder, None)
    assert len(list_entries(workspace)) == 1
    other = build(workspace, consents=all_but_last, is_all=True)
    assert other.header.n_without_consent == 1
    assert [
        i.header.n_entries
        for i in sorted(list_manifests(workspace), key=lambda i: i.header.n_entries)
    ] == [6, 8]
    with pytest.raises(ManifestError, match="There is 2 manifests"):
        find_manifest(workspace)


def test_a_run_killed_before_the_signature_is_finished(workspace: Workspace) -> None:
    """What is there unsigned is signed by the next run."""
    info = build(workspace, consents=all_but_last, is_signed=False)
    assert not info.is_signed
    with pytest.raises(SigningKeyError):
        build(workspace, consents=all_but_last)
    generate_key(keys_dir_from_environment())
    assert build(workspace, consents=all_but_last).is_signed
    assert len(list_entries(workspace)) == 1


def test_nothing_that_may_be_used_is_an_error(workspace: Workspace) -> None:
    """Unless recordings are to be listed as they are."""
    with pytest.raises(ManifestError, match="None of 4"):
        build(workspace, consents=lambda _: {}, is_signed=False)
    info = build(workspace, consents=lambda _: {}, is_all=True, is_signed=False)
    assert info.header.n_without_consent == 8


def test_it_is_written_where_asked_and_nothing_is_overwritten(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A folder with something else in it is refused."""
    out = tmp_path / "out"
    build(workspace, consents=all_but_last, out=out, is_signed=False)
    Manifest.open(out).check()
    for options in ({"is_all": True}, {"is_all": False}):
        place = out if options["is_all"] else tmp_path / "music"
        with pytest.raises(ManifestError, match=r"another manifest|There is something"):
            build(
                workspace, consents=all_but_last, out=place, is_signed=False, **options
            )
    assert not (workspace.root / "manifests/.new").exists()


def test_a_work_is_looked_for_in_all_manifests(workspace: Workspace) -> None:
    """Proved where it is; disproved only if it is in none of those asked."""
    some = build(workspace, consents=all_but_last, is_signed=False)
    build(workspace, consents=all_but_last, is_all=True, is_signed=False)
    with workspace.catalog() as catalog:
        last = catalog.recordings()[-1]
    subject = {"digest": last.digest}
    assert len(prove_all(workspace, subject)) == 1
    assert len(prove_all(workspace, {"work": last.work_id, "recording": last.id})) == 1
    elsewhere = rf"is in the manifest .* not in {some.header.root[:16]}: .*--manifest"
    with pytest.raises(ProofError, match=elsewhere):
        disprove_all(workspace, subject)
    root = some.header.root[:10]
    assert len(disprove_all(workspace, subject, root=root)) == 1
    with pytest.raises(ProofError, match="is not in the manifest"):
        prove_all(workspace, subject, root=root)
    with pytest.raises(ManifestError, match="no manifest ffff"):
        prove_all(workspace, subject, root="ffff" * 4)
