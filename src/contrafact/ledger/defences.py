"""What keeps a catalogue from being paid for tricks instead of influence.

Every defence takes money out of the attributed bucket and puts it in another,
in sight: into the background, or on hold for somebody to look at.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from statistics import median

from contrafact.ledger.case import Case, Division, Place, Size
from contrafact.ledger.policies.base import Policy, corpus_parts, usage_weights
from contrafact.ledger.records import OutputAttribution

__all__ = [
    "UNDER_REVIEW",
    "Defences",
    "cap_influence",
    "cluster_duplicates",
    "defended",
    "gate_growth",
    "gate_outliers",
]

UNDER_REVIEW = "grew faster than the gate allows; under review"
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class Defences:
    """Which defences are on.

    Attributes:
        clusters: The cluster of each source that has duplicates, by id; found
            by digest, fingerprint or ear, but not here.
        cap: Largest share of one catalogue in one output; None for no cap.
        fence: How many robust deviations of the logarithm of influence per
            minute a catalogue may lie above the median; None for no gate.
        growth: How much more than in `history` a catalogue may be paid, as a
            part of that; None for no gate.
        history: By catalogue, the part of the pool that it had before. One
            that is not in it is new; its part of the corpus stands in.
    """

    clusters: Mapping[str, str] = field(default_factory=dict)
    cap: Fraction | None = None
    fence: Fraction | None = None
    growth: Fraction | None = None
    history: Mapping[str, Fraction] = field(default_factory=dict)


def defended(policy: Policy, defences: Defences) -> Policy:
    """Return a policy that divides as another does, behind defences."""

    def divide(case: Case) -> Division:
        safe = cluster_duplicates(case, defences.clusters)
        if defences.fence is not None:
            safe = gate_outliers(safe, defences.fence)
        if defences.cap is not None:
            safe = cap_influence(safe, defences.cap)
        division = policy.divide(safe)
        if defences.growth is None:
            return division
        return gate_growth(
            division, safe, growth=defences.growth, history=defences.history
        )

    return replace(policy, name=f"{policy.name}+defences", divide=divide)


def _with_shares(
    found: OutputAttribution, shares: Mapping[str, Fraction]
) -> OutputAttribution:
    """Return the attribution with these shares; what is less is unattributed."""
    kept = tuple(
        replace(
            s,
            share=shares[s.source_id],
            low=min(s.low, shares[s.source_id]),
            high=max(min(s.high, s.high * shares[s.source_id] / s.share), s.low)
            if s.share and shares[s.source_id] < s.share
            else s.high,
        )
        if s.is_significant
        else s
        for s in found.shares
    )
    # An end of an interval never crosses the share it belongs to.
    kept = tuple(replace(s, high=max(s.high, s.share)) for s in kept)
    rest = 1 - sum((s.share for s in kept), start=Fraction(0))
    return replace(found, shares=kept, unattributed=rest)


def _significant(found: OutputAttribution) -> dict[str, Fraction]:
    return {s.source_id: s.share for s in found.shares if s.is_significant}


def cluster_duplicates(case: Case, clusters: Mapping[str, str]) -> Case:
    """Count the members of each cluster as one source.

    A cluster has the share of the member that has most, in each output, and
    the length of its longest member, however many copies there are; its
    members divide these as they had them. What copies would have added is
    unattributed.
    """
    if not clusters:
        return case
    attributions = {}
    for output, found in case.attributions.items():
        shares = _significant(found)
        most: dict[str, Fraction] = defaultdict(Fraction)
        total: dict[str, Fraction] = defaultdict(Fraction)
        for source, share in shares.items():
            cluster = clusters.get(source, source)
            most[cluster] = max(most[cluster], share)
            total[cluster] += share
        kept = {
            source: share * most[c] / total[c] if total[c] else share
            for source, share in shares.items()
            for c in (clusters.get(source, source),)
        }
        attributions[output] = _with_shares(found, kept)
    sizes = _clustered_sizes(case.facts.sizes, clusters)
    works = {**case.facts.works, **_clustered_works(case.facts.works, clusters)}
    return replace(
        case,
        attributions=attributions,
        facts=replace(case.facts, sizes=sizes, works=works),
    )


def _clustered_works(
    works: Mapping[str, str], clusters: Mapping[str, str]
) -> dict[str, str]:
    """Give the members of a cluster one work: the smallest id of theirs."""
    first: dict[str, str] = {}
    for source, cluster in clusters.items():
        work = works.get(source, source)
        first[cluster] = min(first.get(cluster, work), work)
    return {source: first[cluster] for source, cluster in clusters.items()}


def _clustered_sizes(
    sizes: Mapping[str, Size], clusters: Mapping[str, str]
) -> dict[str, Size]:
    members: dict[str, list[str]] = defaultdict(list)
    for source in sizes:
        members[clusters.get(source, source)].append(source)
    found = {}
    for own in members.values():
        longest = max(sizes[s].duration_ms for s in own)
        most = max(sizes[s].n_recordings for s in own)
        for source in own:
            found[source] = Size(
                n_recordings=Fraction(most) / len(own),
                duration_ms=Fraction(longest) / len(own),
            )
    return found


def cap_influence(case: Case, cap: Fraction) -> Case:
    """Give no catalogue more than `cap` of one output; the rest is unattributed."""
    attributions = {}
    for output, found in case.attributions.items():
        shares = _significant(found)
        totals: dict[str, Fraction] = defaultdict(Fraction)
        for source, share in shares.items():
            totals[case.facts.catalogue_of(source)] += share
        kept = {}
        for source, share in shares.items():
            total = totals[case.facts.catalogue_of(source)]
            kept[source] = share * cap / total if total > cap else share
        attributions[output] = _with_shares(found, kept)
    return replace(case, attributions=attributions)


def gate_outliers(case: Case, fence: Fraction) -> Case:
    """Bring catalogues that attract unlikely much influence down to a fence.

    Influence per minute is compared by its logarithm with the median of all
    catalogues that have any, in robust deviations (median absolute deviation).
    With fewer than three catalogues, nothing is an outlier.

    References:
        Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993, for
        the rule and its usual fence of 3.5.
    """
    intensity = _intensities(case)
    logs = [math.log(x) for x in intensity.values()]
    if len(logs) < 3:
        return case
    middle = median(logs)
    deviation = median(abs(x - middle) for x in logs) * _MAD_TO_SIGMA
    limit = Fraction(math.exp(middle + float(fence) * deviation)).limit_denominator(
        10**12
    )
    scale = {c: limit / x for c, x in intensity.items() if x > limit}
    attributions = {}
    for output, found in case.attributions.items():
        kept = {
            source: share * scale.get(case.facts.catalogue_of(source), Fraction(1))
            for source, share in _significant(found).items()
        }
        attributions[output] = _with_shares(found, kept)
    return replace(case, attributions=attributions)


def _intensities(case: Case) -> dict[str, Fraction]:
    """Return each catalogue's share of the pool over its share of the corpus."""
    parts = corpus_parts(case, by="minutes")
    size: dict[str, Fraction] = defaultdict(Fraction)
    for source, part in parts.items():
        size[case.facts.catalogue_of(source)] += part
    share: dict[str, Fraction] = defaultdict(Fraction)
    for (output, _), weight in usage_weights(case.usage).items():
        if output in case.attributions:
            for source, part in _significant(case.attributions[output]).items():
                share[case.facts.catalogue_of(source)] += weight * part
    return {c: x / size[c] for c, x in sorted(share.items()) if x and size[c]}


def gate_growth(
    division: Division, case: Case, *, growth: Fraction, history: Mapping[str, Fraction]
) -> Division:
    """Hold what a catalogue has above its history, for somebody to look at.

    All that it would be paid counts, attributed or not. What is held is not
    lost: after a review it is released, or becomes background.
    """
    catalogue = case.facts.catalogue_of
    corpus: dict[str, Fraction] = defaultdict(Fraction)
    for source, part in corpus_parts(case, by="minutes").items():
        corpus[catalogue(source)] += part
    totals: dict[str, Fraction] = defaultdict(Fraction)
    for parts in (division.attributed, division.background):
        for (source, _), part in parts.items():
            totals[catalogue(source)] += part
    keep: dict[str, Fraction] = {}
    for name, total in totals.items():
        limit = (1 + growth) * history.get(name, corpus.get(name, Fraction(0)))
        keep[name] = min(Fraction(1), limit / total) if total else Fraction(1)

    def kept(
        parts: Mapping[tuple[str, Place], Fraction],
    ) -> dict[tuple[str, Place], Fraction]:
        return {key: part * keep[catalogue(key[0])] for key, part in parts.items()}

    attributed, background = kept(division.attributed), kept(division.background)
    held = dict(division.held)
    paid = sum((*attributed.values(), *background.values()), start=Fraction(0))
    over = 1 - paid - sum(held.values(), start=Fraction(0))
    if over:
        held[UNDER_REVIEW] = over
    return Division(attributed=attributed, background=background, held=held)
