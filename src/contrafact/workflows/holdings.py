"""Who holds what of the catalog, as the ledger takes it.

Shares on record name works and recordings in many ways: by id, ISRC, ISWC,
digest or title. Here they become holdings of recordings (for the master) and
works (for the composition), by the ids of the catalog.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from contrafact.catalog import Workspace
from contrafact.core.entities import Recording, Work
from contrafact.core.units import work_id
from contrafact.ledger.records import Holding
from contrafact.rights import WORLDWIDE
from contrafact.rights.consent import SubjectKind
from contrafact.rights.parties import RightsHolding
from contrafact.workflows.consent import open_registry, read_catalog

__all__ = ["catalog_holdings", "credited_holdings", "payee_names"]

_RIGHTS = ("master", "composition")


def catalog_holdings(
    workspace: Workspace, *, by_credits: bool = False
) -> tuple[list[Holding], list[str]]:
    """Return the holdings in all recordings and works of the catalog.

    Args:
        workspace: Its registry of consents has the shares.
        by_credits: Where a right has no share on record, let the catalog's own
            credits stand in; see `credited_holdings`.

    Returns:
        Holdings, each once, and what a reader must know, such as a share that
        fits more than one recording.
    """
    recordings, works = read_catalog(workspace)
    with open_registry(workspace) as registry:
        shares = [s for s in registry.holdings() if s.right.value in _RIGHTS]
    finder = _Finder(recordings, works)
    found: dict[Holding, None] = {}
    notices: list[str] = []
    for share in shares:
        sources = finder.sources(share)
        if len(sources) > 1 and share.right.value != "master":
            notices.append(f"Shares in {share.subject_id} fit several works; held.")
            continue
        found |= dict.fromkeys(_holding(share, source) for source in sources)
    if by_credits:
        known = {(h.right, h.source_id) for h in found}
        credited = credited_holdings(recordings)
        found |= dict.fromkeys(
            h for h in credited if (h.right, h.source_id) not in known
        )
    return list(found), sorted(set(notices))


def credited_holdings(recordings: Iterable[Recording]) -> list[Holding]:
    """Return holdings that the catalog's credits suggest.

    The master is the label's, or else the artists' in equal parts; the
    composition is the artists' of its recordings in equal parts. That is no
    statement of rights: it is for trying out policies.
    """
    found: list[Holding] = []
    writers: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        masters = [recording.label] if recording.label else list(recording.artists)
        found += _equal(recording.id, "master", masters)
        if recording.work_id:
            writers[recording.work_id].update(recording.artists)
    for work, names in sorted(writers.items()):
        found += _equal(work, "composition", sorted(names))
    return found


def _equal(source: str, right: str, payees: Sequence[str]) -> list[Holding]:
    return [
        Holding(
            source_id=source,
            right=right,
            payee=payee,
            fraction=Fraction(1, len(payees)),
        )
        for payee in payees
    ]


def _holding(share: RightsHolding, source: str) -> Holding:
    is_everywhere = share.territory == WORLDWIDE
    return Holding(
        source_id=source,
        right=share.right.value,
        payee=None if share.holder is None else share.holder.id,
        fraction=share.share,
        territory=None if is_everywhere else share.territory.countries,
        valid_from=share.valid_from,
        valid_until=share.valid_until,
    )


class _Finder:
    """Knows which recordings and works a share is about."""

    def __init__(self, recordings: Sequence[Recording], works: Sequence[Work]) -> None:
        self._recordings: dict[str, set[str]] = defaultdict(set)
        self._works: dict[str, set[str]] = defaultdict(set)
        self._of_work: dict[str, set[str]] = defaultdict(set)
        self._work_of: dict[str, str] = {}
        for r in recordings:
            for key in filter(None, (r.id, r.isrc, r.digest)):
                self._recordings[key].add(r.id)
            if r.work_id:
                self._of_work[r.work_id].add(r.id)
                self._work_of[r.id] = r.work_id
        for w in works:
            for key in {w.id, w.iswc or w.id, work_id(w.title)}:
                self._works[key].add(w.id)

    def sources(self, share: RightsHolding) -> list[str]:
        """Return the recordings or works that a share is in, in order."""
        is_master = share.right.value == "master"
        if share.subject_kind is SubjectKind.RECORDING:
            found = self._recordings.get(share.subject_id, set())
            if not is_master:
                found = {self._work_of[r] for r in found if r in self._work_of}
        else:
            found = self._works.get(share.subject_id, set())
            if is_master:
                found = {r for work in found for r in self._of_work[work]}
        return sorted(found)


def payee_names(workspace: Workspace) -> Mapping[str, str]:
    """Return the names of all who may be paid, by id."""
    with workspace.catalog() as catalog:
        names = {str(p.id): p.name for p in catalog.parties()}
    with open_registry(workspace) as registry:
        held = (s.holder for s in registry.holdings())
        return names | {str(h.id): h.name for h in held if h is not None}
