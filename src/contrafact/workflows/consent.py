"""Consents: taking them in, deciding by them, and where they contradict."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from contrafact.catalog import Workspace
from contrafact.core.entities import Problem, Recording, Work
from contrafact.core.errors import ConfigError, RightsFileError
from contrafact.core.units import RecordingId
from contrafact.rights import (
    WORLDWIDE,
    Added,
    Conflict,
    Consent,
    ConsentRegistry,
    Decision,
    Intake,
    Right,
    Territory,
    Use,
)
from contrafact.rights.corpora import write_corpus_consents
from contrafact.rights.readers import (
    TEMPLATES,
    ProblemLog,
    ReaderOptions,
    read_records,
)
from contrafact.workflows.progress import Progress, silent

__all__ = [
    "ImportReport",
    "catalog_decisions",
    "import_consents",
    "list_conflicts",
    "open_registry",
    "read_catalog",
    "register_corpus",
    "revoke_consent",
    "template",
    "template_columns",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    Attributes:
        n_new: Records that came in.
        n_known: Records that were there already, or came twice.
        n_bad: Inputs that were wrong.
        is_taken: Whether anything was written: yes without bad inputs, or if
            they were to be passed over.
        problems: The first thousand of what was wrong, bad inputs and notes.
    """

    n_new: int
    n_known: int
    n_bad: int
    is_taken: bool
    problems: tuple[Problem, ...]


class _RefusedError(Exception):
    """Ends a transaction in which something was wrong."""


def open_registry(workspace: Workspace) -> ConsentRegistry:
    """Open a workspace's registry of consents.

    It is `rights.sqlite` in the workspace, unless the workspace's own
    `contrafact.json` names another database as `rights_url`.

    Raises:
        ConfigError: If that is no URL of a database that works.
        StorageError: If the database cannot be written.
        RegistryError: If it was made by a newer version, or is damaged.
    """
    marker = json.loads((workspace.root / "contrafact.json").read_text("utf-8"))
    path = (workspace.root / "rights.sqlite").absolute()
    return ConsentRegistry.open(marker.get("rights_url") or f"sqlite:///{path}")


def import_consents(
    workspace: Workspace,
    paths: Sequence[str | Path],
    *,
    skip_bad: bool = False,
    options: ReaderOptions | None = None,
    progress: Progress = silent,
) -> ImportReport:
    """Take consents, shares and disclosures from files.

    All files together go in, or nothing does. What was taken before is not
    taken twice, so an import that was interrupted is simply run again.

    Args:
        workspace: Where to; it is locked meanwhile.
        paths: Files of any kind that `read_records` knows.
        skip_bad: Take the rest where some inputs are wrong.
        options: Schema and certificates to read with.
        progress: Told how far each file is read, in hundredths.

    Returns:
        What was taken and what was wrong.

    Raises:
        WorkspaceLockedError: If another process holds the workspace.
        StorageError: If the disk is full or not writable.
    """
    problems = ProblemLog()
    added = Added(n_new=0, n_known=0)
    is_taken = True
    with workspace.lock(), open_registry(workspace) as registry:
        try:
            with registry.adding() as intake:
                for path in map(Path, paths):
                    _take(path, intake, problems, options=options, progress=progress)
                for problem in intake.remove_ambiguous():
                    problems.add(problem)
                if problems.n_bad and not skip_bad:
                    raise _RefusedError
                added = intake.finish()
        except _RefusedError:
            is_taken = False
    return ImportReport(
        n_new=added.n_new,
        n_known=added.n_known,
        n_bad=problems.n_bad,
        is_taken=is_taken,
        problems=problems.kept,
    )


def _take(
    path: Path,
    intake: Intake,
    problems: ProblemLog,
    *,
    options: ReaderOptions | None,
    progress: Progress,
) -> None:
    stage = f"reading {path.name}, in hundredths"
    tick = _hundredths(progress, stage)
    try:
        for record in read_records(path, problems, options=options, tick=tick):
            intake.take(record)
    except RightsFileError as error:
        problems.bad(str(path), str(error).removeprefix(f"{path} "))
    progress(stage, 100, 100)


def _hundredths(progress: Progress, stage: str) -> Callable[[int, int], None]:
    def tick(n_done: int, n_all: int) -> None:
        progress(stage, 100 * n_done // max(1, n_all), 100)

    return tick


def catalog_decisions(
    workspace: Workspace,
    *,
    use: Use,
    on: date,
    territory: Territory = WORLDWIDE,
    progress: Progress = silent,
) -> dict[RecordingId, Decision]:
    """Decide for every recording of the catalog, in order of id."""
    recordings, works = read_catalog(workspace)
    with open_registry(workspace) as registry:
        return registry.decisions(
            recordings,
            use=use,
            on=on,
            territory=territory,
            works=works,
            progress=lambda done, total: progress("deciding", done, total),
        )


def list_conflicts(
    workspace: Workspace, *, on: date, progress: Progress = silent
) -> list[Conflict]:
    """Return every permission in force that meets a reservation in force.

    Those about one subject, whether the catalog knows it or not, and those
    that meet in a recording of the catalog, each pair once.
    """
    recordings, works = read_catalog(workspace)
    with open_registry(workspace) as registry:
        found = registry.conflicts(on=on)
        for number, use in enumerate(Use, start=1):
            decisions = registry.decisions(recordings, use=use, on=on, works=works)
            found += [c for d in decisions.values() for c in d.conflicts]
            progress("deciding", number, len(Use))
    pairs = {(c.allowing.id, c.reserving.id): c for c in found}
    return [pairs[pair] for pair in sorted(pairs)]


def revoke_consent(
    workspace: Workspace, id_: str, *, effective: date, reason: str
) -> Consent:
    """End one consent, a permission or a reservation; see `ConsentRegistry.revoke`.

    Raises:
        ConsentError: If there is none, it was revoked, or it is irrevocable.
        WorkspaceLockedError: If another process holds the workspace.
    """
    with workspace.lock(), open_registry(workspace) as registry:
        return registry.revoke(id_, effective=effective, reason=reason)


def register_corpus(
    workspace: Workspace,
    corpus: str,
    directory: str | Path,
    *,
    progress: Progress = silent,
) -> ImportReport:
    """Write the consents of a built-in corpus beside its audio and take them in.

    Args:
        workspace: Where to.
        corpus: Its name; one that makes no statement registers nothing.
        directory: Where it was written.
        progress: Told how far it is.
    """
    tables = write_corpus_consents(corpus, directory)
    return import_consents(workspace, tables, progress=progress)


def template_columns(kind: str) -> dict[str, str]:
    """Return the columns of a template, each with what it means.

    Raises:
        ConfigError: If there is no template of this kind.
    """
    if kind not in TEMPLATES:
        raise ConfigError(
            f"There is no template '{kind}'. Known ones are {', '.join(TEMPLATES)}."
        )
    return TEMPLATES[kind]


def template(kind: str, workspace: Workspace | None = None) -> str:
    """Return a table to fill in, as CSV.

    Args:
        kind: `consents` or `shares`.
        workspace: If given, the table has a row for each right in each of its
            recordings and works.

    Raises:
        ConfigError: If there is no template of this kind.
    """
    columns = template_columns(kind)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    if workspace is not None:
        writer.writerows(_rows(workspace))
    return text.getvalue()


def _rows(workspace: Workspace) -> Iterator[dict[str, str]]:
    recordings, works = read_catalog(workspace)
    for r in recordings:
        yield {"right": Right.MASTER, "recording": r.id, "title": r.title}
    for w in works:
        yield {"right": Right.COMPOSITION, "work": w.id, "title": w.title}


def read_catalog(workspace: Workspace) -> tuple[list[Recording], list[Work]]:
    """Return the recordings and works of the catalog, each in order of id."""
    with workspace.catalog() as catalog:
        return catalog.recordings(), catalog.works()
