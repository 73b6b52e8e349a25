"""Split plans from what the workspace knows: attributions and shares of rights.

A plan is a policy's answer for one output, in exact fractions: the same that
`contrafact allocate run` gives for a file of plays, kept so that every later
play of the output follows it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

from contrafact.catalog import Workspace
from contrafact.core.errors import PlanError
from contrafact.ledger.allocation import Line, allocate
from contrafact.ledger.book import Book
from contrafact.ledger.case import Case, Place, Usage
from contrafact.ledger.journal import Journal
from contrafact.ledger.money import Money
from contrafact.ledger.policies import Policy, find_policy
from contrafact.ledger.rates import PlanLine, SplitPlan, effective, plan_from_json
from contrafact.workflows.attributed import corpus_facts, read_attributions
from contrafact.workflows.holdings import catalog_holdings
from contrafact.workflows.ledger import (
    JournalSettings,
    open_journal,
    read_settings,
    write_settings,
)
from contrafact.workflows.reliability import measured_reliability

__all__ = ["Planned", "add_plan_file", "make_plans", "plan_outputs", "sync_plans"]

ALWAYS = date(1971, 1, 1)
"""A plan that comes with its attribution is for all plays of the output."""

_KIND_OF = {"master": "recording", "composition": "work"}
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What came of making plans.

    Attributes:
        n_outputs: Outputs with an attribution.
        n_new: Plans that were not in the journal.
        notices: What a reader must know.
    """

    n_outputs: int
    n_new: int
    notices: tuple[str, ...] = ()


class _Known:
    """What plans are made from."""

    def __init__(self, workspace: Workspace, settings: JournalSettings) -> None:
        self.settings = settings
        self.rates = {right: Fraction(part) for right, part in settings.rates}
        if sum(self.rates.values()) != 1 or set(self.rates) - set(_KIND_OF):
            raise PlanError(
                f"The parts of the rights are {dict(settings.rates)}; they must be of "
                f"{' and '.join(_KIND_OF)}, and sum to 1. Correct them."
            )
        self.holdings, notices = catalog_holdings(
            workspace, by_credits=settings.by_credits
        )
        self.attributions, more = read_attributions(workspace)
        self.notices = (*notices, *more)
        with workspace.catalog() as catalog:
            recordings = catalog.recordings()
        self.policy = _policy(settings.policy)
        self.facts = {}
        for right in self.rates:
            attributed = self.attributions.get(_KIND_OF[right], {})
            facts = corpus_facts(right, recordings, attributed)
            measured = measured_reliability(workspace, facts)
            self.facts[right] = replace(facts, reliability=measured)

    def territories(self) -> list[frozenset[str] | None]:
        """Return countries that a holding names, alone, and then all others."""
        named = {c for h in self.holdings for c in h.territory or ()}
        return [*(frozenset({country}) for country in sorted(named)), None]

    def spans(self) -> list[tuple[date, date | None]]:
        """Return spans of days in which no holding begins or ends."""
        starts = {ALWAYS}
        for holding in self.holdings:
            if holding.valid_from is not None and holding.valid_from > ALWAYS:
                starts.add(holding.valid_from)
            if holding.valid_until is not None and holding.valid_until < date.max:
                starts.add(holding.valid_until + _DAY)
        days = sorted(starts)
        ends = [day - _DAY for day in days[1:]]
        return list(zip(days, [*ends, None], strict=True))


def _policy(name: str) -> Policy:
    policy = find_policy(name)
    if not policy.fits_plans:
        raise PlanError(
            f"'{name}' needs more than one song and its attribution, so that no split "
            "plan can follow it. Run `contrafact allocate run` for each month, or "
            "choose another policy."
        )
    return policy


def make_plans(
    workspace: Workspace, settings: JournalSettings, *, outputs: Iterable[str] = ()
) -> tuple[list[SplitPlan], tuple[str, ...]]:
    """Return the plans of all attributed outputs, and notices.

    There is one for every span of days and every country in which other
    parties hold the rights, and one for all other countries.

    Args:
        workspace: With attributions and shares on record.
        settings: Policy, rates of rights, credits.
        outputs: Only these; all if none is named.

    Raises:
        PlanError: If the rates do not sum to 1, or plans cannot follow the policy.
        AllocationError: If there is no such policy.
    """
    known = _Known(workspace, settings)
    wanted = set(outputs) or {o for of in known.attributions.values() for o in of}
    plans = [plan for output in sorted(wanted) for plan in _plans(output, known)]
    return plans, known.notices


def _plans(output: str, known: _Known) -> Iterator[SplitPlan]:
    runs = [of[output] for of in known.attributions.values() if output in of]
    if not runs:
        return
    for first, last in known.spans():
        common: tuple[PlanLine, ...] = ()
        for territory in reversed(known.territories()):
            place = Place(min(territory or {""}), first)
            lines = tuple(_lines(output, place, known))
            if territory is None:
                common = lines
            elif lines == common:
                continue
            yield SplitPlan(
                output_id=output,
                lines=lines,
                attribution_id=runs[0].attribution_id,
                model=runs[0].model,
                corpus=runs[0].corpus,
                policy=known.policy.id,
                valid_from=first,
                valid_until=last,
                territory=territory,
            )


def _lines(output: str, place: Place, known: _Known) -> Iterator[PlanLine]:
    """Yield the lines of a plan: one for each source and payee, or for a rest."""
    for right, part in sorted(known.rates.items()):
        of = known.attributions.get(_KIND_OF[right], {})
        case = Case(
            right=right,
            usage=(Usage(output, "", place, 1, 1),),
            attributions={output: of[output]} if output in of else {},
            facts=known.facts[right],
        )
        found = allocate(
            Money.of(1, "EUR"),
            case,
            policy=known.policy,
            holdings=known.holdings,
        )
        shares = {s.source_id: s for s in of[output].shares} if output in of else {}
        for line in _joined(found.lines):
            share = shares.get(line.source_id) if line.bucket == "attributed" else None
            fraction = line.part / share.share if share and share.share else None
            yield PlanLine(
                bucket=line.bucket,
                payee=line.payee,
                right=right,
                source_id=line.source_id,
                weight=part * line.part,
                part=part,
                share=None if share is None else share.share,
                low=None if share is None else share.low,
                high=None if share is None else share.high,
                fraction=fraction,
                hold_reason="" if line.payee else line.reason or "unmatched",
            )


def _joined(lines: Sequence[Line]) -> list[Line]:
    """Take background and held parts of a payee together, over all sources.

    The background is spread over every licensed source; a line for each would
    hide the few that were told apart.
    """
    found: dict[tuple[str, str, str, str], Line] = {}
    for line in lines:
        is_own = line.bucket == "attributed"
        source = line.source_id if is_own else ""
        key = (line.payee or "", line.bucket, source, line.reason)
        part = line.part + (found[key].part if key in found else 0)
        found[key] = replace(line, source_id=source, part=part)
    return [found[key] for key in sorted(found) if found[key].part]


def sync_plans(workspace: Workspace, journal: Journal) -> Planned:
    """Give every attributed output that has no plan its plan.

    Raises:
        PlanError: If the workspace's settings cannot be used.
    """
    settings = read_settings(workspace)
    planned = journal.planned_outputs()
    runs = sorted(workspace.attributions_dir.glob("*/attribution.json"))
    if not runs:
        return Planned(n_outputs=0, n_new=0)
    attributed, _ = read_attributions(workspace)
    outputs = {output for of in attributed.values() for output in of}
    missing = outputs - planned
    if not missing:
        return Planned(n_outputs=len(outputs), n_new=0)
    plans, notices = make_plans(workspace, settings, outputs=missing)
    n_new = journal.add_plans(plans)
    return Planned(n_outputs=len(outputs), n_new=n_new, notices=notices)


def plan_outputs(
    workspace: Workspace, settings: JournalSettings, *, start: date | None = None
) -> Planned:
    """Make plans for all attributed outputs, and keep the settings for later ones.

    Args:
        workspace: With attributions and shares on record.
        settings: Policy, rates of rights, credits.
        start: From this day on, plans replace those that say otherwise. If
            None, only outputs without a plan get one.

    Raises:
        PlanError: If the rates do not sum to 1, or plans overlap.
        AllocationError: If there is no such policy.
    """
    plans, notices = make_plans(workspace, settings)
    with open_journal(workspace) as journal:
        book = journal.book()
        plans = list(_changed(plans, book, start))
        n_new = journal.add_plans(plans)
    write_settings(workspace, settings)
    outputs = {plan.output_id for plan in plans}
    return Planned(n_outputs=len(outputs), n_new=n_new, notices=notices)


def _changed(
    plans: Iterable[SplitPlan], book: Book, start: date | None
) -> Iterator[SplitPlan]:
    """Yield plans of new outputs, and from a day on those that differ."""
    known: dict[str, list[SplitPlan]] = defaultdict(list)
    for one in book.plans:
        known[one.version.output_id].append(one.version)
    for plan in plans:
        old = known.get(plan.output_id)
        if old is None:
            yield plan
        elif start is not None and (plan.valid_until or date.max) >= start:
            now = [p for p, _, last in effective(old) if last >= start]
            same = [p for p in now if p.territory == plan.territory]
            new = replace(plan, valid_from=max(start, plan.valid_from))
            if same and same[0].lines != plan.lines:
                yield replace(new, replaces=same[0].id)
            elif not same:
                yield new


def add_plan_file(workspace: Workspace, path: Path) -> Planned:
    """Take in split plans of a JSON file, all or none.

    Raises:
        PlanError: If the file cannot be read, or a plan overlaps another.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"), parse_float=str)
    except (OSError, ValueError) as error:
        raise PlanError(f"Cannot read {path}: {error}. Give a JSON list.") from error
    if not isinstance(plain, list) or not all(isinstance(p, dict) for p in plain):
        raise PlanError(f"{path} is no JSON list of plans. See docs/ledger.md.")
    plans = [plan_from_json(document) for document in plain]
    with open_journal(workspace) as journal:
        n_new = journal.add_plans(plans)
    return Planned(n_outputs=len({p.output_id for p in plans}), n_new=n_new)
