"""Notices to rights holders, work by work: was it used, and by whose leave."""

from __future__ import annotations

from collections.abc import Iterator

from contrafact.core.entities import Recording
from contrafact.reports.regulator._common import (
    consent_evidence,
    document_of,
    manifest_evidence,
    release_evidence,
    source_of,
    withdrawal_evidence,
)
from contrafact.reports.regulator.document import Document, Line, Section, gap, line
from contrafact.reports.regulator.facts import Facts
from contrafact.rights import Decision

__all__ = ["per_work_notice"]

_CAVEAT = (
    "Says in which signed manifests a work is listed. `contrafact release find` gives "
    "the proofs, of inclusion and of non-inclusion. It does not say what influence a "
    "work had."
)
_NO_WORK = "recordings without a known work"


def per_work_notice(facts: Facts, *, subject: str | None = None) -> Document:
    """Return a notice for each work, or for one work or recording.

    Args:
        facts: Of the workspace.
        subject: Id of a work or recording; all works if None.

    References:
        United States bills H.R. 7209 (TRAIN Act) and S. 3813 (CLEAR Act).
    """
    groups: dict[str, list[Recording]] = {}
    for recording in facts.recordings:
        work = recording.work_id or _NO_WORK
        if subject in (None, work, recording.id):
            groups.setdefault(work, []).append(recording)
    sections = [
        Section(
            title=_title(work, facts),
            lines=tuple(ln for r in group for ln in _recording(r, facts)),
        )
        for work, group in sorted(groups.items())
    ]
    if not sections:
        missing = f"{subject or 'any work'} in the catalog. Ingest its recordings"
        sections = [Section(title="Works", lines=(gap("Work", missing),))]
    document = document_of(
        "per-work-notice",
        facts,
        title="Notice of use in training, by work",
        rule="As in H.R. 7209 (TRAIN Act) and S. 3813 (CLEAR Act); bills, not law",
        sections=[Section(title="From", lines=_sender(facts)), *sections],
        caveat=_CAVEAT,
        subject=subject,
    )
    return document


def _sender(facts: Facts) -> tuple[Line, ...]:
    return (
        facts.said("provider_name", "Provider"),
        facts.said("contact", "Contact"),
    )


def _title(work: str, facts: Facts) -> str:
    title = facts.titles.get(work)
    return f"{title} ({work})" if title else work


def _recording(r: Recording, facts: Facts) -> Iterator[Line]:
    label = f"{r.title} ({r.isrc or r.id})"
    holding = [m for m in facts.manifests if r.id in m.recordings]
    roots = {m.root for m in holding}
    releases = [x for x in facts.releases if x.corpus_root in roots]
    decision = facts.decisions[r.id]
    if holding:
        where = [e for m in holding for e in manifest_evidence(m, facts)]
        made = [e for x in releases for e in release_evidence(x)]
        names = ", ".join(x.id for x in releases) or "no release"
        text = f"listed in {len(holding)} manifest(s), trained into {names}"
        yield line(label, text, *where, *made)
    else:
        yield line(label, "listed in no manifest of this workspace", facts.catalog)
    if decision.consents:
        entered = facts.logged(*(c.id for c in decision.consents))
        said = "allowed" if decision.is_allowed else "not allowed"
        text = f"{said} on {facts.on}: {'; '.join(_reasons(decision))}"
        yield line(
            "Consent", text, *consent_evidence(decision.consents, facts), *entered
        )
    else:
        yield gap("Consent", f"any consent ({decision.reason})")
    for w in facts.withdrawals:
        if w.work is not None and w.work == r.work_id:
            text = f"withdrawn from {w.effective}, {w.policy}"
            yield line("Withdrawal", text, *withdrawal_evidence(w))


def _reasons(decision: Decision) -> list[str]:
    """Return who said what, without the reasons of withdrawals, which are private."""
    found = {
        f"{c.right} {'allowed' if c.is_allowed else 'reserved'} by "
        f"{c.grantor or 'an unnamed party'} ({source_of(c)})"
        for c in decision.consents
    }
    return sorted(found)
