"""Measure how long a withdrawal takes to reach every release that holds the work.

    python bench/withdrawal.py       # writes bench/results/withdrawal.json

A workspace is given 1,000 releases, each of a corpus of 100,000 entries drawn
from 120,000 (50,000 recordings with two rights each), by their descriptions
and the index of materials; no audio and no weights. One work is withdrawn by
the command's own function: record, contaminated parts, registry, signed log.
The baseline is a bare SHA-256 pass over one manifest of 100,000 entries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from contrafact.audit.keys import generate_key
from contrafact.audit.manifest import ManifestEntry
from contrafact.catalog import Entry, Workspace, write_json
from contrafact.core.entities import Recording, Work
from contrafact.core.units import RecordingId, WorkId, digest_of
from contrafact.rights.material import (
    MaterialIndex,
    file_key,
    hash_keys,
    recording_key,
    work_key,
)
from contrafact.workflows.releases import list_releases
from contrafact.workflows.withdraw import withdraw

RESULT = Path(__file__).parent / "results" / "withdrawal.json"
PART = 5 / 6
"""Of all recordings, how many each release holds."""
BATCH = 100
"""Manifests that are entered in the index at a time; memory is the limit."""


def names(number: int) -> tuple[str, str, str]:
    """Return work, recording and file digest of a number."""
    digest = digest_of(str(number).encode())
    return f"W-{number:016}", f"R-{digest[:16]}", digest


def hashes_of(number: int) -> np.ndarray:
    """Return what the index keeps of a recording, `(3,)`."""
    work, recording, digest = names(number)
    return hash_keys([work_key(work), recording_key(recording), file_key(digest)])


def fill(workspace: Workspace, n_releases: int, n_recordings: int) -> list[bool]:
    """Make releases; return for each whether it holds recording 0."""
    rng, new, holds = np.random.default_rng(0), {}, []
    everyone = round(n_recordings / PART)
    hashes = np.stack([hashes_of(number) for number in range(everyone)])
    index = MaterialIndex.open(workspace.root / "materials.index")
    for number in range(n_releases):
        root = digest_of(f"release {number}".encode())
        held = rng.permutation(everyone)[:n_recordings]
        new[root] = np.unique(hashes[held])
        holds.append(bool((held == 0).any()))
        facts = {
            "id": f"V-{root[:12]}", "kind": "release", "model": f"m{number}",
            "model_digest": root, "stamp": "", "corpus": {"root": root},
            "read_log": {}, "code": {}, "configuration": {}, "seed": 0,
            "parent": None, "replaces": None, "created": f"{number:06}",
            "entry": number,
        }  # fmt: skip
        folder = workspace.root / "releases" / str(facts["id"])
        write_json(folder / "release.json", facts)
        if len(new) == BATCH or number == n_releases - 1:
            index, new = index.add(new), {}
    return holds


def baseline_s(n_recordings: int) -> float:
    """Return the seconds of one SHA-256 pass over a manifest's lines."""
    lines = b"\n".join(
        ManifestEntry(work=w, recording=r, digest=d, right=right, consent="C" * 34).line
        for w, r, d in map(names, range(n_recordings))
        for right in ("composition", "master")
    )
    started = time.perf_counter()
    hashlib.sha256(lines).hexdigest()
    return time.perf_counter() - started


def measure(folder: Path, n_releases: int, n_recordings: int) -> dict[str, Any]:
    """Fill a workspace, withdraw a work, and return how long it took."""
    os.environ["CONTRAFACT_KEYS"] = str(folder / "keys")
    generate_key(folder / "keys")
    workspace = Workspace.init(folder / "ws")
    holds = fill(workspace, n_releases, n_recordings)
    work, recording, digest = names(0)
    known = Recording(
        id=RecordingId(recording), title="zero", digest=digest, file="zero.wav",
        duration_s=1.0, sample_rate=8_000, n_channels=1, work_id=WorkId(work),
    )  # fmt: skip
    with workspace.catalog() as catalog:
        catalog.add([Entry(recording=known, work=Work(id=WorkId(work), title="zero"))])
    baseline = baseline_s(n_recordings)
    started = time.perf_counter()
    report = withdraw(workspace, work, reason="measured", effective=date.today())
    whole = time.perf_counter() - started
    started = time.perf_counter()
    status = [r.status == "contaminated" for r in list_releases(workspace)]
    listing = time.perf_counter() - started
    if status != holds:
        raise SystemExit("wrong: the releases that hold the work are others")
    return {
        "n_releases": n_releases,
        "n_entries_each": 2 * n_recordings,
        "n_contaminated": len(report.contaminated),
        "index_bytes": (workspace.root / "materials.index").stat().st_size,
        "sha256_of_one_manifest_s": round(baseline, 4),
        "contamination_s": round(report.contamination_s, 4),
        "withdraw_with_log_and_registry_s": round(whole, 3),
        "release_list_s": round(listing, 3),
        "contamination_over_sha256_of_one": round(report.contamination_s / baseline, 1),
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--releases", type=int, default=1_000)
    parser.add_argument("--recordings", type=int, default=50_000)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), arguments.releases, arguments.recordings)
    text = json.dumps(result, indent=1)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
