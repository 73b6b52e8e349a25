"""The successor of a release: trained anew, for real, without what was withdrawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from contrafact.audit.manifest import Manifest
from contrafact.audit.proofs import check_proof, disprove
from contrafact.catalog import Workspace, write_bytes, write_json
from contrafact.catalog.files import digest_file
from contrafact.core.entities import Recording
from contrafact.core.errors import ConfigError, ReleaseError
from contrafact.generators.studio.generator import StudioGenerator
from contrafact.reports.before_after import (
    render_before_after_html,
    render_before_after_markdown,
)
from contrafact.workflows.admission import Admitted, admit
from contrafact.workflows.audit import append_entry, workspace_signer
from contrafact.workflows.manifest import find_manifest
from contrafact.workflows.models import (
    ModelRecord,
    find_model,
    open_model,
    recordings_of,
    trained_on,
)
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.provenance import Provenance
from contrafact.workflows.recipes import find_recipe
from contrafact.workflows.releases import ReleaseRecord, create_release, find_release
from contrafact.workflows.retrain_bridge import LABEL, BridgeSettings, make_bridge
from contrafact.workflows.retrain_measure import (
    Groups,
    Losses,
    compare,
    group_latents,
    losses_of,
    never_trained_of,
    read_never_trained,
)
from contrafact.workflows.stores import home_of
from contrafact.workflows.train import require_free_name, studio_latents, train_into
from contrafact.workflows.withdrawals import load_records

__all__ = ["STATEMENT", "Succession", "retrain_release"]

STATEMENT = (
    "The release was trained from a manifest that does not list what was withdrawn, "
    "and its loader's log says it read nothing else; who doubts the log trains again "
    "from the same seed and compares the weights. The losses below are supporting "
    "evidence, never proof: a recording that is like others has a low loss without "
    "ever having been trained on, and an attack that finds nothing may be weak."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """A successor, and the evidence that comes with it.

    Attributes:
        document: The before/after report, as JSON.
        files: Where it and the proofs are.
    """

    release: ReleaseRecord
    replaces: ReleaseRecord
    model: ModelRecord
    document: dict[str, Any]
    files: tuple[Path, ...]


def retrain_release(
    workspace: Workspace,
    release: str,
    *,
    name: str | None = None,
    bridge: bool = False,
    never_trained: Path | None = None,
    progress: Progress = silent,
) -> Succession:
    """Train the successor of a release from what is still authorised.

    The same recipe and seed, from new weights, with a vocabulary of its own;
    killed, it goes on where it was when called again.

    Args:
        workspace: Where the release is.
        release: Its id, or how it begins, or its model.
        name: What to call the model; the old name and a number if None.
        bridge: Make a model by approximate unlearning too, and measure what
            it leaves against the retrained one.
        never_trained: Folder of recordings that no model was trained on, to
            compare with; those of the catalog that are in neither if None.
        progress: Told about every part.

    Raises:
        ConsentMissingError: If nothing of it may be used any more.
        ReleaseError: If the release holds nothing that was withdrawn.
        SigningKeyError: If there is no key to sign with.
        TrainingError: If a model of that name was trained on something else.
    """
    torch.set_num_threads(1)
    workspace_signer()  # before hours of training
    old = find_release(workspace, release)
    store = home_of(workspace, old.model)
    record = find_model(store, old.model)
    if not record.recipe:
        raise ConfigError(
            f"Model {record.id} was not trained here; it cannot be trained again."
        )
    admitted = _still_authorised(store, record, progress)
    model = _train(workspace, admitted, record, old, name=name, progress=progress)
    new = create_release(workspace, model.id, replaces=old.id)
    left_out = _left_out(store, record, admitted)
    files, proofs = _prove(new, store, left_out)
    document: dict[str, Any] = {
        "release": new.id,
        "replaces": old.id,
        "model": model.id,
        "corpus_root": new.corpus["root"],
        "n_kept": len(admitted.recordings),
        "left_out": proofs,
        "statement": STATEMENT,
    }
    document |= _measured(
        workspace, store, record, model, left_out, admitted,
        never=never_trained, bridge=old if bridge else None, progress=progress,
    )  # fmt: skip
    files += _write(workspace, new, document)
    return Succession(
        release=new, replaces=old, model=model, document=document, files=tuple(files)
    )


def _still_authorised(
    store: Workspace, record: ModelRecord, progress: Progress
) -> Admitted:
    """Return what a model was trained on, without what was withdrawn or lapsed.

    What is withdrawn from a day to come on is left out already: the successor
    shall be there when the day is.
    """
    gone = {id_ for w in load_records(store) for id_ in w.recordings}
    held = recordings_of(record)
    kept = [id_ for id_ in held if id_ not in gone]
    if not kept:
        raise ReleaseError(
            f"All of what model {record.id} was trained on is withdrawn; there is "
            "nothing to train a successor on."
        )
    admitted = admit(store, licensed_only=True, only=kept, progress=progress)
    if len(admitted.recordings) == len(held):
        raise ReleaseError(
            f"All {len(held)} recordings that model {record.id} was trained on are "
            "still authorised, so it needs no successor. Withdraw a work with "
            "`contrafact withdraw` first."
        )
    return admitted


def _train(
    workspace: Workspace,
    admitted: Admitted,
    record: ModelRecord,
    old: ReleaseRecord,
    *,
    name: str | None,
    progress: Progress,
) -> ModelRecord:
    recipe, store = find_recipe(record.recipe), admitted.store
    label = name or _next_name(record.id)
    require_free_name(workspace, store, label)
    data = studio_latents(store, recipe, progress, recordings=admitted.recordings)
    train_into(
        store.models_dir / label, data, recipe, seed=record.seed,
        provenance=Provenance.of(admitted, replaces=old.id), progress=progress,
    )  # fmt: skip
    return find_model(store, label)


def _next_name(name: str) -> str:
    """Return the name of a successor.

    Example:
        >>> _next_name("mine"), _next_name("mine-r2")
        ('mine-r2', 'mine-r3')
    """
    found = re.fullmatch(r"(.+)-r(\d+)", name)
    return f"{found[1]}-r{int(found[2]) + 1}" if found else f"{name}-r2"


def _left_out(
    store: Workspace, record: ModelRecord, admitted: Admitted
) -> list[Recording]:
    kept = {r.id for r in admitted.recordings}
    return [r for r in trained_on(store, record) if r.id not in kept]


def _prove(
    release: ReleaseRecord, store: Workspace, left_out: Sequence[Recording]
) -> tuple[list[Path], list[dict[str, Any]]]:
    """Write the proof that each file, and each work, is not in the new corpus."""
    manifest = find_manifest(store, release.corpus["root"])
    folder, files, rows = release.directory / "proofs", list[Path](), []
    works = {r.work_id for r in left_out if r.work_id} - _works_in(manifest)
    for recording in left_out:
        proof = disprove(manifest, digest=recording.digest)
        path = _checked(folder / f"not-in-{recording.id}.json", proof, manifest)
        files.append(path)
        rows.append(
            {
                "recording": recording.id,
                "title": recording.title,
                "work": recording.work_id,
                "digest": recording.digest,
                "proof": path.relative_to(release.directory).as_posix(),
            }
        )
    for work in sorted(works):
        proof = disprove(manifest, work=work)
        files.append(_checked(folder / f"not-in-{work}.json", proof, manifest))
    return files, rows


def _works_in(manifest: Manifest) -> set[str]:
    return {entry.work for entry in manifest.entries() if entry.work}


def _checked(path: Path, proof: dict[str, Any], manifest: Manifest) -> Path:
    """Write a proof that was checked as whoever gets it will check it."""
    h = manifest.header
    is_files = proof["tree"] == "files"
    root, size = (h.files_root, h.n_files) if is_files else (h.root, h.n_entries)
    check_proof(proof, root=root, size=size)
    write_json(path, proof)
    return path


def _measured(  # noqa: PLR0913 - all that is compared
    workspace: Workspace,
    store: Workspace,
    before: ModelRecord,
    after: ModelRecord,
    left_out: Sequence[Recording],
    admitted: Admitted,
    *,
    never: Path | None,
    bridge: ReleaseRecord | None,
    progress: Progress,
) -> dict[str, Any]:
    """Return the comparison of the models, and the bridge if one was asked for."""
    generator = open_model(before)
    listed = set(admitted.digests.values()) | {r.digest for r in left_out}
    held = set(recordings_of(before))
    unseen = (
        never_trained_of(store, generator, trained=held, progress=progress)
        if never is None
        else read_never_trained(never, generator, listed=listed)
    )
    groups = group_latents(
        store, generator, withdrawn=left_out, kept=admitted.recordings,
        never=unseen, progress=progress,
    )  # fmt: skip
    losses: dict[str, Losses] = {}
    document: dict[str, Any] = {}
    for label, model in (("before", before), ("after", after)):
        losses[label] = losses_of(open_model(model), groups, seed=before.seed)
        progress("measuring", len(losses), 2)
    if bridge is not None:
        model = _bridge(store, before, after, groups, progress)
        released = create_release(workspace, model.id, kind="bridge", parent=bridge.id)
        losses["bridge"] = losses_of(open_model(model), groups, seed=before.seed)
        made = {"model": model.id, "release": released.id, "label": LABEL}
        document["bridge"] = {**made, "status": released.status}
    return {"comparison": compare(losses), **document}


def _bridge(
    store: Workspace,
    before: ModelRecord,
    after: ModelRecord,
    groups: Groups,
    progress: Progress,
) -> ModelRecord:
    generator = open_model(before)
    if not isinstance(generator, StudioGenerator):
        raise ConfigError(f"A bridge can be made for studio models, not {before.kind}.")
    target = store.models_dir / f"{after.id}-bridge"
    make_bridge(
        target, before, generator, withdrawn=groups.withdrawn, kept=groups.kept,
        settings=BridgeSettings(seed=before.seed), progress=progress,
    )  # fmt: skip
    return find_model(store, target.name)


def _write(
    workspace: Workspace, release: ReleaseRecord, document: dict[str, Any]
) -> list[Path]:
    """Write the report three ways, and enter its digest in the log."""
    base = release.directory / "before-after"
    paths = [base.with_suffix(s) for s in (".json", ".md", ".html")]
    write_json(paths[0], document)
    write_bytes(paths[1], render_before_after_markdown(document).encode())
    write_bytes(paths[2], render_before_after_html(document).encode())
    body = {
        "statement": "before-after",
        "release": release.id,
        "replaces": document["replaces"],
        "digest": digest_file(paths[0]),
    }
    append_entry(workspace, "statement", body)
    return paths
