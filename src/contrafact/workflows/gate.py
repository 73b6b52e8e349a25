"""The gate: may these files be used so, by digest and by what they sound like?

Two things refuse a file. Nobody allowed its recording and its work, on this
day, for this use, in this territory; or it sounds like a recording of the
catalog that somebody reserved or withdrew, whatever the file itself says. Sound
only ever refuses: what is allowed is allowed by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

from contrafact.catalog import Entry, Workspace, examine
from contrafact.catalog.recognition import AudioMatcher
from contrafact.core.entities import Problem, Recording, Work
from contrafact.core.errors import AudioError, CatalogError
from contrafact.rights import (
    WORLDWIDE,
    Consent,
    Decision,
    SubjectKind,
    Territory,
    Use,
)
from contrafact.workflows.consent import open_registry, read_catalog
from contrafact.workflows.declared import declared_reservations
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.recognition import Recogniser, make_recogniser

__all__ = [
    "GateReport",
    "Question",
    "Refusal",
    "check_catalog",
    "check_folder",
]

_TABLE = "metadata.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the gate is asked: for which use, when and where.

    Attributes:
        territory: Yes means in all of it.
    """

    use: Use = Use.TRAIN_GENERATIVE
    on: date
    territory: Territory = WORLDWIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A file that may not be used, and why.

    Attributes:
        by: What refused it: the consents, the sound, or that it is unreadable.
        recording: Its id.
        matches: The recording it sounds like, if that is why.
        matched: What of that recording is reserved: its work, so that another
            performance would be refused too, or only the recording.
        method: What heard that: `fingerprint-2`, or `spectral-1` where that was not
            sure.
        similarity: How much it does, in the measure of the method, at most 1: for
            fingerprints, 1 less how often a file without it sounds so.
    """

    file: str
    by: Literal["consent", "audio", "file"]
    reason: str
    recording: str | None = None
    digest: str | None = None
    work: str | None = None
    matches: str | None = None
    matched: Literal["recording", "work"] | None = None
    method: str | None = None
    similarity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gate said.

    Attributes:
        refused: What may not be used, in order of the files.
        consents: Of what may: the consent for each recording and right.
        notes: What else was odd about the files.
    """

    question: Question
    n_files: int
    refused: tuple[Refusal, ...]
    consents: Mapping[tuple[str, str], str]
    matcher: str
    threshold: float
    notes: tuple[Problem, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether all of it may be used."""
        return not self.refused


def check_catalog(
    workspace: Workspace,
    question: Question,
    *,
    matcher: AudioMatcher | None = None,
    progress: Progress = silent,
) -> GateReport:
    """Ask the gate about every recording of the catalog.

    Raises:
        RegistryError: If the registry cannot be used.
    """
    known, works = read_catalog(workspace)
    ear = make_recogniser(workspace, matcher)
    judge = _Judge(workspace, question, ear, progress)
    return judge.report(known, known=known, works=works)


def check_folder(
    workspace: Workspace,
    folder: Path,
    question: Question,
    *,
    matcher: AudioMatcher | None = None,
    progress: Progress = silent,
) -> GateReport:
    """Ask the gate about every audio file below a folder; nothing is taken in.

    A `metadata.csv` in it, or in a folder below, says what its files are, as
    for ingest; of files that the catalog knows, the catalog says it. What the
    files and the places they lie in reserve counts, on record or not.

    Args:
        workspace: Where the catalog and the registry are.
        folder: The folder, or one file.
        question: What it is about.
        matcher: Recognises sound, two by two; fingerprints if None.
        progress: Told about every part.

    Raises:
        CatalogError: If there is no audio.
        MetadataError: If a table cannot be read at all.
        RegistryError: If the registry cannot be used.
    """
    known, works = read_catalog(workspace)
    entries, problems = _examined(folder, known, progress)
    unreadable = [
        Refusal(file=p.source, by="file", reason=p.message)
        for p in problems
        if p.is_fatal
    ]
    if not entries and not unreadable:
        raise CatalogError(
            f"There is no audio in {folder}, so nothing was checked. Check the path."
        )
    by_digest = {r.digest: r for r in known}
    asked = [
        replace(by_digest.get(e.recording.digest, e.recording), file=e.recording.file)
        for e in entries
    ]
    named = {w.id: w for w in [*(e.work for e in entries if e.work), *works]}
    declared, odd = declared_reservations([folder], skip=workspace.root)
    ear = make_recogniser(workspace, matcher)
    judge = _Judge(workspace, question, ear, progress, declared)
    report = judge.report(asked, known=known, works=list(named.values()))
    refused = sorted([*report.refused, *unreadable], key=lambda r: r.file)
    return replace(
        report,
        n_files=len(asked) + len(unreadable),
        refused=tuple(refused),
        notes=(*(p for p in problems if not p.is_fatal), *odd),
    )


def _examined(
    folder: Path, known: Sequence[Recording], progress: Progress
) -> tuple[list[Entry], list[Problem]]:
    """Return an entry for every file, described by the table nearest to it."""
    tell = stage_progress(progress, "reading audio")
    entries, problems = examine([folder], known=known, progress=tell)
    found = {entry.recording.file: entry for entry in entries}
    seen = [*known, *(entry.recording for entry in entries)]
    tables = sorted(folder.rglob(_TABLE)) if folder.is_dir() else []
    for table in tables:
        described, more = examine([table.parent], metadata=table, known=seen)
        # Files outside of the table's folder are not described by it.
        found |= {e.recording.file: e for e in described if e.recording.file in found}
        # A row about no file is odd, but nothing that could be used.
        rows = (p for p in more if p.source.startswith(f"{table}:"))
        problems += [replace(row, is_fatal=False) for row in rows]
    return [found[file] for file in sorted(found)], problems


@dataclass(frozen=True, slots=True)
class _Barred:
    """A recording that may not be used, and whether its work may not either."""

    recording: Recording
    is_work_reserved: bool


class _Judge:
    """Answers one question about recordings."""

    def __init__(
        self,
        workspace: Workspace,
        question: Question,
        ear: Recogniser,
        progress: Progress,
        declared: Sequence[Consent] = (),
    ) -> None:
        self._workspace, self._question = workspace, question
        self._declared = declared
        self._ear, self._progress = ear, progress

    def report(
        self,
        asked: Sequence[Recording],
        *,
        known: Sequence[Recording],
        works: Sequence[Work],
    ) -> GateReport:
        decisions = self._decisions([*known, *asked], works)
        barred = self._barred(known, decisions)
        refused, consents = [], dict[tuple[str, str], str]()
        registered = {r.id for r in known}
        for number, recording in enumerate(asked, start=1):
            decision = decisions[recording.id]
            is_new = recording.id not in registered
            found = self._refusal(recording, decision, barred, is_new=is_new)
            if found is None:
                ids = _consent_ids(decision.consents)
                consents |= {(str(recording.id), k): v for k, v in ids.items()}
            else:
                refused.append(found)
            self._progress("checking", number, len(asked))
        return GateReport(
            question=self._question,
            n_files=len(asked),
            refused=tuple(refused),
            consents=consents,
            matcher=self._ear.name,
            threshold=self._ear.threshold,
        )

    def _decisions(
        self, recordings: Sequence[Recording], works: Sequence[Work]
    ) -> Mapping[str, Decision]:
        q, once = self._question, {r.id: r for r in recordings}
        with open_registry(self._workspace) as registry:
            found = registry.decisions(
                list(once.values()),
                use=q.use,
                on=q.on,
                territory=q.territory,
                works=works,
                also=self._declared,
                progress=lambda done, total: self._progress("deciding", done, total),
            )
        return {str(id_): decision for id_, decision in found.items()}

    def _barred(
        self, known: Sequence[Recording], decisions: Mapping[str, Decision]
    ) -> dict[str, _Barred]:
        """Return what somebody reserved, by digest, as far as it can be heard."""
        reserved: dict[str, _Barred] = {
            r.digest: _Barred(r, _is_work_reserved(decisions[r.id]))
            for r in known
            if not decisions[r.id].is_allowed and decisions[r.id].consents
        }
        recordings = [barred.recording for barred in reserved.values()]
        for recording in self._ear.learn(recordings, progress=self._progress):
            del reserved[recording.digest]
        return reserved

    def _refusal(
        self,
        recording: Recording,
        decision: Decision,
        barred: Mapping[str, _Barred],
        *,
        is_new: bool,
    ) -> Refusal | None:
        unallowed = _unallowed(recording, decision)
        if unallowed is None:
            return self._heard(recording, barred)
        if not is_new:
            return unallowed
        # Of a file that the catalog does not know, say too what it is a copy of.
        heard = self._heard(recording, barred)
        if heard is None or heard.matches is None:
            return unallowed
        return replace(
            unallowed,
            reason=f"{unallowed.reason}; {heard.reason}",
            matches=heard.matches,
            matched=heard.matched,
            method=heard.method,
            similarity=heard.similarity,
        )

    def _heard(
        self, recording: Recording, barred: Mapping[str, _Barred]
    ) -> Refusal | None:
        """Return the refusal of a file that sounds like what is reserved."""
        if not barred:
            return None
        try:
            heard = self._ear.hear(recording, set(barred))
        except AudioError as error:
            return Refusal(file=recording.file, by="file", reason=str(error))
        if heard is None:
            return None
        found = barred[heard.digest]
        return Refusal(
            file=recording.file,
            by="audio",
            reason=_sounds_like(found, heard.evidence),
            recording=recording.id,
            digest=recording.digest,
            work=recording.work_id,
            matches=found.recording.id,
            matched="work" if found.is_work_reserved else "recording",
            method=heard.method,
            similarity=round(heard.similarity, 6),
        )


def _is_work_reserved(decision: Decision) -> bool:
    return any(c.subject_kind is SubjectKind.WORK for c in decision.consents)


def _sounds_like(barred: _Barred, evidence: str) -> str:
    """Say what was heard, and what else it might be."""
    name = f"{barred.recording.title!r} ({barred.recording.id})"
    if barred.is_work_reserved:
        return (
            f"sounds like {name}, a recording of a reserved work: {evidence}. "
            "It is that recording, or the same work with the same timing"
        )
    return (
        f"sounds like {name}, which is reserved: {evidence}. If it is the same work "
        "played anew with the same timing, say so to whoever reserved the recording"
    )


def _unallowed(recording: Recording, decision: Decision) -> Refusal | None:
    if decision.is_allowed:
        return None
    return Refusal(
        file=recording.file,
        by="consent",
        reason=decision.reason,
        recording=recording.id,
        digest=recording.digest,
        work=recording.work_id,
    )


def _consent_ids(consents: Sequence[Consent]) -> dict[str, str]:
    """Return the first consent of each right, by id."""
    ordered = sorted(consents, key=lambda c: c.id, reverse=True)
    return {c.right.value: c.id for c in ordered}
