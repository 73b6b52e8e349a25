"""The corpus manifest: what may be trained on, sorted, with its Merkle root.

Two trees are kept. That of the entries, in order of work, recording and right,
shows that a work is in the manifest or is not. That of the distinct file
digests does the same for a file, whatever work it was listed under. What is
absent is proved by the two neighbours between which it would have to stand.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from json.encoder import encode_basestring
from pathlib import Path
from typing import Self

from contrafact.audit.entries import canonical
from contrafact.audit.merkle import HASH_SIZE, HashTree, leaf_hash
from contrafact.catalog.atomic import atomic_path, write_bytes
from contrafact.core.errors import ManifestError

__all__ = [
    "Manifest",
    "ManifestEntry",
    "ManifestHeader",
    "build_manifest",
    "files_tree",
]

HEADER, LINES, LEAVES = "manifest.json", "manifest.jsonl", "leaves.bin"
FORMAT = 1
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One right in one recording of the corpus.

    Attributes:
        work: Id of the composition; empty if the catalog does not know it.
        recording: Id of the recording.
        digest: SHA-256 of its file.
        right: `master` or `composition`.
        consent: Id of the record that allows the use, or None.
    """

    work: str
    recording: str
    digest: str
    right: str
    consent: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What entries are sorted by; no two have the same."""
        return self.work, self.recording, self.right

    @property
    def line(self) -> bytes:
        """Its leaf: the canonical JSON, without a newline."""
        # As `canonical` writes it, and ten times as fast: manifests are long.
        quote = encode_basestring
        consent = "null" if self.consent is None else quote(self.consent)
        try:
            return (
                f'{{"consent":{consent},"digest":{quote(self.digest)},"recording":'
                f'{quote(self.recording)},"right":{quote(self.right)},"work":'
                f"{quote(self.work)}}}"
            ).encode()
        except UnicodeEncodeError as error:
            raise ManifestError(
                f"The entry of recording {self.recording!r} holds half of a surrogate "
                "pair, which UTF-8 cannot say. Mend the text."
            ) from error

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Return the entry of a line.

        Raises:
            ManifestError: If it is not one in its canonical form.
        """
        try:
            plain = json.loads(line)
            entry = cls(**plain)
            if entry.line != line:
                raise ValueError("not in its one form")
        except (ValueError, TypeError) as error:
            raise ManifestError(
                f"A line is no entry of a manifest: {error}."
            ) from error
        return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestHeader:
    """What is signed of a manifest.

    Attributes:
        root: Root of the tree of the entries, hexadecimal.
        files_root: Root of the tree of the distinct file digests.
        n_without_work: Entries whose composition is not known.
        n_without_consent: Entries that no consent stands behind.
    """

    root: str
    files_root: str
    n_entries: int
    n_files: int
    n_without_work: int
    n_without_consent: int
    format: int = FORMAT


def build_manifest(entries: Iterable[ManifestEntry], out: str | Path) -> Manifest:
    """Sort entries, and write the manifest into a folder.

    Args:
        entries: In any order; equal ones are an error.
        out: The folder, made if it is missing.

    Returns:
        The manifest, opened.

    Raises:
        ManifestError: If two entries have the same work, recording and right,
            or a digest is not 64 hexadecimal digits.
        StorageError: If the disk is full or not writable.
    """
    out = Path(out)
    ordered = sorted(entries, key=lambda entry: entry.key)
    _check_order(ordered)
    lines = [entry.line for entry in ordered]
    hashes = [leaf_hash(line) for line in lines]
    digests = sorted({entry.digest for entry in ordered})
    header = ManifestHeader(
        root=HashTree(hashes).root().hex(),
        files_root=files_tree(digests).root().hex(),
        n_entries=len(ordered),
        n_files=len(digests),
        n_without_work=sum(not entry.work for entry in ordered),
        n_without_consent=sum(entry.consent is None for entry in ordered),
    )
    with atomic_path(out / LINES) as temporary, temporary.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
    write_bytes(out / LEAVES, b"".join(hashes))
    # Last: a folder with a header is a whole manifest.
    write_bytes(out / HEADER, canonical(asdict(header)) + b"\n")
    return Manifest.open(out)


def _check_order(ordered: Sequence[ManifestEntry]) -> None:
    for entry in ordered:
        if _DIGEST.fullmatch(entry.digest) is None:
            raise ManifestError(
                f"{entry.digest!r} of recording {entry.recording} is no SHA-256. "
                "Give 64 hexadecimal digits in lower case."
            )
    for before, after in pairwise(ordered):
        if before.key == after.key:
            raise ManifestError(
                f"Work {after.work}, recording {after.recording}, right {after.right} "
                "is listed twice. List it once."
            )


def files_tree(digests: Iterable[str]) -> HashTree:
    """Return the tree of file digests, which must come sorted."""
    return HashTree(leaf_hash(digest.encode()) for digest in digests)


class Manifest:
    """A manifest in its folder; entries are found without reading them all.

    Attributes:
        root: Its folder.
        header: Roots and counts.
    """

    def __init__(self, root: Path, header: ManifestHeader) -> None:
        """Use a manifest; see `open`."""
        self.root = root
        self.header = header

    @classmethod
    def open(cls, root: str | Path) -> Self:
        """Open the manifest in a folder; `check` reads it whole.

        Raises:
            ManifestError: If there is none, or its header is damaged.
        """
        path = Path(root) / HEADER
        try:
            header = ManifestHeader(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise ManifestError(
                f"There is no manifest in {root}. Make one with `contrafact manifest "
                "build`."
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise ManifestError(
                f"{path} is damaged: {error}. Restore it, or build it again."
            ) from error
        return cls(Path(root), header)

    def entries(self) -> Iterator[ManifestEntry]:
        """Yield all entries in their order.

        Raises:
            ManifestError: If the file is missing, or a line is damaged.
        """
        for line in self.lines():
            yield ManifestEntry.parse(line)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of all entries, which are the leaves of the tree.

        Raises:
            ManifestError: If the file cannot be read.
        """
        try:
            with (self.root / LINES).open("rb") as file:
                for line in file:
                    yield line.removesuffix(b"\n")
        except OSError as error:
            raise ManifestError(
                f"Cannot read {self.root / LINES}: {error.strerror}."
            ) from error

    def check(self) -> None:
        """Read the manifest whole, and hold it to its header.

        Raises:
            ManifestError: If a line was altered, added, removed or moved; the
                first such line is named.
        """
        hashes, digests, before = self.leaf_hashes(), set(), None
        n_lines = 0
        for number, line in enumerate(self.lines()):
            if number >= len(hashes) or leaf_hash(line) != hashes[number]:
                raise ManifestError(f"Entry {number} of {self.root} was altered.")
            entry = ManifestEntry.parse(line)
            if before is not None and before >= entry.key:
                raise ManifestError(f"Entry {number} of {self.root} is out of order.")
            before, n_lines = entry.key, number + 1
            digests.add(entry.digest)
        roots = (HashTree(hashes).root().hex(), files_tree(sorted(digests)).root())
        found = (n_lines, len(digests), roots[0], roots[1].hex())
        h = self.header
        if found != (h.n_entries, h.n_files, h.root, h.files_root):
            raise ManifestError(
                f"The manifest in {self.root} is not the one its header speaks of. "
                "Restore it, or build it again."
            )

    def leaf_hashes(self) -> list[bytes]:
        """Return the hashes of the leaves as they were written, 32 bytes each.

        Raises:
            ManifestError: If the file cannot be read.
        """
        try:
            data = (self.root / LEAVES).read_bytes()
        except OSError as error:
            raise ManifestError(
                f"Cannot read {self.root / LEAVES}: {error.strerror}."
            ) from error
        places = range(0, len(data), HASH_SIZE)
        return [data[place : place + HASH_SIZE] for place in places]

    def find(self, work: str, recording: str | None = None) -> list[ManifestEntry]:
        """Return the entries of a work, or of one recording of it.

        Reads about 20 lines, however long the manifest is.

        Raises:
            ManifestError: If a line is damaged.
        """
        wanted = (work,) if recording is None else (work, recording)
        if not self.header.n_entries:
            return []
        with (
            (self.root / LINES).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
        ):
            return list(_from(text, wanted))


def _from(text: mmap.mmap, wanted: tuple[str, ...]) -> Iterator[ManifestEntry]:
    """Yield the entries whose key begins so, from sorted lines, by halving."""
    low, high = 0, len(text)
    while low < high:
        start = text.rfind(b"\n", low, (low + high) // 2) + 1 or low
        line = _line_at(text, start)
        if ManifestEntry.parse(line).key < wanted:
            low = start + len(line) + 1
        else:
            high = start
    while low < len(text):
        line = _line_at(text, low)
        entry = ManifestEntry.parse(line)
        if entry.key[: len(wanted)] != wanted:
            return
        yield entry
        low += len(line) + 1


def _line_at(text: mmap.mmap, start: int) -> bytes:
    end = text.find(b"\n", start)
    return text[start : len(text) if end < 0 else end]
