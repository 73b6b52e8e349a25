"""Tricks that a catalogue may try, as changes to a case.

How attribution answers to a trick is a model, stated with each. Influence is
taken to add up over recordings, as the index adds scores: so copies count as
often as they are there, and everybody's shares are of the larger sum. A model
trained on the copies may answer less than that; the figures are for the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType

from contrafact.ledger.case import Case, Facts, Size
from contrafact.ledger.records import OutputAttribution, ShareRecord

__all__ = ["ATTACKS", "Attack", "attacked_clusters", "copy_of", "is_of"]

_MARK = "#"
Apply = Callable[[Case, frozenset[str]], Case]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A trick.

    Attributes:
        name: As in the lab's table.
        meaning: What the catalogue does, and how attribution answers.
        apply: Returns the case after it, given the sources of the catalogue.
        found: Part of its copies or pieces that clustering finds, if it is on:
            all exact copies, by digest.
        inflation: By what the trick multiplies what attribution says without
            any effect on the model. A reliability that is measured anew, by
            training without the catalogue, falls by as much.
    """

    name: str
    meaning: str
    apply: Apply
    found: Fraction = Fraction(0)
    inflation: Fraction = Fraction(1)


def copy_of(source: str, number: int) -> str:
    """Return the id of a copy or piece of a source."""
    return f"{source}{_MARK}{number}"


def is_of(source: str, own: frozenset[str]) -> bool:
    """Tell whether a source is one of these, or a copy or piece of one."""
    return source.partition(_MARK)[0] in own


def attacked_clusters(case: Case, *, found: Fraction) -> dict[str, str]:
    """Return the clusters that clustering finds in an attacked case.

    Of the copies of each source, the first `found` of them, rounded down.
    """
    copies: dict[str, list[str]] = {}
    for source in case.facts.sizes:
        base, mark, _ = source.partition(_MARK)
        if mark:
            copies.setdefault(base, []).append(source)
    clusters = {}
    for base, members in copies.items():
        n_found = int(len(members) * found)
        ordered = sorted(members, key=lambda s: int(s.partition(_MARK)[2]))
        for source in ordered[:n_found]:
            clusters[source] = clusters[base] = base
    return clusters


def _scaled(
    found: OutputAttribution, factors: Mapping[str, Mapping[str, Fraction]]
) -> OutputAttribution:
    """Replace sources by others with multiples of their influence.

    Args:
        found: The attribution before.
        factors: For each source that changes, its successors and what multiple
            of its influence each has.
    """
    rows: list[tuple[ShareRecord, str, Fraction]] = []
    for share in found.shares:
        successors = factors.get(share.source_id, {share.source_id: Fraction(1)})
        rows += [(share, name, factor) for name, factor in successors.items()]
    total = found.unattributed
    total += sum((s.share * factor for s, _, factor in rows), start=Fraction(0))
    shares = tuple(
        replace(
            s,
            source_id=name,
            share=s.share * factor / total,
            low=min(s.low * factor, s.share * factor) / total,
            high=min(Fraction(1), max(s.high * factor, s.share * factor) / total),
        )
        for s, name, factor in rows
    )
    rest = 1 - sum((s.share for s in shares), start=Fraction(0))
    return replace(found, shares=shares, unattributed=rest)


def _changed(
    case: Case,
    factors: Mapping[str, Mapping[str, Fraction]],
    *,
    sizes: Mapping[str, Size],
    is_new_catalogue: bool = False,
) -> Case:
    facts = case.facts
    added = {n: s for s, names in factors.items() for n in names if n != s}
    catalogues, works = dict(facts.catalogues), dict(facts.works)
    for name, source in added.items():
        works[name] = facts.works.get(source, source) if not is_new_catalogue else name
        catalogues[name] = name if is_new_catalogue else facts.catalogue_of(source)
    changed: Facts = replace(facts, sizes=sizes, catalogues=catalogues, works=works)
    return replace(
        case,
        attributions={o: _scaled(a, factors) for o, a in case.attributions.items()},
        facts=changed,
    )


def _split(n_pieces: int) -> Apply:
    def apply(case: Case, own: frozenset[str]) -> Case:
        sizes = {s: size for s, size in case.facts.sizes.items() if s not in own}
        factors: dict[str, dict[str, Fraction]] = {}
        for source in sorted(own & case.facts.sizes.keys()):
            pieces = [copy_of(source, i) for i in range(n_pieces)]
            factors[source] = dict.fromkeys(pieces, Fraction(1, n_pieces))
            size = case.facts.sizes[source]
            length = Fraction(size.duration_ms) / n_pieces
            sizes |= {
                p: Size(n_recordings=size.n_recordings, duration_ms=length)
                for p in pieces
            }
        return _changed(case, factors, sizes=sizes, is_new_catalogue=True)

    return apply


def _copies(
    n_copies: int, fidelity: Fraction
) -> Callable[[Case, frozenset[str]], Case]:
    def apply(case: Case, own: frozenset[str]) -> Case:
        sizes = dict(case.facts.sizes)
        factors: dict[str, dict[str, Fraction]] = {}
        for source in sorted(own & case.facts.sizes.keys()):
            copies = [copy_of(source, i) for i in range(n_copies)]
            factors[source] = {source: Fraction(1), **dict.fromkeys(copies, fidelity)}
            sizes |= dict.fromkeys(copies, sizes[source])
        return _changed(case, factors, sizes=sizes)

    return apply


def _inflated(factor: Fraction) -> Apply:
    def apply(case: Case, own: frozenset[str]) -> Case:
        factors = {source: {source: factor} for source in own}
        return _changed(case, factors, sizes=case.facts.sizes)

    return apply


_LISTED = (
    Attack(
        name="split",
        meaning="each recording cut into 10 pieces, each a catalogue of its own, with "
        "a tenth of its influence and length; half of the pieces are recognised",
        apply=_split(10),
        found=Fraction(1, 2),
    ),
    Attack(
        name="duplicates",
        meaning="10 exact copies of each recording, each with all of its influence",
        apply=_copies(10, Fraction(1)),
        found=Fraction(1),
    ),
    Attack(
        name="near-duplicates",
        meaning="10 altered copies of each recording, each with 9/10 of its "
        "influence; 9 of 10 are recognised",
        apply=_copies(10, Fraction(9, 10)),
        found=Fraction(9, 10),
    ),
    Attack(
        name="outliers-185",
        meaning="recordings altered to attract 1.85 more times their influence, "
        "without any more effect on the model (arXiv 2409.05657, the least)",
        apply=_inflated(Fraction(285, 100)),
        inflation=Fraction(285, 100),
    ),
    Attack(
        name="outliers-643",
        meaning="recordings altered to attract 6.43 more times their influence, "
        "without any more effect on the model (arXiv 2409.05657, the most)",
        apply=_inflated(Fraction(743, 100)),
        inflation=Fraction(743, 100),
    ),
)
ATTACKS: Mapping[str, Attack] = MappingProxyType({a.name: a for a in _LISTED})
"""Every trick of the lab, by name."""
