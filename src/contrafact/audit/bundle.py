"""Bundles: everything an auditor needs, in one folder, under one signature.

A bundle can be verified without contrafact, by `verify/contrafact_verify.py`
or by hand with `sha256sum` and `openssl`; see `docs/audit.md`.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contrafact.audit._log_reader import CHECKPOINT, LogReader
from contrafact.audit._tiles import (
    TILE_WIDTH,
    bundle_path,
    pack,
    tile_path,
    tiles_of,
)
from contrafact.audit.entries import Reveal, canonical
from contrafact.audit.keys import KeyRing, Signer
from contrafact.audit.manifest import Manifest
from contrafact.audit.notes import Checkpoint, parse_checkpoint
from contrafact.audit.proofs import log_proof
from contrafact.catalog.atomic import storage_errors, write_bytes
from contrafact.catalog.files import digest_file
from contrafact.core.errors import StorageError

__all__ = ["BundleContent", "read_reveals", "write_bundle"]

INDEX, SIGNATURE, SUMS = "bundle.json", "SHA256SUMS.sig", "SHA256SUMS"
_README = """An audit bundle of contrafact.

All of it:     python3 contrafact_verify.py THIS_FOLDER --key KEY.pem
The files:     sha256sum --check SHA256SUMS
The list, if the key is Ed25519:
               openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin \\
                 -in SHA256SUMS -sigfile SHA256SUMS.sig
The list, if the key is ES256:
               openssl dgst -sha256 -verify KEY.pem -signature SHA256SUMS.sig SHA256SUMS

Get KEY.pem from its owner another way than with this folder; the keys in
keys/ are here so that they can be compared. contrafact_verify.py is in the
folder verify/ of the source of contrafact, docs/audit.md says what it checks.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleContent:
    """What goes into a bundle beside the log and the keys.

    Attributes:
        manifests: Folders of manifests.
        releases: Files by name below `releases/`: signed statements and what
            belongs to them, no weights.
        proofs: Documents of `prove` and `disprove`, by name.
        reveals: Commitments to be opened to whoever gets the bundle.
        proved_kinds: Kinds of entries that get a proof file of their own.
    """

    manifests: tuple[Path, ...] = ()
    releases: Mapping[str, Path] = field(default_factory=dict)
    proofs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reveals: tuple[Reveal, ...] = ()
    proved_kinds: tuple[str, ...] = ("release", "withdrawal", "contamination")


def write_bundle(
    log: LogReader, out: str | Path, *, signer: Signer, content: BundleContent
) -> list[str]:
    """Write a bundle into a new folder, whole or not at all.

    Args:
        log: Read and checked entry by entry while it is copied.
        out: The folder; it must not exist, or be empty.
        signer: Signs the list of sums.
        content: What goes in beside the log.

    Returns:
        The names of its files, in order.

    Raises:
        LogDamagedError: If the log is damaged.
        ManifestError: If a manifest is damaged.
        SigningKeyError: If no trusted key signed the log.
        StorageError: If there are files in `out`, or it is not writable.
    """
    out = Path(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise StorageError(f"There is something in {out}. Name a new folder.")
    draft = out.with_name(f".{out.name}.tmp-{secrets.token_hex(8)}")
    try:
        _write(log, draft, content)
        names = _seal(draft, signer)
        with storage_errors(out):
            if out.is_dir():
                out.rmdir()
            os.replace(draft, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return names


def _write(log: LogReader, out: Path, content: BundleContent) -> None:
    write_bytes(out / "README.txt", _README.encode())
    _write_log(log, out / "log")
    _write_keys(log.keys, out / "keys")
    for path in content.manifests:
        _copy_manifest(Manifest.open(path), out / "manifests")
    for name, path in content.releases.items():
        _copy(path, out / "releases" / name)
    for logged in log.entries():
        if logged.entry["kind"] in content.proved_kinds:
            name = f"entry-{logged.index}.tlog-proof"
            write_bytes(out / "proofs" / name, log_proof(log, logged.index))
    for name, proof in content.proofs.items():
        write_bytes(out / "proofs" / f"{name}.json", canonical(proof) + b"\n")
    for reveal in content.reveals:
        name = f"{reveal.commitment[:16]}.json"
        write_bytes(out / "reveals" / name, canonical(asdict(reveal)) + b"\n")


def _write_log(log: LogReader, out: Path) -> None:
    """Copy the log as its checkpoint counts it, and nothing beyond."""
    note = log.note()
    checkpoint = parse_checkpoint(note)
    rows: dict[int, list[bytes]] = {}
    for logged in log.entries():
        if logged.index < checkpoint.size:
            rows.setdefault(logged.index // TILE_WIDTH, []).append(logged.data)
    for index, row in rows.items():
        write_bytes(out / bundle_path(index, len(row)), pack(row))
    _write_tiles(log, checkpoint, out)
    write_bytes(out / CHECKPOINT, note)


def _write_tiles(log: LogReader, checkpoint: Checkpoint, out: Path) -> None:
    reader = log.reader(checkpoint)
    for level, index, width in tiles_of(checkpoint.size):
        tile = b"".join(reader.tile(level, index))
        write_bytes(out / tile_path(level, index, width), tile)


def _write_keys(keys: KeyRing, out: Path) -> None:
    records = [record.to_json() for record in keys.records]
    write_bytes(out / "keys.json", canonical(records) + b"\n")
    for record in keys.records:
        write_bytes(out / f"{record.public_key.id}.pub.pem", record.public_key.pem)


def _copy_manifest(manifest: Manifest, out: Path) -> None:
    for path in sorted(manifest.root.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            _copy(path, out / manifest.header.root[:16] / path.name)


def _copy(source: Path, target: Path) -> None:
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _seal(out: Path, signer: Signer) -> list[str]:
    """Write the sums of all files, sign them, and say what is signed by whom."""
    sums = _sums(path for path in out.rglob("*") if path.is_file())
    lines = {path.relative_to(out).as_posix(): sum_ for path, sum_ in sums.items()}
    text = "".join(f"{lines[name]}  {name}\n" for name in sorted(lines)).encode()
    signature = signer.sign(text)
    index = {
        "format": 1,
        "key": signer.public_key.id,
        "sums": hashlib.sha256(text).hexdigest(),
        "signature": hashlib.sha256(signature).hexdigest(),
    }
    write_bytes(out / SUMS, text)
    write_bytes(out / SIGNATURE, signature)
    write_bytes(out / INDEX, canonical(index) + b"\n")
    return sorted([*lines, SUMS, SIGNATURE, INDEX])


def _sums(paths: Iterable[Path]) -> dict[Path, str]:
    return {path: digest_file(path) for path in paths}


def read_reveals(paths: Iterable[Path]) -> tuple[Reveal, ...]:
    """Return the reveals kept in files."""
    plain = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    return tuple(Reveal(**one) for one in plain)
