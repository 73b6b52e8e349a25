"""What a rights holder has a part in, as far as the registry knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from contrafact.core.units import normalise_name, party_id
from contrafact.rights import _schema as tables
from contrafact.rights.consent import SubjectKind

__all__ = ["Held", "held_by"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A work or recording in which a party has a right.

    Attributes:
        key: What the catalog knows it by: the id of a work, or the ISRC,
            digest or id of a recording.
        rights: Of which it holds a part, or for which it gave a consent.
        is_share: Whether a share is on record, not only a consent.
    """

    subject_kind: SubjectKind
    subject_id: str
    key: str
    rights: tuple[str, ...]
    is_share: bool


def held_by(connection: Connection, party: str) -> list[Held]:
    """Return what a party holds a share of, or gave a consent for."""
    h, c = tables.holding.c, tables.consent.c
    ids = [party, party_id(party)]
    named = sa.or_(
        h.party_id.in_(ids), h.ipi_name == party, h.ipi_base == party, h.isni == party
    )
    shares = sa.select(h.subject_kind, h.subject_id, h.subject_key, h.right)
    grants = sa.select(c.subject_kind, c.subject_id, c.subject_key, c.right)
    names = connection.execute(sa.select(c.grantor).distinct()).scalars()
    wanted = normalise_name(party)
    same = [name for name in names if name and normalise_name(name) == wanted]
    held = connection.execute(shares.where(named).distinct()).all()
    said = connection.execute(grants.where(c.grantor.in_(same)).distinct()).all()
    return _merged(held, said)


def _merged(shares: Sequence[Any], said: Sequence[Any]) -> list[Held]:
    rights: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in [*shares, *said]:
        rights[row.subject_kind, row.subject_id, row.subject_key].add(row.right)
    with_share = {(r.subject_kind, r.subject_id, r.subject_key) for r in shares}
    return [
        Held(
            subject_kind=SubjectKind(kind),
            subject_id=id_,
            key=key,
            rights=tuple(sorted(named)),
            is_share=(kind, id_, key) in with_share,
        )
        for (kind, id_, key), named in sorted(rights.items())
    ]
