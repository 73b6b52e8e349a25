"""How long the log, manifests and bundles take, beside a bare SHA-256 pass.

python bench/audit.py                    # a million entries; a few minutes
python bench/audit.py --entries 10000    # a quick look; writes nothing

Times are processor seconds of one process. The baseline is SHA-256 over the
same bytes in the same run: one `update` an entry, one digest in the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contrafact.audit import (
    AuditLog,
    BundleContent,
    ManifestEntry,
    build_manifest,
    check_proof,
    disprove,
    generate_key,
    list_keys,
    load_signer,
    make_entry,
    prove,
    write_bundle,
)
from contrafact.audit.merkle import HashTree, leaf_hash

RESULTS = Path(__file__).parent / "results"
VERIFIER = Path(__file__).parents[1] / "verify/contrafact_verify.py"
N_LOG = 10_000


def entries_of(count: int) -> list[ManifestEntry]:
    """Return entries of `count // 2` recordings, both rights of each."""
    digests = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(count // 2)]
    return [
        ManifestEntry(
            work=f"W-{digest[:16]}",
            recording=f"R-{digest[16:32]}",
            digest=digest,
            right=right,
            consent=f"C-{digest[32:]}",
        )
        for digest in digests
        for right in ("master", "composition")
    ]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds of a call, and what it returned."""
    started = time.process_time()
    value = run()
    return time.process_time() - started, value


def bare_pass(lines: list[bytes]) -> str:
    """Return SHA-256 over all lines, one after the other."""
    state = hashlib.sha256()
    for line in lines:
        state.update(line)
    return state.hexdigest()


def measure_manifest(count: int, folder: Path) -> dict[str, Any]:
    """Measure root, manifest and proofs of `count` entries."""
    entries = entries_of(count)
    lines = [entry.line for entry in entries]
    bare_s, _ = timed(lambda: bare_pass(lines))
    root_s, _ = timed(lambda: HashTree(map(leaf_hash, lines)).root())
    started = time.monotonic()
    build_s, manifest = timed(lambda: build_manifest(entries, folder / "manifest"))
    wall_s = time.monotonic() - started
    work = entries[count // 2].work
    find_s, _ = timed(lambda: manifest.find(work))
    prove_s, inside = timed(lambda: prove(manifest, work=work))
    disprove_s, outside = timed(lambda: disprove(manifest, work="W-none"))
    header = manifest.header
    for proof in (inside, outside):
        check_proof(proof, root=header.root, size=header.n_entries)
    return {
        "n_entries": count,
        "n_bytes": (folder / "manifest/manifest.jsonl").stat().st_size,
        "bare_sha256_s": round(bare_s, 3),
        "root_s": round(root_s, 3),
        "root_over_bare": round(root_s / bare_s, 2),
        "build_s": round(build_s, 3),
        "build_wall_s": round(wall_s, 3),
        "build_over_bare": round(build_s / bare_s, 2),
        "find_work_ms": round(1000 * find_s, 3),
        "prove_s": round(prove_s, 3),
        "disprove_s": round(disprove_s, 3),
    }


def measure_log(count: int, folder: Path) -> dict[str, Any]:
    """Measure appends, a bundle, and its verification by the stand-alone file."""
    generate_key(folder / "keys")
    keys, signer = list_keys(folder / "keys"), load_signer(folder / "keys")
    log = AuditLog.open(folder / "log", keys, signer=signer)
    made = [make_entry("policy", {"number": n})[0] for n in range(count)]
    batch_s, _ = timed(lambda: log.extend(made))
    started = time.monotonic()
    for entry in made[:100]:
        log.append(entry)
    append_s = (time.monotonic() - started) / 100
    manifest = build_manifest(entries_of(count), folder / "small")
    content = BundleContent(manifests=(manifest.root,))
    bundle_s, _ = timed(
        lambda: write_bundle(log, folder / "bundle", signer=signer, content=content)
    )
    started = time.monotonic()
    command = [sys.executable, "-I", str(VERIFIER), str(folder / "bundle")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {
        "n_entries": count,
        "extend_s": round(batch_s, 3),
        "append_wall_ms": round(1000 * append_s, 2),
        "bundle_s": round(bundle_s, 3),
        "verifier_wall_s": round(time.monotonic() - started, 3),
    }


def main() -> None:
    """Measure, print, and write the result if it is the full one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    count = parser.parse_args().entries
    with tempfile.TemporaryDirectory() as name:
        result = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "manifest": measure_manifest(count, Path(name)),
            "log": measure_log(min(N_LOG, count), Path(name)),
        }
    text = json.dumps(result, indent=1)
    print(text)
    if count >= 1_000_000:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "audit.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
