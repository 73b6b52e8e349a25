"""Consents and what follows from them, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrafact.cli._output import print_json, print_lines, print_rows

if TYPE_CHECKING:
    from datetime import date

    from contrafact.rights import AiDisclosure, Conflict, Consent, RightsHolding
    from contrafact.workflows.consent_views import (
        PartyReport,
        RegistrySummary,
        SubjectReport,
    )

__all__ = [
    "conflict_document",
    "consent_document",
    "show_party_report",
    "show_subject_report",
    "show_summary",
]


def show_summary(summary: RegistrySummary, *, as_json: bool) -> None:
    """Print how much the registry holds."""
    if as_json:
        names = ("n_records", "share_problems")
        print_json({name: getattr(summary, name) for name in names})
        return
    counts = ", ".join(f"{n} {kind}" for kind, n in summary.n_records.items())
    print_lines(f"{counts}.", *(f"problem: {p}" for p in summary.share_problems))


def show_party_report(report: PartyReport, *, as_json: bool) -> None:
    """Print what a rights holder has a part in."""
    if as_json:
        held = [
            {
                "kind": h.subject_kind,
                "subject": h.subject_id,
                "rights": list(h.rights),
                "is_share": h.is_share,
            }
            for h in report.held
        ]
        recordings = [{"id": r.id, "title": r.title} for r in report.recordings]
        print_json({"party": report.party, "held": held, "recordings": recordings})
        return
    print_rows(
        ("kind", "subject", "rights", "known by"),
        [
            (
                h.subject_kind,
                h.subject_id,
                ", ".join(h.rights),
                "share" if h.is_share else "consent",
            )
            for h in report.held
        ],
    )
    print_lines(f"{len(report.recordings)} recording(s) of the catalog.")
    print_rows(("id", "title"), [(r.id, r.title) for r in report.recordings])


def show_subject_report(report: SubjectReport, *, as_json: bool) -> None:
    """Print all that is known of a work or recording."""
    if as_json:
        print_json(_subject(report))
        return
    print_lines(f"{report.subject}  {report.title or ''}")
    for use, decision in report.decisions.items():
        print_lines(f"{'yes' if decision.is_allowed else 'no ':3}  {use}")
        print_lines(f"     {decision.reason}")
    rows = [
        (c.id[:10], c.right, "yes" if c.is_allowed else "no", c.use, *_where(c))
        for c in report.consents
    ]
    heads = ("consent", "right", "allowed", "use", "where", "when", "by", "source")
    print_rows(heads, rows)
    for d in report.disclosures:
        parts = ", ".join(f"{who}: {value}" for who, value in d.contributions)
        print_lines(f"contains AI: {d.contains_ai or '-'}; {parts} ({d.source})")
    for h in report.holdings:
        who = h.holder.name if h.holder else "unclaimed"
        print_lines(f"share: {h.share} of {h.right}, {h.territory}: {who}")


def _where(c: Consent) -> tuple[str, str, str, str]:
    when = f"{c.valid_from or ''}..{c.valid_until or ''}"
    if c.revoked_from:
        when += f", revoked {c.revoked_from}"
    return str(c.territory), when, c.grantor or "unnamed", c.source


def _subject(report: SubjectReport) -> dict[str, Any]:
    decisions = {
        use.value: {
            "is_allowed": d.is_allowed,
            "reason": d.reason,
            "consents": [c.id for c in d.consents],
            "conflicts": [conflict_document(c) for c in d.conflicts],
        }
        for use, d in report.decisions.items()
    }
    return {
        "subject": report.subject,
        "title": report.title,
        "decisions": decisions,
        "consents": [consent_document(c) for c in report.consents],
        "shares": [_holding(h) for h in report.holdings],
        "disclosures": [_disclosure(d) for d in report.disclosures],
    }


def conflict_document(conflict: Conflict) -> dict[str, Any]:
    """Return a conflict as JSON has it."""
    return {
        "allowing": consent_document(conflict.allowing),
        "reserving": consent_document(conflict.reserving),
    }


def consent_document(c: Consent) -> dict[str, Any]:
    """Return a consent as JSON has it."""
    return {
        "id": c.id,
        "right": c.right.value,
        "kind": c.subject_kind.value,
        "subject": c.subject_id,
        "title": c.title,
        "grantor": c.grantor,
        "use": c.use.value,
        "is_allowed": c.is_allowed,
        "territory": str(c.territory),
        "valid_from": _text(c.valid_from),
        "valid_until": _text(c.valid_until),
        "is_revocable": c.is_revocable,
        "signal_date": _text(c.signal_date),
        "revoked_from": _text(c.revoked_from),
        "source": c.source,
        "source_digest": c.source_digest,
    }


def _holding(h: RightsHolding) -> dict[str, Any]:
    return {
        "right": h.right.value,
        "party": h.holder.name if h.holder else None,
        "share": str(h.share),
        "territory": str(h.territory),
        "valid_from": _text(h.valid_from),
        "valid_until": _text(h.valid_until),
        "source": h.source,
    }


def _disclosure(d: AiDisclosure) -> dict[str, Any]:
    return {
        "contains_ai": d.contains_ai,
        "contributions": [{"by": by, "ai": value} for by, value in d.contributions],
        "source": d.source,
    }


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
