"""The manifest of a corpus: built from the catalog and the consents, and asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from contrafact.audit.croissant import describe
from contrafact.audit.entries import canonical, format_time
from contrafact.audit.manifest import (
    Manifest,
    ManifestEntry,
    ManifestHeader,
    build_manifest,
)
from contrafact.audit.proofs import disprove, prove
from contrafact.audit.statements import in_toto_statement, seal, subjects_of
from contrafact.catalog import Workspace
from contrafact.catalog.atomic import remove_leftovers, write_bytes, write_json
from contrafact.catalog.files import digest_file
from contrafact.core.entities import Recording
from contrafact.core.errors import ManifestError, ProofError
from contrafact.workflows.audit import append_entry, workspace_signer
from contrafact.workflows.bundles import manifest_folders
from contrafact.workflows.progress import Progress, silent

__all__ = [
    "MANIFEST_TYPE",
    "RIGHTS",
    "ConsentIds",
    "ConsentLookup",
    "ManifestInfo",
    "build",
    "disprove_all",
    "find_manifest",
    "list_manifests",
    "prove_all",
    "registered_consents",
]

MANIFEST_TYPE = "urn:contrafact:predicate:manifest:1"
RIGHTS = ("composition", "master")
ConsentIds = Mapping[tuple[str, str], str]
"""Ids of the consents that allow the use, by recording and right."""
ConsentLookup = Callable[[Sequence[Recording]], ConsentIds]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestInfo:
    """A manifest of the workspace.

    Attributes:
        folder: Where it is.
        is_signed: Whether a signed statement lies beside it.
        n_left_out: Recordings left out for want of a consent, where known.
        entry: Number of the log entry that names it, where it was just made.
    """

    folder: Path
    header: ManifestHeader
    is_signed: bool
    n_left_out: int | None = None
    entry: int | None = None


def registered_consents(
    workspace: Workspace, *, use: str, on: date, progress: Progress = silent
) -> ConsentLookup:
    """Return a look-up in the workspace's registry of consents.

    Args:
        workspace: Where the registry is.
        use: The use that must be allowed, as `train_generative`.
        on: The day on which it must be.
        progress: Told how many recordings were decided.

    Raises:
        ConsentError: If there is no such use.
    """
    from contrafact.rights.consent import parse_use
    from contrafact.workflows.consent import open_registry, read_catalog

    wanted = parse_use(use)

    def look_up(recordings: Sequence[Recording]) -> ConsentIds:
        _, works = read_catalog(workspace)
        with open_registry(workspace) as registry:
            decisions = registry.decisions(
                recordings,
                use=wanted,
                on=on,
                works=works,
                progress=lambda done, total: progress("deciding", done, total),
            )
        return {
            (str(recording), consent.right.value): consent.id
            for recording, decision in decisions.items()
            if decision.is_allowed
            for consent in sorted(decision.consents, key=lambda c: c.id, reverse=True)
        }

    return look_up


def build(
    workspace: Workspace,
    *,
    consents: ConsentLookup,
    recordings: Sequence[Recording] | None = None,
    out: Path | None = None,
    is_all: bool = False,
    is_signed: bool = True,
    progress: Progress = silent,
) -> ManifestInfo:
    """Write the manifest of what may be used, sign it and enter it in the log.

    A manifest that is there already is neither signed nor entered again.

    Args:
        workspace: Where the catalog is.
        consents: Tells the consents of recordings.
        recordings: What it is about; the whole catalog if None.
        out: Its folder; one of the workspace, named after the root, if None.
        is_all: Whether recordings without consent go in, as such, too.
        is_signed: Whether to sign it, and to enter it in the log.
        progress: Told of each stage.

    Raises:
        ManifestError: If nothing may be used, or something else is in `out`.
        SigningKeyError: If there is no key to sign with.
        StorageError: If the disk is full or not writable.
        WorkspaceLockedError: If another process is at work there.
    """
    if is_signed:
        workspace_signer()
    if recordings is None:
        with workspace.catalog() as catalog:
            recordings = catalog.recordings()
    ids = consents(recordings)
    kept = [r for r in recordings if is_all or all((r.id, x) in ids for x in RIGHTS)]
    if not kept:
        raise ManifestError(
            f"None of {len(recordings)} recording(s) may be used. Import consents with "
            "`contrafact consent import`, or list them as they are with --all."
        )
    with workspace.lock():
        folder, is_new = _written(workspace, _entries(kept, ids, progress), out)
        info = _info(folder, n_left_out=len(recordings) - len(kept))
        if is_signed and (is_new or not info.is_signed):
            info = _signed(workspace, info)
    return info


def _entries(
    recordings: Sequence[Recording], ids: ConsentIds, progress: Progress
) -> Iterator[ManifestEntry]:
    for number, recording in enumerate(recordings, start=1):
        for right in RIGHTS:
            yield ManifestEntry(
                work=recording.work_id or "",
                recording=recording.id,
                digest=recording.digest,
                right=right,
                consent=ids.get((recording.id, right)),
            )
        progress("manifest", number, len(recordings))


def _written(
    workspace: Workspace, entries: Iterator[ManifestEntry], out: Path | None
) -> tuple[Path, bool]:
    """Write a manifest, and return its folder and whether it is new."""
    root = workspace.root / "manifests"
    draft = root / ".new"
    remove_leftovers(root)
    shutil.rmtree(draft, ignore_errors=True)
    header = build_manifest(entries, draft).header
    folder = out or root / header.root[:16]
    try:
        if (folder / "manifest.json").is_file():
            if Manifest.open(folder).header != header:
                raise ManifestError(
                    f"There is another manifest in {folder}. Name another folder."
                )
            return folder, False
        if folder.exists() and any(folder.iterdir()):
            raise ManifestError(f"There is something in {folder}. Name a new folder.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(draft, folder)
        return folder, True
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _signed(workspace: Workspace, info: ManifestInfo) -> ManifestInfo:
    """Describe and sign a manifest, and enter it in the log."""
    folder, now = info.folder, datetime.now(UTC)
    name = f"corpus-{info.header.root[:16]}"
    manifest = Manifest.open(folder)
    write_json(
        folder / "croissant.json", describe(manifest, name=name, published=now.date())
    )
    files = [folder / n for n in ("manifest.json", "manifest.jsonl", "croissant.json")]
    statement = in_toto_statement(
        subjects_of(files, root=folder),
        MANIFEST_TYPE,
        predicate={**asdict(info.header), "time": format_time(now)},
    )
    envelope = canonical(seal(statement, workspace_signer())) + b"\n"
    body = {
        "statement": "manifest",
        **asdict(info.header),
        "digest": digest_file(folder / "manifest.jsonl"),
    }
    entry = append_entry(workspace, "statement", body).index
    # Last: a run that was killed before enters it again rather than not at all.
    write_bytes(folder / "statement.json", envelope)
    left = info.n_left_out
    return ManifestInfo(
        folder=folder,
        header=info.header,
        is_signed=True,
        n_left_out=left,
        entry=entry,
    )


def _info(folder: Path, *, n_left_out: int | None = None) -> ManifestInfo:
    return ManifestInfo(
        folder=folder,
        header=Manifest.open(folder).header,
        is_signed=(folder / "statement.json").is_file(),
        n_left_out=n_left_out,
    )


def list_manifests(workspace: Workspace) -> list[ManifestInfo]:
    """Return the manifests of the workspace, by root.

    Raises:
        ManifestError: If one of them is damaged.
    """
    return [_info(folder) for folder in manifest_folders(workspace)]


def find_manifest(workspace: Workspace, root: str | None = None) -> Manifest:
    """Return the manifest whose root begins so; the only one if None.

    Raises:
        ManifestError: If there is none, or more than one.
    """
    found = [
        i for i in list_manifests(workspace) if i.header.root.startswith(root or "")
    ]
    if len(found) != 1:
        count = "no manifest" if not found else f"{len(found)} manifests"
        raise ManifestError(
            f"There is {count} {root or ''} in {workspace.root}. List them with "
            "`contrafact manifest show`, or make one with `contrafact manifest build`."
        )
    return Manifest.open(found[0].folder)


def prove_all(
    workspace: Workspace, subject: Mapping[str, str | None], *, root: str | None = None
) -> list[dict[str, Any]]:
    """Return proofs that a subject is in manifests: one, or each that has it.

    Args:
        workspace: Where the manifests are.
        subject: `work` and maybe `recording`, or `digest`.
        root: How the root of the manifest begins; all manifests if None.

    Raises:
        ManifestError: If there is no such manifest.
        ProofError: If it is in none of them.
    """
    manifests = _asked(workspace, root)
    proofs, last = [], None
    for manifest in manifests:
        try:
            proofs.append(prove(manifest, **subject))
        except ProofError as error:
            last = error
    if not proofs and last is not None:
        raise last
    return proofs


def disprove_all(
    workspace: Workspace, subject: Mapping[str, str | None], *, root: str | None = None
) -> list[dict[str, Any]]:
    """Return proofs that a subject is not in a manifest, or in none of all.

    Args:
        workspace: Where the manifests are.
        subject: `work` and maybe `recording`, or `digest`.
        root: How the root of the manifest begins; all manifests if None.

    Raises:
        ManifestError: If there is no such manifest.
        ProofError: If it is in one of them.
    """
    proofs, found = [], None
    for manifest in _asked(workspace, root):
        try:
            proofs.append(disprove(manifest, **subject))
        except ProofError as error:
            found = error
    if found is not None:
        roots = ", ".join(proof["manifest"][:16] for proof in proofs)
        more = f" It is not in {roots}: name one with --manifest." if proofs else ""
        raise ProofError(f"{found}{more}")
    return proofs


def _asked(workspace: Workspace, root: str | None) -> list[Manifest]:
    if root is not None:
        return [find_manifest(workspace, root)]
    folders = manifest_folders(workspace)
    if not folders:
        raise ManifestError(
            f"There is no manifest in {workspace.root}. Make one with `contrafact "
            "manifest build`."
        )
    return [Manifest.open(folder) for folder in folders]
