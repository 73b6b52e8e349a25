from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrafact.audit.entries import canonical
from contrafact.audit.manifest import Manifest, ManifestEntry, build_manifest
from contrafact.audit.merkle import HashTree, leaf_hash
from contrafact.audit.proofs import check_proof, disprove, prove
from contrafact.core.errors import ManifestError, ProofError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def entry_of(work: str, number: int = 0, right: str = "master") -> ManifestEntry:
    """Return an entry whose file depends on its number."""
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    return ManifestEntry(
        work=work,
        recording=f"R-{number:04}",
        digest=digest,
        right=right,
        consent=f"C-{number}",
    )


def works(count: int) -> list[ManifestEntry]:
    """Return two entries a work, W-0000, W-0002 and so on."""
    return [
        entry_of(f"W-{2 * n:04}", n, right)
        for n in range(count)
        for right in ("master", "composition")
    ]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Return a manifest of 20 works."""
    return build_manifest(reversed(works(20)), tmp_path / "manifest")


@given(texts, texts, texts, st.none() | texts)
def test_lines_are_the_canonical_form(
    work: str, recording: str, right: str, consent: str | None
) -> None:
    """The fast writer of lines and `canonical` say the same, and it is read back."""
    entry = ManifestEntry(
        work=work, recording=recording, digest="0", right=right, consent=consent
    )
    plain = {"work": work, "recording": recording, "digest": "0", "right": right}
    assert entry.line == canonical({**plain, "consent": consent})
    assert ManifestEntry.parse(entry.line) == entry


def test_the_root_is_that_of_the_sorted_lines(tmp_path: Path) -> None:
    """Whatever the order in which entries came; the counts are told."""
    entries = [*works(5), entry_of("", 99)]
    found = build_manifest(entries, tmp_path / "a")
    again = build_manifest(reversed(entries), tmp_path / "b")
    lines = [e.line for e in sorted(entries, key=lambda e: e.key)]
    assert found.header.root == HashTree(map(leaf_hash, lines)).root().hex()
    assert found.header == again.header
    assert list(found.lines()) == lines
    assert (found.header.n_entries, found.header.n_files) == (11, 6)
    assert (found.header.n_without_work, found.header.n_without_consent) == (1, 0)
    found.check()


def test_an_empty_manifest_is_one_too(tmp_path: Path) -> None:
    """Nothing is in it, which can be proved."""
    empty = build_manifest([], tmp_path)
    empty.check()
    assert empty.find("W-1") == []
    check_proof(disprove(empty, work="W-1"), root=empty.header.root, size=0)


def test_doubled_and_bad_entries_are_refused(tmp_path: Path) -> None:
    """The work is named; nothing is written."""
    with pytest.raises(ManifestError, match=r"W-1, recording R-0000, .* twice"):
        build_manifest([entry_of("W-1"), entry_of("W-1")], tmp_path / "m")
    bad = ManifestEntry(work="W", recording="R", digest="AB", right="master")
    with pytest.raises(ManifestError, match="no SHA-256"):
        build_manifest([bad], tmp_path / "m")
    lone = ManifestEntry(work="\ud800", recording="R", digest="0" * 64, right="master")
    with pytest.raises(ManifestError, match="surrogate"):
        build_manifest([lone], tmp_path / "m")
    assert not (tmp_path / "m").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 60), unique=True, max_size=30), st.integers(-1, 61))
def test_a_work_is_proved_or_disproved_never_both(
    tmp_path: Path, numbers: list[int], wanted: int
) -> None:
    """Whatever is in a manifest, exactly one of the two proofs can be made."""
    entries = [entry_of(f"W-{n:04}", n) for n in numbers]
    manifest = build_manifest(entries, tmp_path)
    work = f"W-{wanted:04}"
    h = manifest.header
    able, unable = (prove, disprove) if wanted in numbers else (disprove, prove)
    check_proof(able(manifest, work=work), root=h.root, size=h.n_entries)
    with pytest.raises(ProofError, match=work):
        unable(manifest, work=work)
    assert manifest.find(work) == [e for e in entries if e.work == work]
    digest = hashlib.sha256(b"%d" % wanted).hexdigest()
    proof = able(manifest, digest=digest)
    check_proof(proof, root=h.files_root, size=h.n_files)
    with pytest.raises(ProofError, match=digest):
        unable(manifest, digest=digest)


def test_one_recording_of_a_work_can_be_asked_for(manifest: Manifest) -> None:
    """Another recording of the same work is disproved."""
    assert len(prove(manifest, work="W-0004", recording="R-0002")["leaves"]) == 2
    assert disprove(manifest, work="W-0004", recording="R-0003")["leaves"]
    with pytest.raises(ProofError, match="W-0004, recording R-0003 is not in"):
        prove(manifest, work="W-0004", recording="R-0003")


def spoiled(proof: dict[str, Any]) -> list[dict[str, Any]]:
    """Return proofs that are near a true one and do not hold."""
    first = proof["leaves"][0]
    nearby = [
        {**proof, "subject": ["W-0004"]},
        {**proof, "leaves": proof["leaves"][:1]},
        {**proof, "leaves": proof["leaves"][1:]},
        {**proof, "leaves": proof["leaves"][::-1]},
        {**proof, "leaves": []},
        {**proof, "kind": "inclusion"},
        {**proof, "kind": "gossip"},
        {**proof, "subject": 3},
        {"kind": "non-inclusion"},
        {**proof, "leaves": [{**first, "index": first["index"] + 1}]},
        {**proof, "leaves": [{**first, "leaf": first["leaf"].replace("C-", "D-")}]},
    ]
    for number in range(len(first["proof"])):
        path = [*first["proof"]]
        path[number] = path[number][:-1] + ("0" if path[number][-1] != "0" else "1")
        nearby.append(
            {**proof, "leaves": [{**first, "proof": path}, *proof["leaves"][1:]]}
        )
    return nearby


def test_proofs_near_a_true_one_do_not_hold(manifest: Manifest) -> None:
    """Other subjects, neighbours that are none, an altered hash, another root."""
    h = manifest.header
    proof = disprove(manifest, work="W-0005")
    check_proof(proof, root=h.root, size=h.n_entries)
    for bad in spoiled(proof):
        with pytest.raises(ProofError):
            check_proof(bad, root=h.root, size=h.n_entries)
    with pytest.raises(ProofError):
        check_proof(proof, root=h.files_root, size=h.n_entries)


def test_neighbours_must_be_neighbours(manifest: Manifest) -> None:
    """Two true leaves with the work between them, but apart, show nothing."""
    h = manifest.header
    low, high = (disprove(manifest, work=w)["leaves"] for w in ("W-0003", "W-0009"))
    bad = disprove(manifest, work="W-0005") | {"leaves": [low[0], high[1]]}
    with pytest.raises(ProofError, match="does not hold"):
        check_proof(bad, root=h.root, size=h.n_entries)


@pytest.mark.parametrize("name", ["manifest.jsonl", "leaves.bin", "manifest.json"])
def test_an_altered_manifest_is_seen(manifest: Manifest, name: str) -> None:
    """By `check` in any of its files; the entry is named where there is one."""
    manifest.check()
    path = manifest.root / name
    data = bytearray(path.read_bytes())
    place = 40 if name != "leaves.bin" else 32 * 7 + 3
    if name == "manifest.jsonl":
        place = data.find(b"W-0006")
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ManifestError, match=r"Entry [67] |damaged|header speaks"):
        Manifest.open(manifest.root).check()


def test_lines_added_removed_or_moved_are_seen(manifest: Manifest) -> None:
    """Also where their hashes were changed with them."""
    lines = list(manifest.lines())
    swapped = [lines[1], lines[0], *lines[2:]]
    for changed in (lines[:-1], [*lines, lines[-1]], swapped):
        text = b"".join(line + b"\n" for line in changed)
        (manifest.root / "manifest.jsonl").write_bytes(text)
        hashes = b"".join(map(leaf_hash, changed))
        (manifest.root / "leaves.bin").write_bytes(hashes)
        with pytest.raises(ManifestError):
            manifest.check()
        with pytest.raises(ManifestError):
            prove(manifest, work="W-0004")


def test_there_is_no_manifest_in_an_empty_folder(tmp_path: Path) -> None:
    """It is one line that says how to make one."""
    with pytest.raises(ManifestError, match="manifest build"):
        Manifest.open(tmp_path)
