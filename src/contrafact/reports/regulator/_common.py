"""Evidence and lines that more than one document needs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from contrafact.core.entities import Recording
from contrafact.reports._format import plain
from contrafact.reports.regulator.document import (
    Document,
    Evidence,
    Line,
    Section,
    gap,
    line,
)
from contrafact.reports.regulator.facts import (
    Facts,
    ManifestFacts,
    ReleaseFacts,
    WithdrawalFacts,
)
from contrafact.rights import Consent, Right

__all__ = [
    "audio_band",
    "consent_evidence",
    "document_of",
    "hours",
    "manifest_evidence",
    "model_lines",
    "release_evidence",
    "rendered_lines",
    "sentence",
    "source_lines",
    "source_of",
    "trained_recordings",
    "withdrawal_evidence",
]

_PLACE = re.compile(r",? ?[^, ]+:\d+$")
_NAMED = 8
"""Consents that one line names; the rest is counted, and listed by command."""


def sentence(text: str) -> str:
    """Return foreign text on one line, with one full stop at its end."""
    return f"{plain(text, 2000).rstrip('.')}."


def document_of(
    kind: str,
    facts: Facts,
    *,
    title: str,
    rule: str,
    sections: Iterable[Section],
    caveat: str,
    subject: str | None = None,
) -> Document:
    """Return a document about the day of the facts, or about one subject."""
    named = "" if subject is None else f" {subject}"
    return Document(
        kind=kind,
        title=title,
        rule=rule,
        on=facts.on,
        sections=tuple(sections),
        caveat=caveat,
        command=f"contrafact report {kind}{named} --on {facts.on}",
    )


def source_of(consent: Consent) -> str:
    """Return what a consent's source is called, without the line in a table.

    The reason of a withdrawal is left out: the log only commits to it.
    """
    if consent.source.startswith("withdrawal:"):
        return "withdrawal"
    return _PLACE.sub("", consent.source) or consent.source


def consent_evidence(consents: Iterable[Consent], facts: Facts) -> list[Evidence]:
    """Return consents with their source documents; many are counted."""
    ordered = sorted({c.id: c for c in consents}.values(), key=lambda c: c.id)
    found = [
        Evidence(kind="consent", id=c.id, command=facts.how_to_show(c.subject_id))
        for c in ordered[:_NAMED]
    ]
    if (more := len(ordered) - _NAMED) > 0:
        found.append(replace(facts.registry, id=f"and {more} more consents"))
    digests = sorted({c.source_digest for c in ordered if c.source_digest})
    return found + [Evidence(kind="document", id=digest) for digest in digests]


def manifest_evidence(manifest: ManifestFacts, facts: Facts) -> list[Evidence]:
    """Return a manifest, its signed statement and its log entry."""
    found = [
        Evidence(
            kind="manifest",
            id=manifest.root,
            command=f"contrafact manifest show {manifest.root[:16]}",
        )
    ]
    if manifest.statement is not None:
        found.append(Evidence(kind="document", id=manifest.statement))
    return found + facts.logged(manifest.root)


def release_evidence(release: ReleaseFacts) -> list[Evidence]:
    """Return a release and its log entry."""
    shown = f"contrafact release show {release.id}"
    found = [Evidence(kind="release", id=release.id, command=shown)]
    if release.entry is not None:
        verify = "contrafact audit verify"
        found.append(Evidence(kind="log", id=str(release.entry), command=verify))
    return found


def withdrawal_evidence(withdrawal: WithdrawalFacts) -> list[Evidence]:
    """Return a withdrawal and its log entry."""
    shown = f"contrafact consent show {withdrawal.work or withdrawal.id}"
    found = [Evidence(kind="withdrawal", id=withdrawal.id, command=shown)]
    if withdrawal.entry is not None:
        verify = "contrafact audit verify"
        found.append(Evidence(kind="log", id=str(withdrawal.entry), command=verify))
    return found


def model_lines(facts: Facts) -> Iterator[Line]:
    """Yield a line for each release, and for each model without one."""
    for release in facts.releases:
        text = f"model {release.model}, {release.status}, made {release.created[:10]}"
        if release.parent:
            text += f", from release {release.parent}"
        if release.stamp:
            text += f", stamped {release.stamp}"
        yield line(f"Release {release.id}", text, *release_evidence(release))
    released = {release.model_digest for release in facts.releases}
    for model in facts.models:
        if model.digest not in released:
            yield gap(
                f"Model {model.id}",
                "a release that binds its weights, its corpus and its code. Make it "
                f"with `contrafact release create {model.id}`",
            )
    if not facts.releases and not facts.models:
        yield gap("Models", "any model. Train one with `contrafact train`")


def trained_recordings(facts: Facts) -> set[str]:
    """Return the ids of the recordings that are in a manifest of a model.

    Those of all manifests, where no model names one.
    """
    used = {m.manifest_root for m in facts.models if m.manifest_root}
    used |= {r.corpus_root for r in facts.releases}
    chosen = [m for m in facts.manifests if m.root in used] or facts.manifests
    return {recording for m in chosen for recording in m.recordings}


def hours(recordings: Sequence[Recording]) -> float:
    """Return the length of recordings in hours."""
    return sum(r.duration_s for r in recordings) / 3600


def audio_band(length_h: float) -> str:
    """Return the band of size that the template of the Commission has for audio."""
    if length_h < 10_000:
        return "less than 10,000 hours"
    return "10,000 to 1 million hours" if length_h <= 1e6 else "over 1 million hours"


def rendered_lines(facts: Facts) -> Iterator[Line]:
    """Yield a line for each source by which recordings were rendered."""
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for recording in facts.allowed:
        for consent in facts.decisions[recording.id].consents:
            if consent.right is Right.MASTER and "rendered" in consent.source:
                key = (source_of(consent), consent.source_digest)
                groups[key].add(recording.id)
    for (source, digest), ids in sorted(groups.items()):
        proof = Evidence(kind="document", id=digest)
        yield line("Rendered", f"{len(ids)} recording(s): {source}", proof)


def source_lines(facts: Facts) -> Iterator[Line]:
    """Yield a line for each grantor and document that allowed training."""
    groups: dict[tuple[str, str, str], list[Consent]] = defaultdict(list)
    reach: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for recording in facts.allowed:
        for consent in facts.decisions[recording.id].consents:
            key = (consent.grantor, consent.right.value, consent.source_digest)
            groups[key].append(consent)
            reach[key].add(recording.id)
    for key, consents in sorted(groups.items()):
        grantor, right, _ = key
        days = [c.valid_until for c in consents if c.valid_until is not None]
        until = f", the first of them until {min(days)}" if days else ""
        text = (
            f"{right} of {len(reach[key])} recording(s){until}; source: "
            f"{source_of(consents[0])}"
        )
        name = grantor or "an unnamed party"
        entered = facts.logged(*(c.id for c in consents))
        yield line(name, text, *consent_evidence(consents, facts), *entered)
