"""Checking a whole log or bundle; problems are returned, each with its place.

This is contrafact's own check. `verify/contrafact_verify.py` checks the same
without any of this code; a test holds the two to each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from contrafact.audit._log_reader import LogReader
from contrafact.audit._memory import Memory
from contrafact.audit._tiles import (
    TILE_WIDTH,
    bundle_path,
    read_file,
    tile_path,
    unpack,
)
from contrafact.audit.bundle import INDEX, SIGNATURE, SUMS, read_reveals
from contrafact.audit.entries import canonical, parse_entry, parse_time
from contrafact.audit.keys import KeyRecord, KeyRing, PublicKey, record_from_json
from contrafact.audit.manifest import Manifest
from contrafact.audit.merkle import HASH_SIZE, HashTree, leaf_hash, root_at
from contrafact.audit.notes import parse_checkpoint, signer_of
from contrafact.audit.proofs import check_log_proof, check_proof
from contrafact.audit.statements import open_envelope
from contrafact.catalog.files import digest_file
from contrafact.core.entities import Problem
from contrafact.core.errors import AuditError, ContrafactError, LogDamagedError

__all__ = ["check_bundle", "check_log", "keys_in_bundle"]


def check_log(
    log: LogReader, *, since: bytes | None = None, memory: Path | None = None
) -> list[Problem]:
    """Read a log whole, and return what is wrong with it.

    Args:
        log: The log.
        since: A checkpoint of the same log seen earlier, of which it must be a
            continuation.
        memory: The folder in which its signer keeps how far it had come.
    """
    try:
        checkpoint = parse_checkpoint(log.note())
    except LogDamagedError as error:
        return [Problem(source="checkpoint", message=str(error))]
    problems: list[Problem] = []
    entries = list(_read_entries(log, checkpoint.size, problems))
    last = _check_times(entries, problems)
    problems += _wrong("checkpoint", lambda: signer_of(log.note(), log.keys, when=last))
    tree = HashTree(leaf_hash(entry) for entry in entries)
    if not problems and tree.root() != checkpoint.root:
        problems.append(
            Problem(source="checkpoint", message="it is not that of the entries.")
        )
    if not problems:
        problems += _wrong_tiles(log, entries)
    if since is not None and not problems:
        problems += _wrong("earlier checkpoint", lambda: _continues(log, since, tree))
    if not problems:
        compare = partial(Memory(memory).compare, checkpoint, tree)
        problems += _wrong("checkpoint", compare)
    return problems


def _wrong(source: str, check: Callable[[], object]) -> list[Problem]:
    try:
        check()
    except ContrafactError as error:
        return [Problem(source=source, message=str(error))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"it is not of its form: {type(error).__name__} {error}."
        return [Problem(source=source, message=message)]
    return []


def _read_entries(
    log: LogReader, size: int, problems: list[Problem]
) -> Iterator[bytes]:
    """Yield entries, and note those that their tile has another hash of."""
    for number in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        name, tile = bundle_path(number, width), tile_path(0, number, width)
        try:
            found = unpack(read_file(log.root, name), path=name)[:width]
            hashes = read_file(log.root, tile)
        except LogDamagedError as error:
            problems.append(Problem(source=name, message=str(error)))
            continue
        for place in range(width):
            known = hashes[place * HASH_SIZE : (place + 1) * HASH_SIZE]
            if place >= len(found) or leaf_hash(found[place]) != known:
                index = number * TILE_WIDTH + place
                message = f"entry {index} is not the one whose hash is in {tile}."
                problems.append(Problem(source=name, message=message))
                break
        yield from found


def _check_times(entries: list[bytes], problems: list[Problem]) -> datetime | None:
    """Return the last entry's time, and note entries that are none or go back."""
    last: datetime | None = None
    for number, data in enumerate(entries):
        source = f"entry {number}"
        try:
            when = parse_time(parse_entry(data)["time"])
        except AuditError as error:
            problems.append(Problem(source=source, message=str(error)))
            continue
        if last is not None and when < last:
            problems.append(
                Problem(source=source, message="it is dated before the one before.")
            )
        last = when
    return last


def _wrong_tiles(log: LogReader, entries: list[bytes]) -> Iterator[Problem]:
    """Yield the tiles that are not those of the entries."""
    hashes, level = [leaf_hash(entry) for entry in entries], 0
    while hashes:
        above = []
        for start in range(0, len(hashes), TILE_WIDTH):
            tile = hashes[start : start + TILE_WIDTH]
            name = tile_path(level, start // TILE_WIDTH, len(tile))
            data = b"".join(tile)
            if not read_file(log.root, name).startswith(data):
                yield Problem(source=name, message="it is not that of the entries.")
            above += [HashTree(tile).root()] if len(tile) == TILE_WIDTH else []
        hashes, level = above, level + 1


def _continues(log: LogReader, since: bytes, tree: HashTree) -> None:
    """Refuse a log that does not begin with what was signed earlier.

    Raises:
        LogDamagedError: If it does not.
        SigningKeyError: If the earlier checkpoint is not of a trusted key.
    """
    old, new = parse_checkpoint(since), parse_checkpoint(log.note())
    signer_of(since, log.keys, when=None)
    is_here = old.origin == new.origin and old.size <= len(tree)
    if not is_here or root_at(tree, old.size) != old.root:
        raise LogDamagedError(
            f"The log is no continuation of what it was with {old.size} entries: it "
            "was rewritten. Ask who holds it."
        )


def keys_in_bundle(root: Path) -> KeyRing:
    """Return the keys that a bundle brings, with their revocations.

    Raises:
        SigningKeyError: If a key is damaged.
        LogDamagedError: If their list is.
    """
    try:
        plain = json.loads((root / "keys/keys.json").read_text(encoding="utf-8"))
        return KeyRing([_key(root, record) for record in plain])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogDamagedError(f"The keys of {root} are damaged: {error}") from error


def _key(root: Path, plain: dict[str, Any]) -> KeyRecord:
    pem = (root / "keys" / f"{plain['id']}.pub.pem").read_bytes()
    return record_from_json(plain, PublicKey.from_pem(pem))


def check_bundle(
    root: Path, *, trusted: PublicKey | None = None, since: bytes | None = None
) -> list[Problem]:
    """Check a bundle whole, and return what is wrong with it.

    Args:
        root: The bundle's folder.
        trusted: The key it must be signed with; one of its own if None, which
            shows only that the bundle is whole.
        since: A checkpoint of the same log seen earlier.
    """
    try:
        keys = keys_in_bundle(root)
    except AuditError as error:
        return [Problem(source="keys", message=str(error))]
    if trusted is not None:
        keys = KeyRing(r for r in keys.records if r.public_key == trusted)
    if problems := list(_wrong_files(root, keys)):
        return problems
    problems = check_log(LogReader(root / "log", keys), since=since)
    for path in sorted((root / "manifests").glob("*")):
        name = path.relative_to(root).as_posix()
        problems += _wrong(name, Manifest.open(path).check)
    for path in sorted((root / "proofs").glob("*")):
        problems += _wrong(path.name, partial(_check_proof, root, path, keys))
    statements = [*root.glob("releases/**/*.json"), *root.glob("manifests/*/*.json")]
    for path in sorted(statements):
        problems += _wrong(path.name, partial(_check_release, path, keys))
    for path in sorted((root / "reveals").glob("*")):
        problems += _wrong(path.name, partial(_check_reveal, root, path))
    return problems


def _wrong_files(root: Path, keys: KeyRing) -> Iterator[Problem]:
    """Yield the files that are not those of the signed list of sums."""
    try:
        text, signature = (root / SUMS).read_bytes(), (root / SIGNATURE).read_bytes()
    except OSError as error:
        yield Problem(source=str(root), message=f"It is no bundle: {error.strerror}.")
        return
    lines = [
        line.partition("  ") for line in text.decode(errors="replace").splitlines()
    ]
    listed = {name: digest for digest, _, name in lines}
    own = {SUMS, SIGNATURE, INDEX}
    paths = {p.relative_to(root).as_posix(): p for p in root.rglob("*") if p.is_file()}
    for name in sorted(listed.keys() - paths.keys()):
        yield Problem(source=name, message="it is missing.")
    for name in sorted(paths.keys() - listed.keys() - own):
        yield Problem(source=name, message="it was added: nobody signed it.")
    for name in sorted(listed.keys() & paths.keys()):
        if digest_file(paths[name]) != listed[name]:
            yield Problem(source=name, message="it was altered, or its sum was.")
    signers = [r for r in keys.records if r.public_key.verify(text, signature)]
    if not any(record.revoked_from is None for record in signers):
        message = "no key that is trusted here, and not revoked, signed the list."
        yield Problem(source=SIGNATURE, message=message)
    sums = {"sums": text, "signature": signature}
    index: dict[str, Any] = {k: hashlib.sha256(v).hexdigest() for k, v in sums.items()}
    index |= {"format": 1, "key": signers[0].public_key.id if signers else ""}
    is_there = (root / INDEX).is_file()
    if not is_there or (root / INDEX).read_bytes() != canonical(index) + b"\n":
        yield Problem(source=INDEX, message="it was altered, or what it names was.")


def _check_proof(root: Path, path: Path, keys: KeyRing) -> None:
    if path.suffix == ".tlog-proof":
        check_log_proof(path.read_bytes(), keys)
        return
    plain = json.loads(path.read_text(encoding="utf-8"))
    header = Manifest.open(root / "manifests" / plain["manifest"][:16]).header
    is_files = plain["tree"] == "files"
    check_proof(
        plain,
        root=header.files_root if is_files else header.root,
        size=header.n_files if is_files else header.n_entries,
    )


def _check_release(path: Path, keys: KeyRing) -> None:
    plain = json.loads(path.read_text(encoding="utf-8"))
    envelope = plain.get("dsseEnvelope", plain) if isinstance(plain, dict) else {}
    if "payloadType" not in envelope:
        return
    for subject in open_envelope(envelope, keys)["subject"]:
        file = path.parent / subject["name"]
        if file.is_file() and digest_file(file) != subject["digest"]["sha256"]:
            raise LogDamagedError(f"{file.name} is not the file it was signed for.")


def _check_reveal(root: Path, path: Path) -> None:
    (reveal,) = read_reveals([path])
    logged = (p.read_bytes() for p in root.glob("log/tile/entries/**/*") if p.is_file())
    is_logged = any(reveal.commitment.encode() in data for data in logged)
    if not reveal.is_true or not is_logged:
        raise LogDamagedError("It is not what an entry of the log committed to.")
