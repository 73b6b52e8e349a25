#!/usr/bin/env python3
"""Verify an audit bundle of contrafact: python3 contrafact_verify.py BUNDLE.

One file, standard library only, no code shared with contrafact; signatures are
checked by `openssl` 3 or later. What it checks, and how to do it by hand, is in
docs/audit.md. Exit code 0: all true; 1: something is not; 2: cannot tell.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

SUMS, SIGNATURE, INDEX = "SHA256SUMS", "SHA256SUMS.sig", "bundle.json"
NOTE = "log/checkpoint"
KINDS = "consent|withdrawal|release|contamination|attribution|statement|policy"
PEM = "-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]+)-----END PUBLIC KEY-----\n"
WIDTH = 256  # hashes in a full tile (C2SP tlog-tiles)
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError)


class CannotTellError(Exception):
    """The bundle cannot be judged at all."""


def sha256(data: bytes) -> bytes:
    """Return SHA-256."""
    return hashlib.sha256(data).digest()


def canonical(document: Any) -> bytes:
    """Return the one form of a JSON document (RFC 8785 for what occurs here)."""
    form: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":")}
    return json.dumps(document, sort_keys=True, **form).encode()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162, 2.1.1)."""
    return sha256(b"\x00" + data)


def root_of(hashes: list[bytes]) -> bytes:
    """Return the root over leaf hashes (RFC 9162, 2.1.1)."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        odd = hashes[len(hashes) // 2 * 2 :]
        hashes = [sha256(b"\x01" + left + right) for left, right in pairs] + odd
    return hashes[0] if hashes else sha256(b"")


def root_from(leaf: bytes, path: list[bytes], index: int, size: int) -> bytes:
    """Return the root an inclusion proof leads to, or nothing (RFC 9162, 2.1.3.2)."""
    number, last = index, size - 1
    for sibling in path:
        if last == 0:
            return b""
        if number & 1 or number == last:
            leaf = sha256(b"\x01" + sibling + leaf)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            leaf = sha256(b"\x01" + leaf + sibling)
        number, last = number >> 1, last >> 1
    return leaf if last == 0 and 0 <= index < size else b""


class Key(NamedTuple):
    """A public key; `der` is its SubjectPublicKeyInfo, of 44 bytes if Ed25519."""

    pem: bytes
    der: bytes
    revoked_from: str | None = None

    @property
    def id(self) -> str:
        """What contrafact calls it."""
        return sha256(self.der).hex()[:16]

    def note_hash(self, name: str) -> bytes:
        """Return the four bytes by which a signed note names it (C2SP)."""
        named = name.encode() + b"\n\x01" + self.der[-32:]
        return sha256(named if len(self.der) == 44 else self.der)[:4]

    def counts_at(self, when: str) -> bool:
        """Tell whether it was not yet revoked at that time."""
        return self.revoked_from is None or when < self.revoked_from

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Ask openssl whether this key made the signature."""
        with tempfile.TemporaryDirectory() as folder:
            key, text, sig = (str(Path(folder, name)) for name in ("k", "m", "s"))
            Path(key).write_bytes(self.pem)
            Path(text).write_bytes(message)
            Path(sig).write_bytes(signature)
            words = ["dgst", "-sha256", "-verify", key, "-signature", sig, text]
            if len(self.der) == 44:
                words = ["pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin"]
                words += ["-in", text, "-sigfile", sig]
            words = ["openssl", *words]
            done = subprocess.run(words, capture_output=True, check=False)
        return done.returncode == 0


def keys_of(pems: list[bytes]) -> list[Key]:
    """Return the keys of PEM texts, without those that are none."""
    found = [(pem, re.fullmatch(PEM, pem.decode("ascii", "replace"))) for pem in pems]
    return [Key(pem, base64.b64decode(m[1] + "==")) for pem, m in found if m]


class Bundle:
    """The files of a bundle, and what is wrong with them."""

    def __init__(self, root: Path, trusted: list[Key], since: bytes | None) -> None:
        """Read all files; keys that the auditor gives outrank those of the bundle."""
        if not (root / SUMS).is_file():
            raise CannotTellError(f"{root} is no bundle: it has no {SUMS}.")
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        self.files = {p.relative_to(root).as_posix(): p.read_bytes() for p in paths}
        self.problems: list[dict[str, str]] = []
        self.notes: list[str] = []
        self.entries: list[bytes] = []
        self.is_given, self.signer, self.since = bool(trusted), "", since
        pems = [self.files[n] for n in self.below("keys") if n.endswith(".pem")]
        self.keys = trusted or keys_of(pems)

    def sum(self, name: str) -> str:
        """Return the sum of a file as it is; of a missing one, that of nothing."""
        return sha256(self.files.get(name, b"")).hex()

    def blame(self, file: str, message: str, entry: str = "") -> None:
        """Note what is wrong, in which file, and with which entry of it."""
        self.problems.append({"file": file, "entry": entry, "message": message})

    def below(self, folder: str) -> list[str]:
        """Return the names of the files below a folder."""
        return [name for name in self.files if name.startswith(folder + "/")]

    def json(self, name: str) -> Any:
        """Return a file's JSON document; nothing if it is none."""
        try:
            return json.loads(self.files.get(name, b"{}"))
        except ValueError:
            return {}

    def guarded(self, look: Callable[[Bundle, str], None], names: list[str]) -> None:
        """Run a check on files; one that is not of its form is a problem too."""
        for name in names:
            try:
                look(self, name)
            except MALFORMED as error:
                self.blame(name, f"is not of its form ({type(error).__name__})")


def check(root: Path, trusted: list[Key], since: bytes | None) -> Bundle:
    """Check everything; the files first, since the rest means little without."""
    bundle = Bundle(root, trusted, since)
    check_files(bundle)
    if bundle.problems:
        return bundle
    bundle.guarded(check_keys, ["keys/keys.json"])
    bundle.guarded(check_log, [NOTE])
    bundle.guarded(check_since, [NOTE])
    bundle.guarded(check_manifest, bundle.below("manifests"))
    bundle.guarded(check_proof, bundle.below("proofs"))
    bundle.guarded(check_release, bundle.below("releases") + bundle.below("manifests"))
    bundle.guarded(check_reveal, bundle.below("reveals"))
    return bundle


def check_files(bundle: Bundle) -> None:
    """Hold every file to the list of sums, and the list to its signature."""
    sums, signature = bundle.files[SUMS], bundle.files.get(SIGNATURE, b"")
    lines = sums.decode("utf-8", "replace").split("\n")[:-1]
    listed = {line[66:]: line[:64] for line in lines if line[64:66] == "  "}
    rest = bundle.files.keys() - {SUMS, SIGNATURE, INDEX}
    altered = [n for n in listed if bundle.sum(n) != listed[n]]
    bundle.signer = next((k.id for k in bundle.keys if k.verify(sums, signature)), "")
    index = found if isinstance(found := bundle.json(INDEX), dict) else {}
    if bundle.signer:
        blame_altered(bundle, altered)
        for name in sorted(rest - listed.keys()):
            bundle.blame(name, "was added: it is not in the list of sums")
        check_index(bundle)
    elif index.get("sums") != bundle.sum(SUMS):
        wrong = [f"line {n}" for n, line in enumerate(lines, 1) if line[66:] in altered]
        wrong += [f"the line of {name}" for name in sorted(rest - listed.keys())]
        bundle.blame(SUMS, "the list of sums was altered", "".join(wrong[:1]))
    elif index.get("signature") != bundle.sum(SIGNATURE):
        bundle.blame(SIGNATURE, "the signature was altered")
    elif altered:
        blame_altered(bundle, altered)
    else:
        whose = "the key that was given" if bundle.is_given else "a key of the bundle"
        bundle.blame(SIGNATURE, f"the list of sums was not signed by {whose}")


def check_index(bundle: Bundle) -> None:
    """Hold the index to what it names."""
    names = {"sums": bundle.sum(SUMS), "signature": bundle.sum(SIGNATURE)}
    whole = {"format": 1, "key": bundle.signer, **names}
    if bundle.files.get(INDEX) != canonical(whole) + b"\n":
        bundle.blame(INDEX, "was altered")


def blame_altered(bundle: Bundle, altered: list[str]) -> None:
    """Name each altered file, and the entry of it where it has entries."""
    for name in altered:
        is_there = name in bundle.files
        try:
            entry = altered_entry(bundle, name) if is_there else ""
        except MALFORMED:
            entry = ""
        bundle.blame(name, "was altered" if is_there else "is missing", entry)


def altered_entry(bundle: Bundle, name: str) -> str:
    """Return which entry of a file is not as another file says it is."""
    data = bundle.files[name]
    if match := re.fullmatch(r"log/tile/entries/(.*)", name):
        tile = hashes_in(bundle.files[f"log/tile/0/{match[1]}"])
        place = first_difference([leaf_hash(e) for e in unpacked(data)], tile)
        return f"entry {index_of(match[1]) * WIDTH + place}"
    if match := re.fullmatch(r"log/tile/(\d+)/(.*)", name):
        span, start = WIDTH ** int(match[1]), index_of(match[2]) * WIDTH
        hashes = [leaf_hash(entry) for entry in read_entries(bundle)]
        spans = range(start * span, len(hashes), span)
        wanted = [root_of(hashes[n : n + span]) for n in spans]
        first = (start + first_difference(hashes_in(data), wanted)) * span
        return (
            f"entry {first}" if span == 1 else f"entries from {first}, {span} of them"
        )
    if match := re.fullmatch(r"(manifests/.*)/(manifest.jsonl|leaves.bin)", name):
        lines = bundle.files[f"{match[1]}/manifest.jsonl"].split(b"\n")[:-1]
        leaves = hashes_in(bundle.files[f"{match[1]}/leaves.bin"])
        return f"entry {first_difference([leaf_hash(x) for x in lines], leaves)}"
    match = re.fullmatch(r"proofs/entry-(\d+)\.tlog-proof", name)
    return f"entry {int(match[1])}" if match else ""


def first_difference(found: list[bytes], wanted: list[bytes]) -> int:
    """Return the first place where two lists differ."""
    pairs = enumerate(zip(found, wanted, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(found), len(wanted)))


def index_of(path: str) -> int:
    """Return the number in a tile's path: x001/x234/067.p/8 is 1234067."""
    return int(path.partition(".p/")[0].replace("x", "").replace("/", ""))


def tile_path(index: int, size: int) -> str:
    """Return the path of tile `index` below its level, of a level of `size` hashes."""
    width, text = min(WIDTH, size - index * WIDTH), f"{index % 1000:03}"
    while index := index // 1000:
        text = f"x{index % 1000:03}/{text}"
    return text if width == WIDTH else f"{text}.p/{width}"


def hashes_in(data: bytes) -> list[bytes]:
    """Cut concatenated hashes."""
    return [data[i : i + 32] for i in range(0, len(data), 32)]


def unpacked(data: bytes) -> list[bytes]:
    """Return the entries of an entry bundle: each after its length, 16 bits."""
    entries = []
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        entries.append(data[2:end])
        data = data[end:]
    return entries


def read_entries(bundle: Bundle) -> list[bytes]:
    """Return all entries, as many as the checkpoint says and the files hold."""
    size, entries = int(bundle.files[NOTE].split(b"\n")[1]), list[bytes]()
    for index in range(-(-size // WIDTH)):
        name = f"log/tile/entries/{tile_path(index, size)}"
        entries += unpacked(bundle.files.get(name, b""))
    return entries


def check_keys(bundle: Bundle, name: str) -> None:
    """Hold the list of keys to the keys, and take revocations from it."""
    listed = {record["id"]: record for record in bundle.json(name)}
    for number, key in enumerate(bundle.keys):
        record = listed.get(key.id, {"revoked_from": None})
        if record.get("fingerprint") != sha256(key.der).hex():
            bundle.blame(name, f"does not list the key {key.id}")
        revoked = record["revoked_from"]
        if revoked and key.id == bundle.signer:
            bundle.blame(SIGNATURE, f"was made by the key {key.id}, which is revoked")
        bundle.keys[number] = key._replace(revoked_from=revoked)
        state = f", revoked from {revoked}" if revoked else ""
        bundle.notes.append(f"key {key.id}: SHA-256 {sha256(key.der).hex()}{state}")


def opened(bundle: Bundle, note: bytes, when: str) -> tuple[str, int, bytes] | None:
    """Return origin, size and root of a checkpoint, or None if nobody signed it."""
    text, _, signatures = note.decode().rpartition("\n\n")
    origin, size, root = text.split("\n")[:3]
    message = (text + "\n").encode()
    for _, name, encoded in (line.split(" ") for line in signatures.splitlines()):
        raw = base64.b64decode(encoded)
        for key in bundle.keys:
            is_it = raw[:4] == key.note_hash(name) and key.counts_at(when)
            if is_it and key.verify(message, raw[4:]):
                return origin, int(size), base64.b64decode(root)
    return None


def check_log(bundle: Bundle, name: str) -> None:
    """Check the checkpoint, every entry and every tile."""
    bundle.entries, when = read_entries(bundle), ""
    for number, data in enumerate(bundle.entries):
        entry = json.loads(data)
        datetime.strptime(entry["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
        if canonical(entry) != data or not re.fullmatch(KINDS, entry["kind"]):
            bundle.blame("log", "is no entry in its one form", f"entry {number}")
        if entry["time"] < when:
            bundle.blame("log", "is dated before the one before", f"entry {number}")
        when = entry["time"]
    hashes = [leaf_hash(entry) for entry in bundle.entries]
    head = opened(bundle, bundle.files[name], when)
    if head is None:
        bundle.blame(name, "no trusted key that counts signed it")
    elif head[1:] != (len(hashes), root_of(hashes)):
        bundle.blame(name, "is not that of the entries")
    check_tiles(bundle, hashes)
    bundle.notes.append(f"log {head and head[0]}: {len(hashes)} entries")


def check_tiles(bundle: Bundle, hashes: list[bytes]) -> None:
    """Check that the tiles are those of the entries, and that there are no others."""
    names, level = {NOTE}, 0
    while hashes:
        tiles = [hashes[n : n + WIDTH] for n in range(0, len(hashes), WIDTH)]
        for index, tile in enumerate(tiles):
            name = f"log/tile/{level}/{tile_path(index, len(hashes))}"
            if bundle.files.get(name) != b"".join(tile):
                bundle.blame(name, "is not that of the entries")
            names |= {name, name.replace("tile/0/", "tile/entries/")}
        hashes = [root_of(tile) for tile in tiles if len(tile) == WIDTH]
        level += 1
    for name in sorted(set(bundle.below("log")) - names):
        bundle.blame(name, "is no part of the log")


def check_since(bundle: Bundle, name: str) -> None:
    """Check that the log begins with what an earlier checkpoint was signed for."""
    if bundle.since is None:
        return
    origin, size, root = opened(bundle, bundle.since, "") or ("", 0, b"")
    hashes = [leaf_hash(entry) for entry in bundle.entries[:size]]
    if origin != bundle.files[name].decode().split("\n")[0]:
        bundle.blame("log", "the earlier checkpoint is not of this log and its keys")
    elif len(hashes) < size or root_of(hashes) != root:
        bundle.blame("log", f"was rewritten since it had {size} entries")
    else:
        bundle.notes.append(f"log: continues the earlier one of {size} entries")


def check_manifest(bundle: Bundle, name: str) -> None:
    """Check the order, the leaves and both roots of a manifest."""
    if not name.endswith("/manifest.json"):
        return
    folder, header = name.removesuffix(".json"), bundle.json(name)
    lines = bundle.files[f"{folder}.jsonl"].split(b"\n")[:-1]
    before, digests = [""], set()
    for number, line in enumerate(lines):
        entry = json.loads(line)
        key = [entry[part] for part in ("work", "recording", "right")]
        if key <= before or canonical(entry) != line:
            bundle.blame(f"{folder}.jsonl", "not in its place", f"entry {number}")
        before = key
        digests.add(entry["digest"])
    hashes = [leaf_hash(line) for line in lines]
    files = [leaf_hash(digest.encode()) for digest in sorted(digests)]
    root = root_of(hashes).hex()
    if bundle.files[name.replace("manifest.json", "leaves.bin")] != b"".join(hashes):
        bundle.blame(name, "the leaf hashes are not those of the entries")
    found: dict[str, Any] = {"root": root, "files_root": root_of(files).hex()}
    found |= {"n_entries": len(lines), "n_files": len(files)}
    if not found.items() <= header.items():
        bundle.blame(name, "is not that of the entries")
    bound = [str(n) for n, e in enumerate(bundle.entries) if root.encode() in e]
    where = f"log entries {', '.join(bound)}" if bound else "NO entry of the log"
    bundle.notes.append(f"manifest {root}: {len(lines)} entries; named in {where}")


def check_proof(bundle: Bundle, name: str) -> None:
    """Check that an entry is logged, or that a work is in a manifest or not."""
    if name.endswith(".tlog-proof"):
        head, _, note = bundle.files[name].partition(b"\n\n")
        extra, index, *path = head.decode().split("\n")[1:]
        data, place = base64.b64decode(extra[6:]), int(index[6:])
        _, size, root = opened(bundle, note, json.loads(data)["time"]) or ("", 0, b"-")
        hashes = [base64.b64decode(part) for part in path]
        if root_from(leaf_hash(data), hashes, place, size) != root:
            bundle.blame(name, "does not hold", f"entry {place}")
        return
    proof = bundle.json(name)
    header = bundle.json(f"manifests/{proof['manifest'][:16]}/manifest.json")
    is_file, wanted, keys = proof["tree"] == "files", proof["subject"], []
    root = bytes.fromhex(header["files_root" if is_file else "root"])
    size = header["n_files" if is_file else "n_entries"]
    parts = ("work", "recording", "right")[: len(wanted)]
    for leaf in proof["leaves"]:
        data = leaf["leaf"].encode()
        hashes = [bytes.fromhex(part) for part in leaf["proof"]]
        if root_from(leaf_hash(data), hashes, leaf["index"], size) != root:
            bundle.blame(name, "does not hold", f"entry {leaf['index']}")
        key = [leaf["leaf"]] if is_file else [json.loads(data)[part] for part in parts]
        keys.append((leaf["index"], key))
    if not shows(proof["kind"], keys, wanted, size):
        bundle.blame(name, "does not show what it says", f"subject {'/'.join(wanted)}")


def shows(kind: str, keys: list[Any], wanted: list[str], size: int) -> bool:
    """Tell whether leaves show that a subject is there, or has no place to be."""
    if kind == "inclusion":
        return bool(keys) and all(key == wanted for _, key in keys)
    before = [place for place, key in keys if key < wanted] or [-1]
    after = [place for place, key in keys if key > wanted] or [size]
    is_all = len(keys) == (before != [-1]) + (after != [size])
    return kind == "non-inclusion" and is_all and after[0] == before[0] + 1


def check_release(bundle: Bundle, name: str) -> None:
    """Check a signed statement (DSSE, or a Sigstore bundle around one)."""
    document = bundle.json(name) if name.endswith((".json", ".sig")) else {}
    envelope = document.get("dsseEnvelope", document)
    if "payloadType" not in envelope:
        return
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    statement = json.loads(payload)
    when = statement["predicate"].get("time", "")
    keys = [key for key in bundle.keys if key.counts_at(when)]
    signatures = [base64.b64decode(one["sig"]) for one in envelope["signatures"]]
    if not any(key.verify(message, one) for key in keys for one in signatures):
        bundle.blame(name, "no trusted key that counts signed it")
    for subject in statement["subject"]:
        file = f"{name.rpartition('/')[0]}/{subject['name']}"
        if file in bundle.files and bundle.sum(file) != subject["digest"]["sha256"]:
            bundle.blame(file, f"is not the file that {name} was signed for")


def check_reveal(bundle: Bundle, name: str) -> None:
    """Check that a shown value is what an entry committed to."""
    shown = bundle.json(name)
    made = sha256(bytes.fromhex(shown["salt"]) + canonical(shown["value"])).hex()
    where = [n for n, entry in enumerate(bundle.entries) if made.encode() in entry]
    if made != shown["commitment"] or not where:
        bundle.blame(name, "is not what an entry of the log committed to")
    bundle.notes.append(f"{name}: {shown['field']} of entry {where[:1]}")


def main() -> int:
    """Run on the arguments of the process and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify an audit bundle.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", type=Path, action="append", default=[], metavar="PEM")
    parser.add_argument("--since", type=Path, help="a checkpoint seen earlier")
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    try:
        keys = keys_of([path.read_bytes() for path in options.key])
        if len(keys) < len(options.key):
            raise CannotTellError("A key that was given is no public key in PEM form.")
        since = options.since.read_bytes() if options.since else None
        bundle = check(options.bundle, keys, since)
    except (CannotTellError, OSError, ValueError) as error:
        print(f"cannot tell: {error}", file=sys.stderr)
        return 2
    is_true = not bundle.problems
    if options.as_json:
        found = {"is_true": is_true, "problems": bundle.problems, "notes": bundle.notes}
        print(json.dumps(found))
    else:
        for problem in bundle.problems:
            print("NOT TRUE", ": ".join(part for part in problem.values() if part))
        print(*bundle.notes, sep="\n")
        whose = "given" if bundle.is_given else "of the bundle: ask its owner for it"
        print(f"all true, by the key {whose}" if is_true else "not all true")
    return int(not is_true)


if __name__ == "__main__":
    sys.exit(main())
