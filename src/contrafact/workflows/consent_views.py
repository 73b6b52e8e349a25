"""What the registry of consents knows of a work, a recording or a rights holder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from contrafact.catalog import Workspace
from contrafact.core.entities import Problem, Recording, Work
from contrafact.core.errors import IdentifierError, UnknownEntityError
from contrafact.core.units import WorkId
from contrafact.rights import (
    AiDisclosure,
    Consent,
    ConsentRegistry,
    Decision,
    Held,
    RightsHolding,
    SubjectKind,
    Use,
)
from contrafact.rights.identifiers import parse_isrc, parse_iswc
from contrafact.workflows.consent import open_registry, read_catalog

__all__ = [
    "PartyReport",
    "RegistrySummary",
    "SubjectReport",
    "show_party",
    "show_subject",
    "summarise_registry",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySummary:
    """How much the registry holds, and shares that do not sum to one."""

    n_records: dict[str, int]
    share_problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectReport:
    """All that is known about a work or recording.

    Attributes:
        decisions: For every use, if it is a recording of the catalog.
    """

    subject: str
    title: str | None
    consents: tuple[Consent, ...]
    holdings: tuple[RightsHolding, ...]
    disclosures: tuple[AiDisclosure, ...]
    decisions: dict[Use, Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyReport:
    """What a rights holder has a part in.

    Attributes:
        held: As the registry has it, whether in the catalog or not.
        recordings: Of the catalog, through one of these.
    """

    party: str
    held: tuple[Held, ...]
    recordings: tuple[Recording, ...]


def summarise_registry(workspace: Workspace) -> RegistrySummary:
    """Return how much the registry holds and which shares do not sum to one."""
    with open_registry(workspace) as registry:
        return RegistrySummary(
            n_records=registry.n_records(),
            share_problems=tuple(registry.share_problems()),
        )


def show_subject(workspace: Workspace, name: str, *, on: date) -> SubjectReport:
    """Return all that is known about a work or recording.

    Args:
        workspace: Where to look.
        name: Id of a recording (or its unique beginning) or of a work in the
            catalog; or an ISRC or ISWC, which the catalog need not know.
        on: The day to decide for.

    Raises:
        UnknownEntityError: If it is none of these.
    """
    recordings, works = read_catalog(workspace)
    kind, id_ = _named(workspace, name)
    with open_registry(workspace) as registry:
        if kind is SubjectKind.RECORDING:
            for recording in recordings:
                if id_ in (recording.id, recording.isrc, recording.digest):
                    return _of_recording(registry, recording, recordings, works, on=on)
        title = next((w.title for w in works if id_ in (w.id, w.iswc)), None)
        consents = registry.consents_about(kind, id_)
        return SubjectReport(
            subject=id_,
            title=title or next((c.title for c in consents if c.title), None),
            consents=tuple(consents),
            holdings=tuple(registry.holdings_about(kind, id_)),
            disclosures=tuple(registry.disclosures(subject_id=id_)),
            decisions={},
        )


def _of_recording(
    registry: ConsentRegistry,
    recording: Recording,
    recordings: Sequence[Recording],
    works: Sequence[Work],
    *,
    on: date,
) -> SubjectReport:
    r = recording
    subjects = [(SubjectKind.RECORDING, str(i)) for i in (r.id, r.digest, r.isrc) if i]
    if r.work_id:
        subjects.append((SubjectKind.WORK, r.work_id))
    # All recordings with its ISRC, since one that two works share is no name.
    same = [o for o in recordings if o.id == r.id or (r.isrc and o.isrc == r.isrc)]
    return SubjectReport(
        subject=r.id,
        title=r.title,
        consents=tuple(registry.consents_for(r, works=works)),
        holdings=tuple(h for s in subjects for h in registry.holdings_about(*s)),
        disclosures=tuple(
            d for _, id_ in subjects for d in registry.disclosures(subject_id=id_)
        ),
        decisions={
            use: registry.decisions(same, use=use, on=on, works=works)[r.id]
            for use in Use
        },
    )


def _named(workspace: Workspace, name: str) -> tuple[SubjectKind, str]:
    """Return what a name means: a recording or work of the catalog, or a code."""
    parsers = (
        (SubjectKind.RECORDING, parse_isrc),
        (SubjectKind.WORK, parse_iswc),
    )
    for kind, parse in parsers:
        try:
            return kind, parse(name)
        except IdentifierError:
            continue
    with workspace.catalog() as catalog:
        if name.startswith("W-"):
            return SubjectKind.WORK, catalog.work(WorkId(name)).id
        if name.startswith("R-"):
            return SubjectKind.RECORDING, catalog.recording(name).id
    raise UnknownEntityError(
        f"'{name}' is no recording (R-...), work (W-...), ISRC or ISWC. "
        "List what there is with `contrafact catalog list`."
    )


def show_party(workspace: Workspace, party: str) -> PartyReport:
    """Return the works and recordings in which a rights holder has a part.

    Args:
        workspace: Where to look.
        party: Name, catalog id, IPI name or base number, or ISNI.
    """
    recordings, works = read_catalog(workspace)
    with open_registry(workspace) as registry:
        held = registry.held_by(party)
    keys = {h.key for h in held} | {h.subject_id for h in held}
    iswcs = {work.id: work.iswc for work in works}

    def names(r: Recording) -> set[str | None]:
        iswc = iswcs.get(r.work_id) if r.work_id else None
        return {r.id, r.isrc, r.digest, r.work_id, iswc}

    mine = tuple(r for r in recordings if names(r) & keys)
    return PartyReport(party=party, held=tuple(held), recordings=mine)
