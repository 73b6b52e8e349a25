"""Documents for regulators: the facts gathered, the document made and written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

from contrafact import __version__
from contrafact.audit.manifest import Manifest
from contrafact.catalog import Workspace, canonical_json, digest_file, write_bytes
from contrafact.core.errors import ConfigError
from contrafact.reports.regulator import (
    PROVIDER_FIELDS,
    Document,
    Facts,
    ab2013,
    copyright_policy,
    document_to_json,
    eu_summary,
    per_work_notice,
    render_markdown,
    render_regulator_html,
    rights_reservations,
)
from contrafact.reports.regulator.facts import (
    LogFacts,
    ManifestFacts,
    ModelFacts,
    OutputFacts,
    ReleaseFacts,
    WithdrawalFacts,
)
from contrafact.rights import Use
from contrafact.workflows.audit import has_log, list_entries, read_log
from contrafact.workflows.consent import (
    catalog_decisions,
    list_conflicts,
    open_registry,
    read_catalog,
)
from contrafact.workflows.manifest import list_manifests
from contrafact.workflows.outputs import OutputRegister
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.stores import all_stores
from contrafact.workflows.withdrawals import load_records

__all__ = [
    "FORMATS",
    "KINDS",
    "Format",
    "gather_facts",
    "make_document",
    "read_provider",
    "render",
    "write_document",
]

Format = Literal["md", "html", "json"]
FORMATS: tuple[str, ...] = get_args(Format)
_SUFFIXES = {".md": "md", ".html": "html", ".htm": "html", ".json": "json"}
_MAKERS = {
    "eu-summary": eu_summary,
    "ab2013": ab2013,
    "copyright-policy": copyright_policy,
    "rights-reservations": rights_reservations,
}
KINDS = (*_MAKERS, "per-work-notice")


def make_document(
    workspace: Workspace,
    kind: str,
    *,
    on: date,
    provider: Path | None = None,
    subject: str | None = None,
    progress: Progress = silent,
) -> Document:
    """Return a document for a regulator, from what the workspace records.

    Args:
        workspace: What it is about.
        kind: One of `KINDS`.
        on: The day for which consents are decided.
        provider: What only the provider can say, as JSON; see `PROVIDER_FIELDS`.
        subject: For `per-work-notice`: a work or recording; all works if None.
        progress: Told how far it is.

    Raises:
        ConfigError: If there is no such kind, or the provider's file is wrong.
        LogDamagedError: If the log is damaged.
        RegistryError: If the registry of consents is damaged.
    """
    if kind not in KINDS:
        raise ConfigError(f"There is no report {kind!r}. Give one of {KINDS}.")
    facts = gather_facts(workspace, on=on, provider=provider, progress=progress)
    if kind == "per-work-notice":
        return per_work_notice(facts, subject=subject)
    return _MAKERS[kind](facts)


def gather_facts(
    workspace: Workspace,
    *,
    on: date,
    provider: Path | None = None,
    progress: Progress = silent,
) -> Facts:
    """Return what the workspace knows that a regulator may ask for.

    Raises:
        ConfigError: If the provider's file is wrong.
        LogDamagedError: If the log is damaged.
        RegistryError: If the registry of consents is damaged.
    """
    said = {} if provider is None else read_provider(provider)
    recordings, works = read_catalog(workspace)
    decisions = catalog_decisions(
        workspace, use=Use.TRAIN_GENERATIVE, on=on, progress=progress
    )
    with open_registry(workspace) as registry:
        reservations = tuple(registry.reservations())
    names = {r.id: r.title for r in recordings} | {w.id: w.title for w in works}
    return Facts(
        on=on,
        version=__version__,
        provider=said,
        provider_digest=None if provider is None else digest_file(provider),
        recordings=tuple(recordings),
        titles={str(id_): title for id_, title in names.items()},
        names={str(r.digest): str(r.id) for r in recordings},
        decisions={str(id_): decision for id_, decision in decisions.items()},
        reservations=reservations,
        conflicts=tuple(list_conflicts(workspace, on=on, progress=progress)),
        manifests=tuple(_manifests(workspace)),
        models=tuple(_models(workspace)),
        releases=tuple(_releases(workspace)),
        withdrawals=tuple(_withdrawals(workspace)),
        outputs=_outputs(workspace),
        log=_log(workspace),
    )


def read_provider(path: Path) -> dict[str, str]:
    """Return what the provider says of itself.

    Args:
        path: A JSON object with texts under names of `PROVIDER_FIELDS`.

    Raises:
        ConfigError: If it is anything else.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read {path} as JSON: {error}") from error
    is_texts = isinstance(plain, dict) and all(
        isinstance(v, str) for v in plain.values()
    )
    if not is_texts:
        raise ConfigError(f"{path} must be one JSON object with texts in it.")
    if unknown := sorted(plain.keys() - PROVIDER_FIELDS.keys()):
        raise ConfigError(
            f"{path} has '{unknown[0]}', which is not known. Known are "
            f"{', '.join(PROVIDER_FIELDS)}."
        )
    return dict(plain)


def _manifests(workspace: Workspace) -> Iterator[ManifestFacts]:
    for store in all_stores(workspace):
        for info in list_manifests(store):
            statement = info.folder / "statement.json"
            entries = Manifest.open(info.folder).entries()
            yield ManifestFacts(
                root=info.header.root,
                n_entries=info.header.n_entries,
                n_files=info.header.n_files,
                n_without_consent=info.header.n_without_consent,
                statement=digest_file(statement) if info.is_signed else None,
                recordings=frozenset(entry.recording for entry in entries),
            )


def _models(workspace: Workspace) -> Iterator[ModelFacts]:
    # Imported here, with the releases: they need torch.
    from contrafact.workflows.models import all_models

    for m in all_models(workspace):
        yield ModelFacts(
            id=m.id,
            digest=m.digest,
            kind=m.kind,
            seed=m.seed,
            n_recordings=m.n_recordings,
            manifest_root=m.manifest_root,
            stamp=m.stamp,
        )


def _releases(workspace: Workspace) -> Iterator[ReleaseFacts]:
    from contrafact.workflows.releases import list_releases

    for r in list_releases(workspace):
        yield ReleaseFacts(
            id=r.id,
            model=r.model,
            model_digest=r.model_digest,
            status=r.status,
            withdrawn=r.withdrawn,
            corpus_root=r.corpus["root"],
            created=r.created,
            parent=r.parent,
            stamp=r.stamp,
            entry=r.entry,
        )


def _withdrawals(workspace: Workspace) -> Iterator[WithdrawalFacts]:
    for w in load_records(workspace):
        yield WithdrawalFacts(
            id=w.id,
            work=w.work,
            title=w.title,
            n_recordings=len(w.recordings),
            effective=w.effective,
            declared=w.declared,
            policy=w.policy.value,
            entry=w.entry,
        )


def _outputs(workspace: Workspace) -> OutputFacts:
    records = [
        record
        for store in all_stores(workspace)
        for record in OutputRegister.of(store).records()
    ]
    files = [file for record in records for file in record.files]
    reasons = {f.unmarked_because for f in files if f.unmarked_because is not None}
    return OutputFacts(
        n_outputs=len(records),
        n_files=len(files),
        n_marked=sum(file.is_marked for file in files),
        reasons=tuple(sorted(reasons)),
    )


def _log(workspace: Workspace) -> LogFacts | None:
    if not has_log(workspace):
        return None
    head, entries = read_log(workspace).checkpoint(), dict[str, int]()
    for number, logged in enumerate(list_entries(workspace)):
        for text in _texts(logged.entry["body"]):
            entries.setdefault(text, number)
    return LogFacts(
        origin=head.origin, size=head.size, root=head.root.hex(), entries=entries
    )


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in the body of an entry: ids, roots and digests among them."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def render(document: Document, format_: str) -> str:
    """Return a document as text of a format.

    Raises:
        ConfigError: If there is no such format.
    """
    if format_ == "md":
        return render_markdown(document)
    if format_ == "html":
        return render_regulator_html(document)
    if format_ == "json":
        return canonical_json(document_to_json(document))
    raise ConfigError(f"There is no format {format_!r}. Give one of {FORMATS}.")


def write_document(document: Document, out: Path, format_: str | None = None) -> str:
    """Write a document, and return the format it was written in.

    Args:
        document: What to write.
        out: Where to.
        format_: One of `FORMATS`; as the suffix says if None.

    Raises:
        ConfigError: If neither names a format.
        StorageError: If it cannot be written.
    """
    chosen = format_ or _SUFFIXES.get(out.suffix.lower())
    if chosen is None:
        raise ConfigError(
            f"'{out.suffix}' is no format of a report. Name the file .md, .html or "
            ".json, or give --format."
        )
    write_bytes(out, render(document, chosen).encode())
    return chosen
