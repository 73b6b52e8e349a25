"""Model releases: weights, corpus, code, settings and what was read, bound and signed.

A release is a folder `releases/ID` of the store that its model is in. It holds
the statement and what the statement speaks of, but no weights: those stay with
the model, and the statement names them by digest.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from contrafact.audit.croissant import describe
from contrafact.audit.entries import canonical, format_time
from contrafact.audit.manifest import Manifest
from contrafact.audit.readlog import check_read_log
from contrafact.audit.statements import (
    RELEASE_TYPE,
    in_toto_statement,
    model_signature,
    open_envelope,
    release_predicate,
    seal,
    subjects_of,
)
from contrafact.catalog import Workspace, write_bytes, write_json
from contrafact.catalog.atomic import storage_errors
from contrafact.core.errors import ConfigError, ReleaseError
from contrafact.core.units import digest_of
from contrafact.workflows.audit import append_entry, trusted_keys, workspace_signer
from contrafact.workflows.contamination import contaminated_parts, parts_of
from contrafact.workflows.manifest import find_manifest
from contrafact.workflows.models import MANIFEST, ModelRecord, find_model
from contrafact.workflows.provenance import READ_LOG
from contrafact.workflows.stores import all_stores, home_of
from contrafact.workflows.withdrawals import load_records

__all__ = [
    "ReleaseKind",
    "ReleaseRecord",
    "check_release",
    "create_release",
    "find_release",
    "list_releases",
    "manifest_of",
    "release_of_model",
]

ReleaseKind = Literal["release", "fine-tune", "distilled", "bridge"]
_FACTS, _STATEMENT = "release.json", "statement.json"
_SIGNATURE, _LOG_COPY, _CROISSANT = "model.sig", READ_LOG, "croissant.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """A release of a model.

    Attributes:
        id: `V-` and 12 hexadecimal digits, from what it binds.
        model: Name of the model; `model_digest` is that of its weights.
        status: Whether anything it was made from is withdrawn by now.
        withdrawn: Ids of the withdrawals that contaminate it, from the moment
            they are declared.
        pending: Ids of those among them whose effective day is yet to come.
        corpus: The header of the manifest: roots and counts.
        read_log: What the loader's log says: head, steps, files read.
        parent: The release whose weights it was made from; None if from none.
        replaces: The release that it was trained to succeed.
        entry: Number of the log entry that names it.
    """

    id: str
    kind: ReleaseKind
    model: str
    model_digest: str
    status: Literal["clean", "contaminated"]
    withdrawn: tuple[str, ...]
    pending: tuple[str, ...]
    stamp: str
    corpus: Mapping[str, Any]
    read_log: Mapping[str, Any]
    code: Mapping[str, str]
    configuration: Mapping[str, Any]
    seed: int
    parent: str | None
    replaces: str | None
    created: str
    entry: int | None
    directory: Path


def create_release(
    workspace: Workspace,
    model: str,
    *,
    kind: ReleaseKind = "release",
    parent: str | None = None,
    replaces: str | None = None,
) -> ReleaseRecord:
    """Bind a model to what it was made from, sign that, and enter it in the log.

    A release of the same model, kind and parent that is there is returned.

    Args:
        workspace: Where the model is.
        model: Its name.
        kind: What it is; everything but `release` has a parent.
        parent: Id of the release whose weights it was made from.
        replaces: Id of the release it was trained to succeed.

    Raises:
        ConfigError: If the kind is unknown, or lacks its parent.
        LogDamagedError: If the read log is damaged.
        ReleaseError: If the model has no manifest, its read log is not what it
            says, or something was read that the manifest does not list.
        SigningKeyError: If there is no key to sign with.
        UnknownModelError: If there is no such model.
    """
    if kind not in get_args(ReleaseKind) or (kind != "release" and parent is None):
        raise ConfigError(
            f"A release of kind {kind!r} cannot be made without the release it comes "
            f"from. Kinds are {', '.join(get_args(ReleaseKind))}; name the --parent."
        )
    store = home_of(workspace, model)
    record, signer = find_model(store, model), workspace_signer()
    parent = None if parent is None else find_release(workspace, parent).id
    manifest = manifest_of(store, record)
    facts = _facts(record, manifest, kind=kind, parent=parent, replaces=replaces)
    folder = store.root / "releases" / facts["id"]
    if not (folder / _FACTS).is_file():
        with store.lock():
            _write(folder, record, manifest, facts)
            facts["created"] = format_time(datetime.now(UTC))
            _sign(folder, record, facts, signer)
            entry = append_entry(workspace, "release", _body(facts))
            # Last: a folder with its facts is a whole release.
            write_json(folder / _FACTS, {**facts, "entry": entry.index})
    return find_release(workspace, facts["id"])


def manifest_of(store: Workspace, record: ModelRecord) -> Manifest:
    """Return the manifest of a model's corpus.

    Raises:
        ReleaseError: If the model has none.
    """
    if not record.manifest_root:
        raise ReleaseError(
            f"Model {record.id} was trained without a manifest, so nothing says what "
            "it holds. Train it again with this version."
        )
    return find_manifest(store, record.manifest_root)


def _facts(
    record: ModelRecord,
    manifest: Manifest,
    *,
    kind: ReleaseKind,
    parent: str | None,
    replaces: str | None,
) -> dict[str, Any]:
    plain = json.loads((record.directory / MANIFEST).read_text(encoding="utf-8"))
    read = _checked_reads(record, manifest, plain.get("read_log", {}))
    facts = {
        "kind": kind,
        "model": record.id,
        "model_digest": record.digest,
        "stamp": record.stamp,
        "corpus": asdict(manifest.header),
        "read_log": read,
        "code": plain["versions"],
        "configuration": _texts(
            {k: plain[k] for k in ("kind", "recipe", "network", "training")}
        ),
        "seed": record.seed,
        "parent": parent,
        "replaces": replaces,
    }
    return {"id": f"V-{digest_of(canonical(facts))[:12]}", **facts}


def _checked_reads(
    record: ModelRecord, manifest: Manifest, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the read log says, if it is the one that was written."""
    listed = {entry.digest for entry in manifest.entries()}
    path = record.directory / READ_LOG
    check = check_read_log(path, manifest.header.root, listed=listed)
    if check.head != said.get("head") or not check.n_steps:
        raise ReleaseError(
            f"{path} is not the log that was written when {record.id} was trained. "
            "Restore it, or train again."
        )
    if not check.is_true:
        raise ReleaseError(
            f"Training {record.id} read {check.unlisted[0]}, which its manifest does "
            "not list. It cannot be released as made from that manifest."
        )
    return {**asdict(check), "unlisted": []}


def _texts(value: Any) -> Any:
    """Return settings with fractions as texts, as signed documents have them."""
    if isinstance(value, Mapping):
        return {str(key): _texts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(item) for item in value]
    return repr(value) if isinstance(value, float) else value


def _write(
    folder: Path, record: ModelRecord, manifest: Manifest, facts: Mapping[str, Any]
) -> None:
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(record.directory / READ_LOG, folder / _LOG_COPY)
    name = f"corpus-of-{facts['id']}"
    described = describe(manifest, name=name, published=date.today())
    write_json(folder / _CROISSANT, described)


def _sign(
    folder: Path, record: ModelRecord, facts: Mapping[str, Any], signer: Any
) -> None:
    """Write the release's statement, and a model signature if the key can make one."""
    model = record.directory
    files = sorted(p for p in model.rglob("*") if p.is_file() and _is_bound(p, model))
    predicate = release_predicate(
        release=facts["id"],
        corpus=facts["corpus"],
        code=facts["code"],
        configuration=facts["configuration"],
        seed=facts["seed"],
        read_log=facts["read_log"],
        parent=facts["parent"],
        when=datetime.now(UTC),
    )
    more = ("kind", "model", "model_digest", "stamp", "replaces")
    predicate |= {name: facts[name] for name in more}
    subjects = subjects_of(files, root=model)
    statement = in_toto_statement(subjects, RELEASE_TYPE, predicate=predicate)
    write_bytes(folder / _STATEMENT, canonical(seal(statement, signer)) + b"\n")
    if signer.public_key.algorithm == "es256":
        signed = model_signature(model, signer, ignore=_unbound(model))
        write_bytes(folder / _SIGNATURE, canonical(signed) + b"\n")


def _is_bound(path: Path, model: Path) -> bool:
    return not path.relative_to(model).parts[0].startswith(".") and path.name not in (
        "calibration.json",
    )


def _unbound(model: Path) -> list[str]:
    return [
        p.relative_to(model).as_posix()
        for p in model.rglob("*")
        if p.is_file() and not _is_bound(p, model)
    ]


def _body(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "release": facts["id"],
        "kind": facts["kind"],
        "model": facts["model"],
        "weights": facts["model_digest"],
        "corpus": facts["corpus"]["root"],
        "read_log": facts["read_log"]["head"],
        "parent": facts["parent"],
        "replaces": facts["replaces"],
        "stamp": facts["stamp"],
    }


def list_releases(workspace: Workspace) -> list[ReleaseRecord]:
    """Return the releases of all stores, the oldest first, with their status."""
    found = []
    for store in all_stores(workspace):
        paths = sorted((store.root / "releases").glob(f"*/{_FACTS}"))
        if paths:
            held = _contamination(store)
            found += [_read(path, held) for path in paths]
    return sorted(found, key=lambda r: (r.created, r.id))


def _contamination(store: Workspace) -> dict[str, list[tuple[str, bool]]]:
    """Return the withdrawals of each release, and whether each has begun."""
    records, held = load_records(store), dict[str, list[tuple[str, bool]]]()
    if not records:
        return held
    parts, today = parts_of(store), date.today()
    for record in records:
        for part in contaminated_parts(store, record, parts=parts):
            begun = (record.id, record.is_in_force(today))
            held.setdefault(part.name, []).append(begun)
    return held


def _read(path: Path, held: Mapping[str, list[tuple[str, bool]]]) -> ReleaseRecord:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        about = held.get(plain["id"], [])
        withdrawn = tuple(sorted(id_ for id_, _ in about))
        return ReleaseRecord(
            **{k: v for k, v in plain.items() if k != "status"},
            status="contaminated" if withdrawn else "clean",
            withdrawn=withdrawn,
            pending=tuple(sorted(id_ for id_, is_begun in about if not is_begun)),
            directory=path.parent,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(
            f"{path} is damaged ({error}). Restore it, or make the release again."
        ) from error


def find_release(workspace: Workspace, name: str) -> ReleaseRecord:
    """Return the release of this id, how it begins, or the last one of a model.

    Raises:
        ReleaseError: If there is none, or more than one begins so.
    """
    releases = list_releases(workspace)
    named = [r for r in releases if name and r.id.startswith(name)]
    named = named or [r for r in releases if r.model == name][-1:]
    if len(named) != 1:
        count = "no release" if not named else f"{len(named)} releases"
        raise ReleaseError(
            f"There is {count} {name!r} in {workspace.root}. List them with "
            "`contrafact release list`, or make one with `contrafact release create`."
        )
    return named[0]


def release_of_model(
    workspace: Workspace, digest: str, *, model: str | None = None
) -> ReleaseRecord | None:
    """Return the last release of the model with these weights, or None.

    Args:
        workspace: Where the model is.
        digest: Of its weights.
        model: Its name, if known: a licensed and a marked model can have the
            same weights, and the name says which it is.
    """
    found = [
        r
        for r in list_releases(workspace)
        if r.model_digest == digest and model in (None, r.model)
    ]
    return found[-1] if found else None


def check_release(workspace: Workspace, release: ReleaseRecord) -> list[str]:
    """Return what is wrong with a release: signature, weights, read log; or nothing.

    Raises:
        SigningKeyError: If no trusted key signed its statement.
    """
    envelope = json.loads((release.directory / _STATEMENT).read_text(encoding="utf-8"))
    statement = open_envelope(envelope, trusted_keys())
    store = home_of(workspace, release.model)
    model = store.models_dir / release.model
    signed = {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}
    there = sorted(p for p in model.rglob("*") if p.is_file() and _is_bound(p, model))
    found = {s["name"]: s["digest"]["sha256"] for s in subjects_of(there, root=model)}
    names = sorted(signed.keys() | found.keys())
    problems = [
        f"{name} is not as it was signed"
        for name in names
        if signed.get(name) != found.get(name)
    ]
    predicate = statement["predicate"]
    said = (release.id, release.corpus["root"], release.read_log["head"])
    bound = (
        predicate["release"],
        predicate["corpus"]["root"],
        predicate["read_log"]["head"],
    )
    if said != bound:
        problems.append("its description is not the one that was signed")
    return problems
