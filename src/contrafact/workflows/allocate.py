"""Allocate what plays earned: from a file of events to money for each payee."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from contrafact.catalog import Workspace
from contrafact.core.entities import Problem
from contrafact.core.errors import AllocationError
from contrafact.ledger.allocation import Allocation, allocate, divide_pool
from contrafact.ledger.attacks import ATTACKS
from contrafact.ledger.case import Case, Places, make_usage
from contrafact.ledger.codecs import read_plays
from contrafact.ledger.defences import Defences, defended
from contrafact.ledger.intervals import Intervals, money_intervals
from contrafact.ledger.lab import (
    AttackResult,
    Compared,
    compare,
    measure_attack,
    usual_defences,
)
from contrafact.ledger.money import Currency, Money
from contrafact.ledger.policies import find_policy
from contrafact.ledger.policies.base import NO_ATTRIBUTION
from contrafact.ledger.records import Holding, PlayEvent
from contrafact.ledger.terms import Payment, PaymentTerms, Terms, settle
from contrafact.workflows.attributed import corpus_facts, read_attributions
from contrafact.workflows.facts import read_facts
from contrafact.workflows.holdings import catalog_holdings, payee_names
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.reliability import measured_reliability

__all__ = [
    "AllocationRun",
    "AllocationSettings",
    "Comparison",
    "allocate_events",
    "compare_policies",
    "read_attributions",
]

_KIND_OF = {"master": "recording", "composition": "work"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationSettings:
    """How money is allocated.

    Attributes:
        policies: Names; a comparison takes the first as its baseline.
        rates: The part of the pool of each right; they sum to 1.
        pool: Units to allocate; what the events earned if None.
        terms: Caps and floors.
        payment: Minimum, advances and what was carried over.
        by_credits: Pay by the catalog's credits where no share is on record.
        facts: A JSON file of reliabilities, utilities and the like.
        is_defended: Put the lab's usual defences around each policy.
        draws: For the money intervals.
        has_attacks: Whether a comparison tries the tricks of the lab.
    """

    policies: tuple[str, ...]
    rates: Mapping[str, Fraction] = field(
        default_factory=lambda: {"master": Fraction(1)}
    )
    pool: int | None = None
    terms: Terms = field(default_factory=Terms)
    payment: PaymentTerms = field(default_factory=PaymentTerms)
    by_credits: bool = False
    facts: Path | None = None
    is_defended: bool = False
    draws: int = 100
    has_attacks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRun:
    """What an allocation found.

    Attributes:
        allocations: By right.
        intervals: By right: of payees and of buckets.
        payments: Over all rights.
        names: Of the payees.
        held_since: When the oldest held event was, by reason.
        problems: Lines of the file that were left out.
        inputs: Digest of the file, and the attributions, models and corpora.
    """

    allocations: Mapping[str, Allocation]
    intervals: Mapping[str, Intervals]
    payments: tuple[Payment, ...]
    names: Mapping[str, str]
    held_since: Mapping[str, datetime]
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the lab found.

    Attributes:
        compared: By right: one for each policy, the baseline first.
        attacks: By right: each policy under each trick, without defences.
        defended: The same behind the usual defences.
    """

    compared: Mapping[str, tuple[Compared, ...]]
    attacks: Mapping[str, tuple[AttackResult, ...]]
    defended: Mapping[str, tuple[AttackResult, ...]]
    names: Mapping[str, str]
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    events: tuple[PlayEvent, ...]
    digest: str
    problems: tuple[Problem, ...]
    pools: Mapping[str, Money]
    cases: Mapping[str, Case]
    holdings: list[Holding]
    notices: tuple[str, ...]


def allocate_events(
    workspace: Workspace,
    events: Path,
    settings: AllocationSettings,
    *,
    progress: Progress = silent,
) -> AllocationRun:
    """Allocate what the events of a file earned, by one policy.

    Attributions are those of the workspace; shares of rights are those on
    record in it. Nothing is written.

    Args:
        workspace: Where they are.
        events: JSON lines or CSV, as `codecs.read_plays` takes them.
        settings: How; its first policy counts.
        progress: Told of every right.

    Raises:
        AllocationError: If no line is of use, or the input contradicts itself.
    """
    inputs = _read(workspace, events, settings)
    policy = find_policy(settings.policies[0])
    allocations, intervals = {}, {}
    for number, (right, case) in enumerate(inputs.cases.items()):
        progress("allocating", number, len(inputs.cases))
        used = defended(policy, _defences(settings)) if settings.is_defended else policy
        allocations[right] = allocate(
            inputs.pools[right],
            case,
            policy=used,
            holdings=inputs.holdings,
            terms=settings.terms,
        )
        intervals[right] = money_intervals(
            inputs.pools[right],
            case,
            policy=used,
            holdings=inputs.holdings,
            terms=settings.terms,
            draws=settings.draws,
        )
    progress("allocating", len(inputs.cases), len(inputs.cases))
    earned: dict[str, int] = defaultdict(int)
    for allocation in allocations.values():
        for payee, amount in allocation.by_payee.items():
            earned[payee] += amount
    return AllocationRun(
        allocations=allocations,
        intervals=intervals,
        payments=settle(earned, settings.payment),
        names=payee_names(workspace),
        held_since=_since(inputs, allocations),
        problems=inputs.problems,
        notices=inputs.notices,
        inputs=_provenance(inputs),
    )


def compare_policies(
    workspace: Workspace,
    events: Path,
    settings: AllocationSettings,
    *,
    progress: Progress = silent,
) -> Comparison:
    """Put the same money through several policies, and let each be attacked.

    Args:
        workspace: As for `allocate_events`, like the other arguments.
        events: As there.
        settings: As there.
        progress: Told of every policy under attack.

    Raises:
        AllocationError: As there.
    """
    inputs = _read(workspace, events, settings)
    policies = [find_policy(name) for name in settings.policies]
    compared: dict[str, tuple[Compared, ...]] = {}
    attacks: dict[str, tuple[AttackResult, ...]] = {}
    behind: dict[str, tuple[AttackResult, ...]] = {}
    n_all = len(inputs.cases) * len(policies) * len(ATTACKS)
    for right, case in inputs.cases.items():
        compared[right] = compare(
            inputs.pools[right],
            case,
            policies=policies,
            holdings=inputs.holdings,
            terms=settings.terms,
            draws=settings.draws,
        )
        plain, safe = [], []
        for policy in policies if settings.has_attacks else ():
            defences = usual_defences(policy, case)
            for name in ATTACKS:
                plain.append(measure_attack(policy, case, attack=name))
                safe.append(
                    measure_attack(
                        policy, case, attack=name, defences=defences, is_remeasured=True
                    )
                )
                progress("attacking", len(attacks) * n_all + len(plain), n_all)
        attacks[right], behind[right] = tuple(plain), tuple(safe)
    return Comparison(
        compared=compared,
        attacks=attacks,
        defended=behind,
        names=payee_names(workspace),
        problems=inputs.problems,
        notices=inputs.notices,
    )


def _defences(settings: AllocationSettings) -> Defences:
    """Return the usual defences, with clusters and history from the facts' file."""
    known = read_facts(settings.facts)
    return Defences(
        clusters=known.clusters,
        cap=Fraction(1, 2),
        fence=Fraction(7, 2),
        growth=Fraction(1, 5) if known.history else None,
        history=known.history,
    )


def _read(workspace: Workspace, path: Path, settings: AllocationSettings) -> _Inputs:
    if unknown := sorted(set(settings.rates) - set(_KIND_OF)):
        raise AllocationError(
            f"There is no right '{unknown[0]}'; there are {', '.join(_KIND_OF)}."
        )
    problems: list[Problem] = []
    events, digest = _read_events(path, problems)
    holdings, notices = catalog_holdings(workspace, by_credits=settings.by_credits)
    known = read_facts(settings.facts)
    documents, more = read_attributions(workspace)
    usage = make_usage(events, places=Places(holdings))
    cases = {}
    with workspace.catalog() as catalog:
        recordings = catalog.recordings()
    for right in sorted(settings.rates):
        attributions = documents.get(_KIND_OF[right], {})
        facts = corpus_facts(right, recordings, attributions)
        measured = measured_reliability(workspace, facts)
        cases[right] = Case(
            right=right,
            usage=usage,
            attributions=attributions,
            facts=known.added_to(facts, measured=measured),
        )
    unique = {e.event_id: e for e in events}
    total = sum(e.amount_minor for e in unique.values())
    currency = Currency.of(events[0].currency)
    pool = Money(total if settings.pool is None else settings.pool, currency)
    return _Inputs(
        events=tuple(unique.values()),
        digest=digest,
        problems=tuple(problems),
        pools=divide_pool(pool, settings.rates),
        cases=cases,
        holdings=holdings,
        notices=(*notices, *more, *known.notices),
    )


def _read_events(
    path: Path, problems: list[Problem]
) -> tuple[tuple[PlayEvent, ...], str]:
    """Return the events of a file that can be used, and SHA-256 of the file."""
    try:
        data = path.read_bytes()
        # At line feeds alone: a text may hold other ends of lines.
        lines = data.decode("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AllocationError(
            f"Cannot read {path}: {error}. Give JSON lines or CSV in UTF-8."
        ) from error
    events = tuple(read_plays(lines, source=path.name, report=problems.append))
    if not events:
        first = f" The first problem: {problems[0]}" if problems else ""
        raise AllocationError(f"{path} has no event that can be used.{first}")
    return events, hashlib.sha256(data).hexdigest()


def _since(
    inputs: _Inputs, allocations: Mapping[str, Allocation]
) -> dict[str, datetime]:
    """Return when the oldest event was that is held for each reason."""
    found = {}
    for right, allocation in allocations.items():
        known = inputs.cases[right].attributions
        for reason in allocation.held:
            of = [
                e.at
                for e in inputs.events
                if reason != NO_ATTRIBUTION or e.output_id not in known
            ]
            found[reason] = min(of)
    return found


def _provenance(inputs: _Inputs) -> dict[str, Any]:
    used = {e.output_id for e in inputs.events}
    runs = [
        a
        for case in inputs.cases.values()
        for output, a in case.attributions.items()
        if output in used
    ]
    return {
        "events_sha256": inputs.digest,
        "n_events": len(inputs.events),
        "attributions": sorted({a.attribution_id for a in runs}),
        "models": sorted({a.model for a in runs}),
        "corpora": sorted({a.corpus for a in runs}),
    }
