"""What holds a withdrawn work: models, indexes, releases and all made from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrafact.audit.manifest import Manifest
from contrafact.catalog import Workspace
from contrafact.core.errors import ManifestError
from contrafact.rights.material import (
    MaterialIndex,
    file_key,
    recording_key,
    work_key,
)
from contrafact.workflows.bundles import manifest_folders
from contrafact.workflows.models import ModelRecord, list_models, recordings_of
from contrafact.workflows.withdrawals import WithdrawalRecord

__all__ = [
    "Part",
    "contaminated_parts",
    "material_index",
    "parts_of",
    "withdrawn_from",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that was made from a corpus.

    Attributes:
        kind: `release`, `fine-tune`, `distilled`, `bridge`, `model`, `index`
            or `latents`.
        manifest_root: Root of its corpus's manifest; "" where it has none.
        recordings: What it holds, where there is no manifest.
        made_from: Names of the parts it was made from; it holds what they hold.
    """

    kind: str
    name: str
    manifest_root: str = ""
    recordings: frozenset[str] = frozenset()
    made_from: tuple[str, ...] = ()


def material_index(store: Workspace) -> MaterialIndex:
    """Return the index of what a store's manifests hold, brought up to date.

    Raises:
        ManifestError: If a manifest is damaged.
        RegistryError: If the index is damaged.
        StorageError: If the disk is full or not writable.
    """
    index = MaterialIndex.open(store.root / "materials.index")
    known = {root[:16] for root in index.manifests}
    new: dict[str, Iterable[str]] = {}
    for folder in manifest_folders(store):
        # A folder is named for its root, so that those known are not opened.
        if folder.name not in known:
            manifest = Manifest.open(folder)
            new[manifest.header.root] = _keys(manifest)
    return index.add(new)


def _keys(manifest: Manifest) -> set[str]:
    keys = set[str]()
    for entry in manifest.entries():
        keys |= {recording_key(entry.recording), file_key(entry.digest)}
        if entry.work:
            keys.add(work_key(entry.work))
    return keys


def parts_of(store: Workspace) -> list[Part]:
    """Return everything in a store that was made from a corpus, by kind and name."""
    models = list_models(store)
    parts = [_model_part(model) for model in models]
    parts += [
        Part(kind="index", name=path.parent.name, made_from=(f"model:{model}",))
        for path, plain in _documents(store.indexes_dir, "record.json")
        for model in [plain.get("model_id", "")]
    ]
    parts += [
        _release_part(p) for _, p in _documents(store.root / "releases", "release.json")
    ]
    return sorted(parts, key=lambda part: (part.kind, part.name))


def _model_part(model: ModelRecord) -> Part:
    held = frozenset() if model.manifest_root else frozenset(recordings_of(model))
    return Part(
        kind="model",
        name=model.id,
        manifest_root=model.manifest_root,
        recordings=held,
    )


def _release_part(plain: Mapping[str, Any]) -> Part:
    parent = plain.get("parent")
    return Part(
        kind=plain["kind"],
        name=plain["id"],
        manifest_root=plain["corpus"]["root"],
        made_from=() if parent is None else (f"release:{parent}",),
    )


def _documents(folder: Path, name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.glob(f"*/{name}")):
        yield path, json.loads(path.read_text(encoding="utf-8"))


def contaminated_parts(
    store: Workspace, record: WithdrawalRecord, *, parts: Sequence[Part] | None = None
) -> list[Part]:
    """Return every part of a store that holds what was withdrawn.

    What was made from a contaminated part is contaminated too, whatever its
    own manifest says. Latents are listed file by file.
    """
    parts = parts_of(store) if parts is None else parts
    roots = material_index(store).holders(record.keys)
    gone = set(record.recordings)
    found = {
        _id(p): p for p in parts if p.manifest_root in roots or p.recordings & gone
    }
    while more := [
        p
        for p in parts
        if _id(p) not in found and any(name in found for name in p.made_from)
    ]:
        found |= {_id(p): p for p in more}
    return [*found.values(), *_latents(store, record)]


def _id(part: Part) -> str:
    is_release = part.kind not in ("model", "index", "latents")
    return f"{'release' if is_release else part.kind}:{part.name}"


def _latents(store: Workspace, record: WithdrawalRecord) -> list[Part]:
    return [
        Part(kind="latents", name=path.relative_to(store.root).as_posix())
        for digest in record.digests
        for path in sorted(store.cache_dir.glob(f"latents/*/{digest}.safetensors"))
    ]


def withdrawn_from(
    store: Workspace, manifest_root: str, records: Sequence[WithdrawalRecord]
) -> list[WithdrawalRecord]:
    """Return those of the withdrawals that a manifest holds something of.

    Raises:
        ManifestError: If there is no such manifest.
    """
    if not records:
        return []
    index = material_index(store)
    if manifest_root not in index.manifests:
        raise ManifestError(
            f"The manifest {manifest_root[:16]} is not in {store.root}. Restore it."
        )
    return [r for r in records if manifest_root in index.holders(r.keys)]
