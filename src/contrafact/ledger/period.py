"""One period settled: what was divided under one root, who is paid under another.

A settlement is a pure function of the journal. It holds what is other than it
was at the closing before; so a payee can check their own part without seeing
that of others, and without plays that were settled earlier.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from contrafact.core.errors import StatementError
from contrafact.ledger._reading import PlayEntry, Pot
from contrafact.ledger.book import Book
from contrafact.ledger.money import Currency
from contrafact.ledger.rates import SplitPlan, plan_to_json
from contrafact.ledger.settlement import (
    Contents,
    Due,
    Pool,
    Pools,
    Standing,
    dues_of,
    gather,
    pool_of,
    standing_at,
)
from contrafact.ledger.trees import (
    MerkleTree,
    TreeMaker,
    canonical,
    digest_of_document,
    event_line,
    fraction_text,
)

__all__ = ["Change", "PeriodSettlement", "settle_period"]

FORMAT = 1
_NOTHING = hashlib.sha256().hexdigest()
Json = dict[str, Any]
Digests = Mapping[tuple[str, Pool], str]


class Change(NamedTuple):
    """A pool that is new, or other than it was.

    Attributes:
        state: `now`, or `was` for what it was before.
    """

    state: str
    pool: Pool
    contents: Contents


class PeriodSettlement:
    """One currency's settlement of a period, with its trees.

    Attributes:
        header: What everybody may see; its digest is what gets published.
        changes: What is other than at the closing before.
        now: The standing at its end.
        was: The standing at the closing before; None if there was none.
        is_final: Whether the period is closed.
    """

    def __init__(
        self,
        standings: tuple[Standing | None, Standing],
        changes: Sequence[Change],
        book: Book,
        *,
        period: str,
        digests: Digests,
        tree: TreeMaker,
    ) -> None:
        """Build trees and header; see `settle_period`."""
        self.was, self.now = standings
        self.changes = tuple(changes)
        self.period, self.currency = period, Currency.of(self.now.currency)
        self.is_final = book.last_closed >= period
        self._book, self._tree, self._digests = book, tree, digests
        self._plans: dict[str, tuple[Json, MerkleTree]] = {}
        self._leaves = [canonical(self._pool(change)) for change in self.changes]
        self._pools = tree(self._leaves)
        self._payees = sorted(a for a in self.now.exact if a.startswith("payee:"))
        self._payee_tree = tree(canonical(self._leaf(a)) for a in self._payees)
        self.header = self._header()

    @property
    def digest(self) -> str:
        """SHA-256 of the header."""
        return digest_of_document(self.header)

    @property
    def payees(self) -> list[str]:
        """Everybody who ever got anything, in order."""
        return [account.removeprefix("payee:") for account in self._payees]

    def _header(self) -> Json:
        plans = [c.contents.plan for c in self.changes if c.contents.plan]
        return {
            "format": FORMAT,
            "period": self.period,
            "after": self._book.closed_before(self.period),
            "currency": self.currency.code,
            "exponent": self.currency.exponent,
            "total": self.now.total,
            "total_before": 0 if self.was is None else self.was.total,
            "cut": _cut(self.now),
            "cut_before": _cut(self.was),
            "pools_root": self._pools.root().hex(),
            "n_pools": len(self._leaves),
            "payees_root": self._payee_tree.root().hex(),
            "n_payees": len(self._payees),
            "disputes": sorted({d for c in self.changes for d in c.pool.frozen}),
            "policies": sorted({plan.policy for plan in plans}),
        }

    def _leaf(self, account: str) -> Json:
        """Return what is published, under a hash, of one payee."""
        amounts, exacts = [], []
        for standing in (self.was, self.now):
            amount, exact = 0, Fraction(0)
            if standing is not None and account in standing.exact:
                amount, exact = standing.amounts[account], standing.exact[account]
            amounts.append(amount)
            exacts.append(fraction_text(exact))
        return {
            "payee": account.removeprefix("payee:"),
            "period": self.period,
            "currency": self.currency.code,
            "before": amounts[0],
            "cumulative": amounts[1],
            "exact_before": exacts[0],
            "exact": exacts[1],
        }

    def _pool(self, change: Change) -> Json:
        pool, contents = change.pool, change.contents
        plan, header = contents.plan, ""
        if plan is not None:
            header = digest_of_document(self.plan_header(pool.plan_id, plan))
        return {
            **pool._asdict(),
            "frozen": list(pool.frozen),
            "state": change.state,
            "rate": "1" if contents.card is None else str(contents.card.rate),
            "plan": header,
            "total": contents.total,
            "flagged": contents.flagged,
            "n_plays": contents.n_plays,
            "n_reversed": contents.n_reversed,
            "events": self.events_of(change),
        }

    def plan_header(self, plan_id: str, plan: SplitPlan) -> Json:
        """Return a plan without its lines, and with the root over them."""
        if plan_id not in self._plans:
            document = plan_to_json(plan)
            lines = [canonical(line) for line in document.pop("lines")]
            tree = self._tree(lines)
            root = {"lines_root": tree.root().hex(), "n_lines": len(lines)}
            self._plans[plan_id] = ({"id": plan_id, **document, **root}, tree)
        return self._plans[plan_id][0]

    def plan_proof(self, plan_id: str, index: int) -> list[str]:
        """Return the proof that a line is in a plan that was divided by."""
        return [h.hex() for h in self._plans[plan_id][1].inclusion(index)]

    def payee_proof(self, payee: str) -> Json:
        """Return a payee's leaf with the proof of it.

        Raises:
            StatementError: If there is no such payee.
        """
        account = f"payee:{payee}"
        if account not in self.now.exact:
            raise StatementError(
                f"{payee!r} has nothing in {self.currency.code} up to {self.period}. "
                "`contrafact ledger balance` lists the payees."
            )
        index = self._payees.index(account)
        path = [h.hex() for h in self._payee_tree.inclusion(index)]
        return {"leaf": self._leaf(account), "index": index, "path": path}

    def pool_proof(self, index: int) -> Json:
        """Return a changed pool's leaf with the proof of it."""
        path = [h.hex() for h in self._pools.inclusion(index)]
        return {"leaf": self._pool(self.changes[index]), "index": index, "path": path}

    def dues(self, payee: str) -> Iterator[tuple[int, int, Due]]:
        """Yield a payee's dues: place of the change, place of the line, the due."""
        for place, change in enumerate(self.changes):
            plan = change.contents.plan
            if plan is None or payee not in {line.payee for line in plan.lines}:
                continue
            places = {id(line): n for n, line in enumerate(plan.lines)}
            for due in dues_of(change.pool, change.contents, self._book):
                if due.line is not None and due.line.payee == payee:
                    yield place, places[id(due.line)], due

    def events_of(self, change: Change) -> str:
        """Return the digest of the canonical event file of a change's pool."""
        return self._digests.get((change.state, change.pool), _NOTHING)

    def dispute(self, dispute_id: str) -> Json:
        """Return what a dispute is about; its id is made of this."""
        found = next(d for d in self._book.disputes if d.id == dispute_id)
        names = ("output_id", "source_id", "payee", "reason")
        return {name: getattr(found, name) for name in names}


def _cut(standing: Standing | None) -> Json | None:
    cut = None if standing is None else standing.cut
    if cut is None:
        return None
    return {"remainder": fraction_text(cut.remainder), "account": cut.account}


def settle_period(
    pots: Sequence[Pot],
    book: Book,
    plays: Iterable[PlayEntry],
    *,
    period: str,
    tree: TreeMaker,
) -> dict[str, PeriodSettlement]:
    """Settle a period, by currency.

    Args:
        pots: All pots of the journal.
        book: What was decided.
        plays: All plays and corrections, by id and kind.
        period: A month, as in 2026-10.
        tree: Makes Merkle trees.
    """
    periods = {"was": book.closed_before(period), "now": period}
    pools = {s: gather(pots, book, as_of=p) if p else {} for s, p in periods.items()}
    standings = {state: standing_at(found, book) for state, found in pools.items()}
    changes = [
        *_changes("now", pools["now"], pools["was"]),
        *_changes("was", pools["was"], pools["now"]),
    ]
    digests = _event_digests(plays, pots, book, periods=periods)
    return {
        currency: PeriodSettlement(
            (standings["was"].get(currency), standing),
            [change for change in changes if change.pool.currency == currency],
            book,
            period=period,
            digests=digests,
            tree=tree,
        )
        for currency, standing in standings["now"].items()
    }


def _changes(state: str, mine: Pools, other: Pools) -> Iterator[Change]:
    for pool in sorted(mine):
        if other.get(pool) != mine[pool]:
            yield Change(state, pool, mine[pool])


def _event_digests(
    plays: Iterable[PlayEntry],
    pots: Sequence[Pot],
    book: Book,
    *,
    periods: Mapping[str, str],
) -> Digests:
    """Return the digest of each pool's canonical event file, by state and pool."""
    places: dict[Any, list[tuple[str, Pool]]] = defaultdict(list)
    for state, period in periods.items():
        view = book.as_of(period)
        for pot in pots:
            if pot.key.period <= period:
                places[pot.key].append((state, pool_of(pot.key, view)[0]))
    states: dict[tuple[str, Pool], Any] = defaultdict(hashlib.sha256)
    for entry in plays:
        line = event_line(entry)
        for place in places.get(entry.key, ()):
            states[place].update(line)
    return {place: state.hexdigest() for place, state in states.items()}
