"""Admission: what a model may be made from, and the store that it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from contrafact.catalog import Workspace
from contrafact.core.entities import Recording
from contrafact.core.errors import ConsentMissingError, TrainingError
from contrafact.workflows import manifest
from contrafact.workflows.gate import GateReport, Question, Refusal, check_catalog
from contrafact.workflows.models import list_models, recordings_of
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.stores import (
    STAMP,
    add_to_store,
    bring_back,
    is_unlicensed,
    set_apart,
    unlicensed_store,
)
from contrafact.workflows.withdrawals import keep_record, load_records

__all__ = ["Admitted", "admit", "require_admitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What a model is made from.

    Attributes:
        store: Where it and all that comes of it belongs.
        recordings: In order of id.
        manifest_root: Root of their manifest, hexadecimal.
        stamp: What the model is marked with; "" if all of it is licensed.
    """

    store: Workspace
    recordings: tuple[Recording, ...]
    manifest_root: str
    stamp: str

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the file of each recording, by its id."""
        return {r.id: r.digest for r in self.recordings}


def admit(
    workspace: Workspace,
    *,
    unlicensed_research: bool = False,
    licensed_only: bool = False,
    only: Collection[str] | None = None,
    progress: Progress = silent,
) -> Admitted:
    """Say what of the catalog a generative model may be trained on today.

    Args:
        workspace: Where the catalog and the registry are.
        unlicensed_research: Take all of it whatever the consents say; what is
            made of it is marked for good and kept in the unlicensed store.
        licensed_only: Leave out what is refused instead of refusing all.
        only: Recordings to choose from; the whole catalog if None.
        progress: Told about every part.

    Raises:
        ConsentMissingError: If some of it, or all of it, may not be used.
        TrainingError: If the catalog is empty.
    """
    if unlicensed_research or is_unlicensed(workspace):
        return _unlicensed(workspace, only, progress)
    report = check_catalog(workspace, Question(on=date.today()), progress=progress)
    chosen = _chosen(workspace, only)
    ids = {r.id for r in chosen}
    refused = [r for r in report.refused if r.recording in ids]
    if refused and not licensed_only:
        raise _refusal(refused, len(chosen))
    gone = {r.recording for r in refused}
    kept = [r for r in chosen if r.id not in gone]
    if not kept:
        raise _refusal(refused, len(chosen))
    _separate(workspace, chosen, gone)
    return _admitted(workspace, kept, report, stamp="")


def require_admitted(
    workspace: Workspace, recordings: Sequence[Recording], *, progress: Progress
) -> None:
    """Raise unless recordings of a catalog may be used for training today.

    Raises:
        ConsentMissingError: If some may not.
    """
    report = check_catalog(workspace, Question(on=date.today()), progress=progress)
    ids = {r.id for r in recordings}
    refused = [r for r in report.refused if r.recording in ids]
    if refused:
        raise _refusal(refused, len(ids))


def _chosen(workspace: Workspace, only: Collection[str] | None) -> list[Recording]:
    with workspace.catalog() as catalog:
        found = catalog.recordings()
    chosen = found if only is None else [r for r in found if r.id in set(only)]
    if not chosen:
        raise TrainingError(
            "The catalog is empty; take recordings in with `contrafact ingest PATH`."
        )
    return chosen


def _unlicensed(
    workspace: Workspace, only: Collection[str] | None, progress: Progress
) -> Admitted:
    chosen, store = _chosen(workspace, only), unlicensed_store(workspace)
    report = check_catalog(workspace, Question(on=date.today()), progress=progress)
    if store is not workspace:
        for record in load_records(workspace):
            keep_record([store], record)
        add_to_store(workspace, store, chosen)
        _separate(workspace, chosen, {r.recording for r in report.refused})
    return _admitted(store, chosen, report, stamp=STAMP)


def _separate(
    workspace: Workspace,
    recordings: Sequence[Recording],
    refused: Collection[str | None],
) -> None:
    """Let the licensed store hold no other files than it may.

    What a licensed model was trained on stays with it: it was allowed then,
    and the model cannot be explained without.
    """
    bring_back(workspace, [r for r in recordings if r.id not in refused])
    needed = {i for model in list_models(workspace) for i in recordings_of(model)}
    set_apart(
        workspace,
        [r for r in recordings if r.id in refused and str(r.id) not in needed],
    )


def _admitted(
    store: Workspace, recordings: Sequence[Recording], report: GateReport, *, stamp: str
) -> Admitted:
    info = manifest.build(
        store,
        consents=lambda _: report.consents,
        recordings=recordings,
        is_all=bool(stamp),
        is_signed=False,
    )
    return Admitted(
        store=store,
        recordings=tuple(recordings),
        manifest_root=info.header.root,
        stamp=stamp,
    )


def _refusal(refused: Sequence[Refusal], n_all: int) -> ConsentMissingError:
    first = refused[0]
    return ConsentMissingError(
        f"{len(refused)} of {n_all} recording(s) may not be used to train a generative "
        f"model: {first.recording} ({first.reason}){', ...' if refused[1:] else ''}. "
        "Fill in the table of `contrafact consent template` and give it to `contrafact "
        "consent import`; or leave them out with --licensed-only; or take them for "
        f"research alone with --unlicensed-research, which marks all that comes of "
        "it for good."
    )
