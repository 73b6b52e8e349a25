"""Checking the workspace's log or a bundle, and making a bundle for an auditor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrafact.audit import (
    BundleContent,
    KeyRecord,
    KeyRing,
    LogReader,
    PublicKey,
    check_bundle,
    check_log,
    keys_in_bundle,
    write_bundle,
)
from contrafact.catalog import Workspace
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.entities import Problem
from contrafact.core.errors import ConfigError, LogDamagedError, SigningKeyError
from contrafact.workflows.audit import read_log, reveals_about, workspace_signer

__all__ = [
    "Verdict",
    "make_bundle",
    "manifest_folders",
    "verify_bundle",
    "verify_log",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a log or a bundle is true.

    Attributes:
        problems: What is wrong, each with its place; none if it is true.
        origin: Name of the log, where it can be read.
        keys: The keys by which it was judged.
        is_trusted: Whether they came from elsewhere than the bundle itself.
    """

    problems: tuple[Problem, ...]
    origin: str | None
    size: int | None
    root: str | None
    keys: tuple[KeyRecord, ...]
    is_trusted: bool

    @property
    def is_true(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_log(workspace: Workspace, *, since: Path | None = None) -> Verdict:
    """Check the workspace's log whole, by the user's own keys and memory.

    Args:
        workspace: Where the log is.
        since: A checkpoint seen earlier, of which it must be a continuation.

    Raises:
        LogDamagedError: If there is no log.
        ConfigError: If `since` cannot be read.
    """
    log = read_log(workspace)
    log.note()
    memory = keys_dir_from_environment() / "logs"
    problems = check_log(log, since=_read(since), memory=memory)
    return _verdict(log, problems, is_trusted=True)


def verify_bundle(
    bundle: Path, *, key: Path | None = None, since: Path | None = None
) -> Verdict:
    """Check a bundle whole.

    Args:
        bundle: Its folder.
        key: The public key it must be signed with, as PEM; one that it brings
            itself if None, which shows only that nothing changed since.
        since: A checkpoint seen earlier, of which its log must be a continuation.

    Raises:
        ConfigError: If a file that was named cannot be read.
        SigningKeyError: If `key` holds no key.
    """
    pem = _read(key)
    trusted = None if pem is None else PublicKey.from_pem(pem)
    problems = check_bundle(bundle, trusted=trusted, since=_read(since))
    try:
        keys = keys_in_bundle(bundle)
    except (LogDamagedError, SigningKeyError):
        keys = KeyRing([])
    if trusted is not None:
        keys = KeyRing(r for r in keys.records if r.public_key == trusted)
    log = LogReader(bundle / "log", keys)
    return _verdict(log, problems, is_trusted=trusted is not None)


def _read(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error


def _verdict(log: LogReader, problems: list[Problem], *, is_trusted: bool) -> Verdict:
    head = None if problems else log.checkpoint()
    return Verdict(
        problems=tuple(problems),
        origin=None if head is None else head.origin,
        size=None if head is None else head.size,
        root=None if head is None else head.root.hex(),
        keys=log.keys.records,
        is_trusted=is_trusted,
    )


def make_bundle(
    workspace: Workspace,
    out: Path,
    *,
    reveal: Sequence[str] = (),
    proofs: Mapping[str, Mapping[str, Any]] | None = None,
    key_id: str | None = None,
) -> list[str]:
    """Write everything an auditor needs into a new folder; return its files.

    Args:
        workspace: Its log, manifests and releases go in.
        out: A folder that does not exist or is empty.
        reveal: Subjects whose private values the auditor may see.
        proofs: More proofs about manifests, by name.
        key_id: Who signs; the newest good key if None.

    Raises:
        LogDamagedError: If there is no log, or it is damaged.
        SigningKeyError: If there is no key to sign with.
        StorageError: If `out` is not empty, or the disk is full.
    """
    log = read_log(workspace)
    log.checkpoint()
    reveals = {
        r.commitment: r for subject in reveal for r in reveals_about(workspace, subject)
    }
    content = BundleContent(
        manifests=tuple(manifest_folders(workspace)),
        releases=_release_files(workspace),
        proofs=proofs or {},
        reveals=tuple(reveals[commitment] for commitment in sorted(reveals)),
    )
    return write_bundle(log, out, signer=workspace_signer(key_id), content=content)


def manifest_folders(workspace: Workspace) -> list[Path]:
    """Return the folders of the workspace's manifests, by name."""
    return sorted(
        path.parent for path in workspace.root.glob("manifests/*/manifest.json")
    )


def _release_files(workspace: Workspace) -> dict[str, Path]:
    """Return signed statements and descriptions of releases, but no weights."""
    root = workspace.root / "releases"
    paths = [p for p in root.rglob("*") if p.suffix in (".json", ".jsonl", ".sig")]
    return {path.relative_to(root).as_posix(): path for path in sorted(paths)}
