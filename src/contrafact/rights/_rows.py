"""Records of the registry to rows and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Any

from contrafact.core.units import work_id
from contrafact.rights.consent import (
    AiDisclosure,
    Consent,
    Right,
    SubjectKind,
    Use,
)
from contrafact.rights.parties import Holder, HoldingRight, RightsHolding
from contrafact.rights.territory import Territory

__all__ = [
    "consent_of",
    "consent_row",
    "disclosure_of",
    "disclosure_row",
    "holding_of",
    "holding_row",
    "subject_key",
]

Plain = dict[str, Any]
_N_ISWC = 11


def subject_key(kind: SubjectKind, id_: str) -> str:
    """Return what a subject is looked up by.

    The catalog makes the id of a work from its ISWC where it knows one, so a
    consent by ISWC finds the work without asking the catalog.

    Example:
        >>> subject_key(SubjectKind.WORK, "T0345246801").startswith("W-")
        True
    """
    if kind is SubjectKind.WORK and len(id_) == _N_ISWC and id_[0] == "T":
        return str(work_id("", iswc=id_))
    return id_


def consent_row(consent: Consent) -> Plain:
    """Return the row of a consent."""
    c = consent
    return {
        "id": c.id,
        "right": c.right.value,
        "subject_kind": c.subject_kind.value,
        "subject_id": c.subject_id,
        "subject_key": subject_key(c.subject_kind, c.subject_id),
        "grantor": c.grantor,
        "use": c.use.value,
        "is_allowed": c.is_allowed,
        "territory": str(c.territory),
        "valid_from": _day_text(c.valid_from),
        "valid_until": _day_text(c.valid_until),
        "is_revocable": c.is_revocable,
        "source": c.source,
        "source_digest": c.source_digest,
        "signal_date": _day_text(c.signal_date),
        "revoked_from": _day_text(c.revoked_from),
        "title": c.title,
    }


def consent_of(row: Mapping[Any, Any]) -> Consent:
    """Return the consent of a row."""
    return Consent(
        id=row["id"],
        right=Right(row["right"]),
        subject_kind=SubjectKind(row["subject_kind"]),
        subject_id=row["subject_id"],
        grantor=row["grantor"],
        use=Use(row["use"]),
        is_allowed=row["is_allowed"],
        territory=Territory.parse(row["territory"]),
        valid_from=_day(row["valid_from"]),
        valid_until=_day(row["valid_until"]),
        is_revocable=row["is_revocable"],
        source=row["source"],
        source_digest=row["source_digest"],
        signal_date=_day(row["signal_date"]),
        revoked_from=_day(row["revoked_from"]),
        title=row["title"],
    )


def holding_row(holding: RightsHolding) -> Plain:
    """Return the row of a holding; its id is the digest of the rest."""
    h, holder = holding, holding.holder
    row = {
        "right": h.right.value,
        "subject_kind": h.subject_kind.value,
        "subject_id": h.subject_id,
        "party_id": holder.id if holder else None,
        "party": holder.name if holder else None,
        "ipi_name": holder.ipi_name if holder else None,
        "ipi_base": holder.ipi_base if holder else None,
        "isni": holder.isni if holder else None,
        "share": str(h.share),
        "territory": str(h.territory),
        "valid_from": _day_text(h.valid_from),
        "valid_until": _day_text(h.valid_until),
    }
    return row | {
        "id": _id("H", row),
        "subject_key": subject_key(h.subject_kind, h.subject_id),
        "source": h.source,
        "source_digest": h.source_digest,
    }


def holding_of(row: Mapping[Any, Any]) -> RightsHolding:
    """Return the holding of a row."""
    holder = None
    if row["party"] is not None:
        names = ("ipi_name", "ipi_base", "isni")
        holder = Holder(name=row["party"], **{name: row[name] for name in names})
    return RightsHolding(
        right=HoldingRight(row["right"]),
        subject_kind=SubjectKind(row["subject_kind"]),
        subject_id=row["subject_id"],
        holder=holder,
        share=Fraction(row["share"]),
        territory=Territory.parse(row["territory"]),
        valid_from=_day(row["valid_from"]),
        valid_until=_day(row["valid_until"]),
        source=row["source"],
        source_digest=row["source_digest"],
    )


def disclosure_row(disclosure: AiDisclosure) -> Plain:
    """Return the row of a disclosure; its id is the digest of the rest."""
    d = disclosure
    row = {
        "subject_id": d.subject_id,
        "contains_ai": d.contains_ai,
        "contributions": json.dumps(d.contributions),
        "source_digest": d.source_digest,
        "signal_date": _day_text(d.signal_date),
    }
    return row | {"id": _id("D", row), "source": d.source}


def disclosure_of(row: Mapping[Any, Any]) -> AiDisclosure:
    """Return the disclosure of a row."""
    return AiDisclosure(
        subject_id=row["subject_id"],
        contains_ai=row["contains_ai"],
        contributions=tuple((a, b) for a, b in json.loads(row["contributions"])),
        source=row["source"],
        source_digest=row["source_digest"],
        signal_date=_day(row["signal_date"]),
    )


def _id(kind: str, row: Plain) -> str:
    text = json.dumps(row, sort_keys=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _day_text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


@lru_cache(maxsize=8192)
def _parsed_day(text: str) -> date:
    return date.fromisoformat(text)


def _day(text: str | None) -> date | None:
    return None if text is None else _parsed_day(text)
