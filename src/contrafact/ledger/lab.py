"""The allocation lab: the same money under several policies, and under attack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import median

from contrafact.ledger.allocation import Allocation, allocate
from contrafact.ledger.attacks import ATTACKS, Attack, attacked_clusters, is_of
from contrafact.ledger.case import Case, Division
from contrafact.ledger.defences import Defences, defended
from contrafact.ledger.intervals import Intervals, money_intervals, told_apart
from contrafact.ledger.money import Money
from contrafact.ledger.policies.base import Policy
from contrafact.ledger.records import Holding
from contrafact.ledger.terms import Terms

__all__ = [
    "TARGET",
    "AttackResult",
    "Compared",
    "Inequality",
    "compare",
    "gini",
    "inequality",
    "measure_attack",
    "usual_defences",
]

TARGET = Fraction(1, 5)
"""The largest gain by a trick that is accepted: +20 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inequality:
    """How unequal payments are; all numbers in [0, 1].

    Attributes:
        gini: 0 if all get the same.
        top: The part of the payee who gets most.
        top_tenth: The part of the tenth who get most, at least one payee.
        herfindahl: The sum of squared parts; one over it is how many payees
            of equal size would be as concentrated.
    """

    gini: float
    top: float
    top_tenth: float
    herfindahl: float
    n_payees: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One policy's allocation beside that of the baseline.

    Attributes:
        changes: By payee: units gained or lost against the baseline.
        intervals: Of payees and buckets, from the intervals of the shares.
    """

    allocation: Allocation
    changes: Mapping[str, int]
    intervals: Intervals
    inequality: Inequality


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackResult:
    """What a trick gains when each catalogue in turn tries it.

    Attributes:
        worst: Largest gain as a part of honest pay; 1 is twice the pay.
        worst_catalogue: Who has it.
        median: Of all catalogues.
        within_target: Part of the catalogues that gain at most 20 %.
    """

    policy: str
    attack: str
    worst: Fraction
    worst_catalogue: str
    median: Fraction
    within_target: Fraction
    n_catalogues: int


def gini(amounts: Iterable[int]) -> Fraction:
    """Return the Gini coefficient of amounts, all 0 or more; 0 if there is nothing.

    Example:
        >>> gini([1, 1, 1]), gini([0, 0, 0, 8])
        (Fraction(0, 1), Fraction(3, 4))
    """
    ordered = sorted(amounts)
    total, n = sum(ordered), len(ordered)
    if total == 0:
        return Fraction(0)
    ranked = sum(rank * amount for rank, amount in enumerate(ordered, start=1))
    return Fraction(2 * ranked, n * total) - Fraction(n + 1, n)


def inequality(amounts: Sequence[int]) -> Inequality:
    """Return how unequal amounts are; those who get nothing count too."""
    ordered, total = sorted(amounts, reverse=True), sum(amounts)
    n_top = max(1, len(ordered) // 10)

    def part(units: int) -> float:
        return units / total if total else 0.0

    return Inequality(
        gini=float(gini(amounts)),
        top=part(sum(ordered[:1])),
        top_tenth=part(sum(ordered[:n_top])),
        herfindahl=sum(part(a) ** 2 for a in amounts),
        n_payees=len(ordered),
    )


def compare(
    pool: Money,
    case: Case,
    *,
    policies: Sequence[Policy],
    holdings: Iterable[Holding],
    terms: Terms | None = None,
    draws: int = 100,
) -> tuple[Compared, ...]:
    """Allocate the same pool by several policies; the first is the baseline.

    Args:
        pool: Of one right.
        case: What was used.
        policies: At least one.
        holdings: Who holds what; everybody in it is a payee of the table.
        terms: Caps and floors, the same for all.
        draws: For the money intervals; 0 for none.
    """
    held = [h for h in holdings if h.right == case.right]
    allocations = [
        allocate(pool, case, policy=p, holdings=held, terms=terms) for p in policies
    ]
    payees = {h.payee for h in held if h.payee is not None}
    payees |= {payee for a in allocations for payee in a.by_payee}
    base = allocations[0].by_payee
    found = []
    for policy, allocation in zip(policies, allocations, strict=True):
        own = allocation.by_payee
        found.append(
            Compared(
                allocation=allocation,
                changes={p: own.get(p, 0) - base.get(p, 0) for p in sorted(payees)},
                intervals=money_intervals(
                    pool, case, policy=policy, holdings=held, terms=terms, draws=draws
                ),
                inequality=inequality([own.get(p, 0) for p in payees]),
            )
        )
    return tuple(found)


def _pay(division: Division) -> dict[str, Fraction]:
    """Return each source's part of the pool, attributed and background."""
    found: dict[str, Fraction] = defaultdict(Fraction)
    for parts in (division.attributed, division.background):
        for (source, _), part in parts.items():
            found[source] += part
    return found


def _pay_by_catalogue(division: Division, case: Case) -> dict[str, Fraction]:
    found: dict[str, Fraction] = defaultdict(Fraction)
    for source, part in _pay(division).items():
        found[case.facts.catalogue_of(source)] += part
    return dict(found)


def usual_defences(policy: Policy, case: Case, *, has_history: bool = True) -> Defences:
    """Return the defences that the lab puts around a policy.

    A cap of 1/2 of an output for one catalogue, a fence of 3.5 deviations and,
    with a history, a growth of at most 20 % over what the policy pays behind
    cap and fence in the honest case.
    """
    plain = Defences(cap=Fraction(1, 2), fence=Fraction(7, 2))
    if not has_history:
        return plain
    case = told_apart(case)
    before = _pay_by_catalogue(defended(policy, plain).divide(case), case)
    return replace(plain, growth=TARGET, history=before)


def measure_attack(
    policy: Policy,
    case: Case,
    *,
    attack: Attack | str,
    defences: Defences | None = None,
    is_remeasured: bool = False,
) -> AttackResult:
    """Let each catalogue in turn try a trick; return what it gains.

    The gain is over what the catalogue is paid in the honest case under the
    same defences. Catalogues that are paid nothing there are left out.

    Args:
        policy: Under attack.
        case: The honest one.
        attack: Which trick.
        defences: What protects; clusters are those that the attack's copies
            would be found in.
        is_remeasured: Whether the reliability of the attacker was measured
            after the attack, by training without the catalogue.
    """
    trick = ATTACKS[attack] if isinstance(attack, str) else attack
    case = told_apart(case)
    own: dict[str, set[str]] = defaultdict(set)
    for source in case.facts.sizes:
        own[case.facts.catalogue_of(source)].add(source)
    safe = policy if defences is None else defended(policy, defences)
    before = _pay_by_catalogue(safe.divide(case), case)
    gains: dict[str, Fraction] = {}
    for catalogue in sorted(own):
        if not before.get(catalogue):
            continue
        attacked = trick.apply(case, frozenset(own[catalogue]))
        if is_remeasured:
            attacked = _remeasured(attacked, catalogue, trick.inflation)
        if defences is not None:
            clusters = attacked_clusters(attacked, found=trick.found)
            safe = defended(policy, replace(defences, clusters=clusters))
        members = frozenset(own[catalogue])
        after = sum(
            (p for s, p in _pay(safe.divide(attacked)).items() if is_of(s, members)),
            start=Fraction(0),
        )
        gains[catalogue] = after / before[catalogue] - 1
    return _summarised(policy.name, trick.name, gains)


def _remeasured(case: Case, catalogue: str, inflation: Fraction) -> Case:
    reliability = dict(case.facts.reliability)
    reliability[catalogue] = reliability.get(catalogue, Fraction(0)) / inflation
    return replace(case, facts=replace(case.facts, reliability=reliability))


def _summarised(
    policy: str, attack: str, gains: Mapping[str, Fraction]
) -> AttackResult:
    if not gains:
        gains = {"": Fraction(0)}
    worst = max(sorted(gains), key=lambda name: gains[name])
    within = sum(gain <= TARGET for gain in gains.values())
    return AttackResult(
        policy=policy,
        attack=attack,
        worst=gains[worst],
        worst_catalogue=worst,
        median=median(gains.values()),
        within_target=Fraction(within, len(gains)),
        n_catalogues=len(gains),
    )
