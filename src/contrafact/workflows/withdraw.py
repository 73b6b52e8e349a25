"""Withdrawing a work: out of new training at once, and known to all that holds it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from contrafact.catalog import Workspace
from contrafact.catalog.recognition import AudioMatcher
from contrafact.core.entities import Recording
from contrafact.core.errors import (
    ConfigError,
    LogDamagedError,
    MatchIndexError,
    UnknownEntityError,
)
from contrafact.rights import SubjectKind, Withdrawal
from contrafact.workflows.audit import append_entries, workspace_signer
from contrafact.workflows.consent import open_registry, read_catalog
from contrafact.workflows.contamination import Part, contaminated_parts
from contrafact.workflows.recognition import make_recogniser
from contrafact.workflows.stores import all_stores
from contrafact.workflows.withdrawals import (
    Policy,
    WithdrawalRecord,
    keep_record,
    load_records,
)

__all__ = ["WithdrawalReport", "parse_effective", "withdraw"]

_PARTS_AN_ENTRY = 500
"""So that an entry stays below what the log can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalReport:
    """What a withdrawal did.

    Attributes:
        contaminated: Everything that holds what was withdrawn.
        entry: Number of the log entry.
        is_new: False if the same was withdrawn before.
        unheard: Recordings whose sound is not there to be recognised by.
        contamination_s: Wall-clock seconds from the record to the last part.
    """

    record: WithdrawalRecord
    contaminated: tuple[Part, ...]
    entry: int
    is_new: bool
    unheard: tuple[str, ...]
    contamination_s: float


def parse_effective(text: str) -> date:
    """Return the day that a text names; `today` is one.

    Raises:
        ConfigError: If it is neither a day nor `today`.
    """
    try:
        return date.today() if text == "today" else date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date. Write 2026-01-31 or today.") from error


def withdraw(
    workspace: Workspace,
    subject: str,
    *,
    reason: str,
    effective: date,
    policy: Policy = Policy.BLOCK,
    grantor: str = "",
    matcher: AudioMatcher | None = None,
) -> WithdrawalReport:
    """Withdraw a work with all its recordings, or one recording.

    From the moment this returns, the gate refuses it by name and by sound, and
    every release, fine-tune, index, cached latent and distilled part that
    holds it is contaminated. Withdrawing the same again changes nothing.

    Args:
        workspace: Where the catalog, the registry and the log are.
        subject: Id, ISWC or title of a work, or id or ISRC of a recording.
        reason: Why; the log only commits to it.
        effective: First day on which other uses end, and on which the policy
            `block-from-date` blocks. New training is refused from the moment
            the withdrawal is declared, and what holds it is contaminated.
        policy: What may be done meanwhile with models that hold it.
        grantor: Who withdraws; the log only commits to it.
        matcher: Recognises its sound later, two by two; fingerprints if None.

    Raises:
        ConfigError: If there is no reason.
        LogDamagedError: If the log is damaged. The withdrawal is in force all
            the same; the next call with the same enters it.
        SigningKeyError: If there is no key to sign the entry with.
        UnknownEntityError: If there is no such work or recording.
        WorkspaceLockedError: If another process holds the workspace.
    """
    if not reason.strip():
        raise ConfigError("A withdrawal needs a reason. Give --reason TEXT.")
    workspace_signer()  # before anything is written
    record, recordings = _resolved(workspace, subject, reason, effective, policy)
    known = {r.id: r for r in load_records(workspace)}
    with workspace.lock():
        started = time.perf_counter()
        if is_new := record.id not in known:
            keep_record(all_stores(workspace), record)
        record = known.get(record.id, record)
        parts = _parts(workspace, record)
        elapsed = time.perf_counter() - started
        _reserve(workspace, record, grantor)
        unheard = _remember(workspace, recordings, matcher)
        if record.entry is None:
            record = _enter(workspace, record, parts, grantor)
    return WithdrawalReport(
        record=record,
        contaminated=tuple(parts),
        entry=record.entry or 0,
        is_new=is_new,
        unheard=unheard,
        contamination_s=elapsed,
    )


def _resolved(
    workspace: Workspace, subject: str, reason: str, effective: date, policy: Policy
) -> tuple[WithdrawalRecord, list[Recording]]:
    """Return the record about a work or recording, and the recordings it is about."""
    recordings, works = read_catalog(workspace)
    plain = subject.replace("-", "").replace(".", "").upper()
    named = [w for w in works if subject == w.id or (w.iswc and plain == w.iswc)]
    named = named or [w for w in works if w.title.casefold() == subject.casefold()]
    if len(named) > 1:
        raise UnknownEntityError(
            f"{subject!r} is the title of {len(named)} works, {named[0].id} and "
            f"{named[1].id} among them. Give the id."
        )
    work = named[0] if named else None
    about = [
        r
        for r in recordings
        if (r.work_id == work.id if work else subject == r.id or plain == r.isrc)
    ]
    if not about and work is None:
        raise UnknownEntityError(
            f"There is no work or recording {subject!r} in the catalog. "
            "List them with `contrafact catalog list`."
        )
    record = WithdrawalRecord(
        work=work.id if work else None,
        title=work.title if work else about[0].title,
        recordings=tuple(sorted(r.id for r in about)),
        digests=tuple(sorted(r.digest for r in about)),
        reason=reason,
        effective=effective,
        declared=date.today(),
        policy=policy,
    )
    return record, about


def _parts(workspace: Workspace, record: WithdrawalRecord) -> list[Part]:
    return [
        part for s in all_stores(workspace) for part in contaminated_parts(s, record)
    ]


def _reserve(workspace: Workspace, record: WithdrawalRecord, grantor: str) -> None:
    """Put the reservation into the registry; what is there already stays."""
    subjects = [(SubjectKind.RECORDING, id_) for id_ in record.recordings]
    if record.work is not None:
        subjects.append((SubjectKind.WORK, record.work))
    with open_registry(workspace) as registry:
        for kind, id_ in subjects:
            registry.withdraw(
                Withdrawal(
                    subject_kind=kind,
                    subject_id=id_,
                    reason=record.reason,
                    effective=record.effective,
                    said=record.declared,
                    grantor=grantor,
                )
            )


def _enter(
    workspace: Workspace, record: WithdrawalRecord, parts: Sequence[Part], grantor: str
) -> WithdrawalRecord:
    """Enter the withdrawal and what it contaminates, and note the entry's number."""
    body = {
        "withdrawal": record.id,
        "work": record.work,
        "recordings": list(record.recordings),
        "effective": str(record.effective),
        "declared": str(record.declared),
        "policy": record.policy.value,
    }
    private = {"reason": record.reason, **({"grantor": grantor} if grantor else {})}
    named = [{"kind": part.kind, "name": part.name} for part in parts]
    pieces = [
        named[start : start + _PARTS_AN_ENTRY]
        for start in range(0, len(named), _PARTS_AN_ENTRY)
    ]
    spread = [
        ("contamination", {"withdrawal": record.id, "contaminated": piece}, None)
        for piece in pieces
    ]
    try:
        done = append_entries(workspace, [("withdrawal", body, private), *spread])
    except LogDamagedError as error:
        # A damaged log must not keep anybody from withdrawing.
        raise LogDamagedError(
            f"{error} The withdrawal {record.id} is in force, but not entered in the "
            "log: withdraw the same again once the log is whole."
        ) from error
    entered = replace(record, entry=done[0].index)
    keep_record(all_stores(workspace), entered)
    return entered


def _remember(
    workspace: Workspace, recordings: Sequence[Recording], matcher: AudioMatcher | None
) -> tuple[str, ...]:
    """Keep what the recordings sound like; return those that will not be known.

    What is kept may be damaged: that must not keep anybody from withdrawing, and
    the gate, which needs it, says so.
    """
    try:
        left = make_recogniser(workspace, matcher).learn(recordings)
    except MatchIndexError:
        left = list(recordings)
    return tuple(str(recording.id) for recording in left)
