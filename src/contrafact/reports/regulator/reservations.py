"""The log of rights reservations, and what became of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from contrafact.core.entities import Recording
from contrafact.reports.regulator._common import (
    consent_evidence,
    document_of,
    manifest_evidence,
    source_of,
    withdrawal_evidence,
)
from contrafact.reports.regulator.document import Document, Line, Section, gap, line
from contrafact.reports.regulator.facts import Facts
from contrafact.rights import Conflict, Consent

__all__ = ["rights_reservations"]

_CAVEAT = (
    "Lists the signals that were taken into this workspace. A signal that nobody "
    "imported is not here."
)
Group = tuple[str, str, str, str]


def rights_reservations(facts: Facts) -> Document:
    """Return every reservation on record, with where it came from.

    References:
        Directive (EU) 2019/790, Article 4(3); Code of Practice, copyright
        chapter, measure 1.3.
    """
    return document_of(
        "rights-reservations",
        facts,
        title="Log of rights reservations",
        rule="Directive (EU) 2019/790, Article 4(3); Code of Practice, measure 1.3",
        sections=(
            Section(
                title="Reservations",
                note="What was reserved, by whom, for which uses, and since when.",
                lines=tuple(_reserved(facts)),
            ),
            Section(title="Withdrawals", lines=tuple(_withdrawn(facts))),
            Section(
                title="Conflicts",
                note="A permission that meets a reservation; the reservation counts.",
                lines=tuple(_conflicts(facts)),
            ),
        ),
        caveat=_CAVEAT,
    )


def _reserved(facts: Facts) -> Iterator[Line]:
    groups: dict[Group, list[Consent]] = defaultdict(list)
    for c in facts.reservations:
        groups[c.subject_kind, c.subject_id, c.grantor, c.source_digest].append(c)
    known = _by_name(facts)
    for (kind, subject, grantor, _), consents in sorted(groups.items()):
        recordings = known.get(subject, [])
        title = facts.titles.get(subject) or next(
            (c.title for c in consents if c.title), None
        )
        label = f"{title}, {kind} {subject}" if title else f"{kind} {subject}"
        holding = [
            manifest
            for manifest in facts.manifests
            if any(r.id in manifest.recordings for r in recordings)
        ]
        listed = [e for m in holding for e in manifest_evidence(m, facts)]
        proof = [*consent_evidence(consents, facts), *listed]
        entered = facts.logged(*(c.id for c in consents))
        text = _text(consents, grantor, facts, n_known=len(recordings))
        if holding:
            text += f"; still listed in {len(holding)} manifest(s)"
        yield line(label, text, *proof, *entered)
    if not groups:
        yield line("None", "there is no reservation on record", facts.registry)


def _by_name(facts: Facts) -> dict[str, list[Recording]]:
    known: dict[str, list[Recording]] = defaultdict(list)
    for r in facts.recordings:
        for name in {r.id, r.digest, r.isrc, r.work_id} - {None}:
            known[str(name)].append(r)
    return known


def _text(consents: list[Consent], grantor: str, facts: Facts, *, n_known: int) -> str:
    uses = ", ".join(sorted({c.use.value for c in consents}))
    rights = " and ".join(sorted({c.right.value for c in consents}))
    starts = [c.valid_from or c.signal_date for c in consents]
    since = min((d for d in starts if d is not None), default=None)
    is_live = any(c.is_in_force(facts.on) for c in consents)
    parts = [
        f"{uses}, {rights}, by {grantor or 'an unnamed party'}",
        f"since {since}" if since else "day not stated",
        "in force" if is_live else "not in force",
        f"{n_known} recording(s) of the catalog by this name",
        source_of(consents[0]),
    ]
    return "; ".join(parts)


def _withdrawn(facts: Facts) -> Iterator[Line]:
    for w in facts.withdrawals:
        held = [r.id for r in facts.releases if w.id in r.withdrawn]
        text = (
            f"{w.title}: declared {w.declared}, effective {w.effective}, {w.policy}; "
            f"contaminates {', '.join(held) or 'no release'}"
        )
        yield line(f"Withdrawal {w.id}", text, *withdrawal_evidence(w))
    if not facts.withdrawals:
        yield line("None", "nothing was withdrawn", facts.registry)
    if facts.log is None:
        yield gap("Log", "a log in which withdrawals are entered")


def _conflicts(facts: Facts) -> Iterator[Line]:
    groups: dict[tuple[str, ...], list[Conflict]] = defaultdict(list)
    for conflict in facts.conflicts:
        a, r = conflict.allowing, conflict.reserving
        groups[_shown(a, facts), _who(a), _shown(r, facts), _who(r)].append(conflict)
    for (allowed, giver, reserved, keeper), conflicts in sorted(groups.items()):
        uses = ", ".join(sorted({c.allowing.use.value for c in conflicts}))
        text = f"{uses}: {allowed} allowed by {giver}, {reserved} reserved by {keeper}"
        if any(not c.allowing.is_revocable for c in conflicts):
            text += "; the permission is irrevocable"
        both = [c for pair in conflicts for c in (pair.allowing, pair.reserving)]
        yield line(reserved, text, *consent_evidence(both, facts))
    if not facts.conflicts:
        yield line("None", f"no conflict on {facts.on}", facts.registry)


def _shown(consent: Consent, facts: Facts) -> str:
    """Return a subject by its id in the catalog, where it has one."""
    return facts.names.get(consent.subject_id, consent.subject_id)


def _who(consent: Consent) -> str:
    return f"{consent.grantor or 'an unnamed party'} ({source_of(consent)})"
