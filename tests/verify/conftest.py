"""A bundle with something of everything in it, made once."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contrafact.audit.bundle import BundleContent, write_bundle
from contrafact.audit.entries import make_entry
from contrafact.audit.keys import generate_key, list_keys, load_signer
from contrafact.audit.log import AuditLog
from contrafact.audit.manifest import ManifestEntry, build_manifest
from contrafact.audit.proofs import disprove, prove
from contrafact.audit.statements import (
    RELEASE_TYPE,
    in_toto_statement,
    release_predicate,
    seal,
    subjects_of,
)

N_ENTRIES = 300
N_WORKS = 40


def make(root: Path, algorithm: str) -> Path:
    """Make a log, a manifest, a release, proofs and a reveal; bundle them."""
    generate_key(root / "keys", algorithm)
    signer, keys = load_signer(root / "keys"), list_keys(root / "keys")
    manifest = build_manifest(_entries(), root / "manifest")
    log = AuditLog.open(root / "log", keys, signer=signer, origin="example.org/log")
    body = {"release": "r1", "corpus": manifest.header.root}
    made = [make_entry("policy", {"number": n}) for n in range(N_ENTRIES - 2)]
    made += [make_entry("release", body)]
    made += [make_entry("consent", {"work": "W-4"}, private={"grantor": "Ann"})]
    log.extend([entry for entry, _ in made])
    (root / "release").mkdir()
    (root / "release/config.json").write_text('{"seed":7}')
    predicate = release_predicate(
        release="r1",
        corpus={"root": manifest.header.root},
        code={"version": "1"},
        configuration={},
        seed=7,
        read_log={},
        parent=None,
        when=datetime(2026, 1, 1, tzinfo=UTC),
    )
    subjects = subjects_of([root / "release/config.json"], root=root / "release")
    statement = in_toto_statement(subjects, RELEASE_TYPE, predicate=predicate)
    (root / "release/release.json").write_text(json.dumps(seal(statement, signer)))
    content = BundleContent(
        manifests=(manifest.root,),
        releases={f"r1/{p.name}": p for p in (root / "release").iterdir()},
        proofs={
            "in": prove(manifest, work="W-0004"),
            "out": disprove(manifest, work="W-0005"),
            "file-out": disprove(manifest, digest="0" * 64),
        },
        reveals=tuple(made[-1][1]),
    )
    write_bundle(log, root / "bundle", signer=signer, content=content)
    return root / "bundle"


def _entries() -> list[ManifestEntry]:
    return [
        ManifestEntry(
            work=f"W-{2 * n:04}",
            recording=f"R-{n:04}",
            digest=hashlib.sha256(b"%d" % n).hexdigest(),
            right=right,
            consent=f"C-{n}",
        )
        for n in range(N_WORKS)
        for right in ("composition", "master")
    ]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a true bundle for each kind of key; not to be changed."""
    root = tmp_path_factory.mktemp("bundles")
    return {name: make(root / name, name) for name in ("ed25519", "es256")}


@pytest.fixture
def copy(bundles: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that gives a copy of a bundle, to spoil."""

    def copy_(name: str = "ed25519") -> Path:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        return Path(shutil.copytree(bundles[name], tmp_path / "copy"))

    return copy_
