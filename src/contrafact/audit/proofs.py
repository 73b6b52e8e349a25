"""Proofs as documents: that something is logged, in a manifest, or not in it.

A proof that a work is *not* in a manifest shows two neighbours between which
it would have to stand. It holds if the manifest is sorted, which whoever has
the whole manifest can check, and which its signer answers for.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from contrafact.audit._log_reader import LogReader
from contrafact.audit.keys import KeyRing
from contrafact.audit.manifest import Manifest, files_tree
from contrafact.audit.merkle import (
    EMPTY_ROOT,
    HashTree,
    inclusion_proof,
    leaf_hash,
    verify_inclusion,
)
from contrafact.audit.notes import Checkpoint, parse_checkpoint, signer_of
from contrafact.core.errors import ManifestError, ProofError

__all__ = [
    "check_log_proof",
    "check_proof",
    "disprove",
    "log_proof",
    "prove",
]

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
Json = dict[str, Any]


def log_proof(log: LogReader, index: int) -> bytes:
    """Return a file that shows an entry to be in the log; the entry is in it.

    Raises:
        IndexError: If there is no such entry.

    References:
        C2SP, tlog-proof.
    """
    note = log.note()
    size = parse_checkpoint(note).size
    path = inclusion_proof(log.reader(parse_checkpoint(note)), index, size=size)
    extra = base64.b64encode(log.entry(index).data).decode()
    lines = [_FIRST_LINE, f"extra {extra}", f"index {index}"]
    lines += [base64.b64encode(part).decode() for part in path]
    return "\n".join(lines).encode() + b"\n\n" + note


def check_log_proof(proof: bytes, keys: KeyRing) -> tuple[Checkpoint, int, bytes]:
    """Return the checkpoint, the number and the bytes of the entry it proves.

    Raises:
        LogDamagedError: If the checkpoint in it is damaged.
        ProofError: If it proves nothing.
        SigningKeyError: If no trusted key signed the checkpoint.
    """
    head, _, note = proof.partition(b"\n\n")
    lines = head.decode(errors="replace").split("\n")
    try:
        if lines[0] != _FIRST_LINE or not lines[1].startswith("extra "):
            raise ValueError
        data = base64.b64decode(lines[1][len("extra ") :], validate=True)
        index = int(lines[2].removeprefix("index "))
        path = [base64.b64decode(line, validate=True) for line in lines[3:]]
    except (ValueError, IndexError) as error:
        raise ProofError("This is no proof file of a log with its entry.") from error
    checkpoint = parse_checkpoint(note)
    signer_of(note, keys, when=None)
    if not verify_inclusion(
        leaf_hash(data), path, index=index, size=checkpoint.size, root=checkpoint.root
    ):
        raise ProofError(f"The proof of entry {index} does not hold.")
    return checkpoint, index, data


def prove(
    manifest: Manifest,
    *,
    work: str | None = None,
    recording: str | None = None,
    digest: str | None = None,
) -> Json:
    """Return proofs that a work, one recording of it, or a file is in a manifest.

    Args:
        manifest: The manifest.
        work: Id of the work.
        recording: Id of a recording of the work; all if None.
        digest: SHA-256 of a file, instead of a work.

    Raises:
        ManifestError: If the manifest is damaged.
        ProofError: If it is not in the manifest.
    """
    tree = _Sorted(manifest, work=work, recording=recording, digest=digest)
    found = tree.found()
    if not found:
        raise ProofError(
            f"{tree.name} is not in the manifest {manifest.header.root[:16]}. "
            "`contrafact manifest disprove` proves that."
        )
    return tree.document("inclusion", found)


def disprove(
    manifest: Manifest,
    *,
    work: str | None = None,
    recording: str | None = None,
    digest: str | None = None,
) -> Json:
    """Return the proof that a work, recording or file is not in a manifest.

    Args:
        manifest: The manifest.
        work: Id of the work.
        recording: Id of a recording of the work; all if None.
        digest: SHA-256 of a file, instead of a work.

    Raises:
        ManifestError: If the manifest is damaged.
        ProofError: If it is in the manifest.
    """
    tree = _Sorted(manifest, work=work, recording=recording, digest=digest)
    if tree.found():
        raise ProofError(
            f"{tree.name} is in the manifest {manifest.header.root[:16]}, so it cannot "
            "be proved to be absent. `contrafact manifest prove` proves that it is in."
        )
    neighbours = (tree.place - 1, tree.place)
    indexes = [i for i in neighbours if 0 <= i < len(tree.leaves)]
    return tree.document("non-inclusion", indexes)


class _Sorted:
    """One of the two sorted trees of a manifest, and a place in it."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        work: str | None,
        recording: str | None,
        digest: str | None,
    ) -> None:
        h = manifest.header
        self.wanted: tuple[str, ...]
        if digest is not None:
            digests = sorted({entry.digest for entry in manifest.entries()})
            self.leaves: Sequence[bytes] = [d.encode() for d in digests]
            self.kind, self.wanted, self.root = "files", (digest,), h.files_root
            self._tree = files_tree(digests)
        else:
            self.leaves = list(manifest.lines())
            subject = (work or "", recording)
            self.wanted = tuple(part for part in subject if part is not None)
            self.kind, self.root = "entries", h.root
            self._tree = HashTree(manifest.leaf_hashes())
        if self._tree.root().hex() != self.root:
            raise ManifestError(
                f"The manifest in {manifest.root} was altered. Restore it, or build "
                "it again."
            )
        self._manifest = h.root
        self.place = bisect_left(self.leaves, self.wanted, key=self._key)

    @property
    def name(self) -> str:
        """What is looked for, as a person would say it."""
        kind = "The file" if self.kind == "files" else "Work"
        return f"{kind} {', recording '.join(self.wanted)}"

    def _key(self, leaf: bytes) -> tuple[str, ...]:
        return _key_of(leaf, self.kind)[: len(self.wanted)]

    def found(self) -> list[int]:
        """Return the numbers of the leaves that are what is looked for."""
        end = self.place
        while end < len(self.leaves) and self._key(self.leaves[end]) == self.wanted:
            end += 1
        return list(range(self.place, end))

    def document(self, kind: str, indexes: Sequence[int]) -> Json:
        """Return the proof that these leaves are in the tree."""
        size = len(self.leaves)
        leaves = [
            {
                "index": index,
                "leaf": self.leaves[index].decode(),
                "proof": [p.hex() for p in self._tree.inclusion(index)],
            }
            for index in indexes
        ]
        return {
            "format": 1,
            "kind": kind,
            "manifest": self._manifest,
            "tree": self.kind,
            "root": self.root,
            "size": size,
            "subject": list(self.wanted),
            "leaves": leaves,
        }


def _key_of(leaf: bytes, kind: str) -> tuple[str, ...]:
    if kind == "files":
        return (leaf.decode(),)
    # Trusted by hash, so that only the key is read: this runs per halving.
    plain = json.loads(leaf)
    return plain["work"], plain["recording"], plain["right"]


def check_proof(document: Json, *, root: str, size: int) -> None:
    """Check a proof about a manifest against a root that is trusted.

    Args:
        document: From `prove` or `disprove`.
        root: The root of the tree it is about, hexadecimal.
        size: How many leaves the tree has.

    Raises:
        ProofError: If it does not hold.
    """
    try:
        is_true = _holds(document, root=root, size=size)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProofError("This is no proof about a manifest.") from error
    if not is_true:
        raise ProofError(
            f"The proof of {document['kind']} of {document['subject']} does not hold."
        )


def _holds(document: Json, *, root: str, size: int) -> bool:
    leaves, wanted = document["leaves"], tuple(document["subject"])
    for leaf in leaves:
        path = [bytes.fromhex(part) for part in leaf["proof"]]
        hashed = leaf_hash(leaf["leaf"].encode())
        place = {"index": leaf["index"], "size": size}
        if not verify_inclusion(hashed, path, root=bytes.fromhex(root), **place):
            return False
    keys = [
        _key_of(leaf["leaf"].encode(), document["tree"])[: len(wanted)]
        for leaf in leaves
    ]
    if document["kind"] == "inclusion":
        return bool(keys) and all(key == wanted for key in keys)
    places = [leaf["index"] for leaf in leaves]
    if document["kind"] != "non-inclusion":
        return False
    if not keys:
        return size == 0 and root == EMPTY_ROOT.hex()
    if len(keys) == 2:
        return places[1] == places[0] + 1 and keys[0] < wanted < keys[1]
    is_first = places == [0] and wanted < keys[0]
    return is_first or (places == [size - 1] and keys[0] < wanted)
