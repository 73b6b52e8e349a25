"""The journal: every play once and for good, corrected by reversal, never by edit.

An event's id is the key by which it counts once, whenever and however often it
comes. Plays are added up in pots, one for each output and day; who gets what of
a pot is worked out when it is asked for, from the rate card and the split plan
of that day. So a play costs two postings, not twenty, and a plan that comes
late counts all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from contrafact.core.errors import JournalError
from contrafact.ledger import _tables as tables
from contrafact.ledger._corrections import correct, correct_waiting
from contrafact.ledger._intake_rows import (
    IntakeMark,
    IntakeState,
    keep_mark,
    rejects_of,
    state_of,
)
from contrafact.ledger._plays import Row, row_of, rows_known
from contrafact.ledger._pots import Accounts, play_entries
from contrafact.ledger._reading import JournalEntry, Pot, book_in, entries_in, pots_in
from contrafact.ledger.book import Book, Dispute
from contrafact.ledger.rates import (
    RateCard,
    SplitPlan,
    card_to_json,
    identified,
    plan_to_json,
    require_no_overlap,
)
from contrafact.ledger.records import PlayEvent
from contrafact.ledger.store import connect, reading, writing

__all__ = ["IntakeMark", "IntakeState", "Journal", "Posted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of a batch of plays.

    Attributes:
        n_new: Taken now.
        n_known: In the journal before, with the same content.
        problems: Place in the batch, and why the play there was refused.
    """

    n_new: int
    n_known: int
    problems: tuple[tuple[int, str], ...] = ()


class Journal:
    """One journal, in SQLite or PostgreSQL.

    Example:
        >>> with Journal.open("sqlite://") as journal:
        ...     journal.pots()
        []
    """

    def __init__(self, engine: Engine) -> None:
        """Use a database whose tables are in place; see `open`."""
        self._engine = engine
        self._accounts = Accounts()

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the journal in a database, made if it is missing.

        Raises:
            ConfigError: If the URL is not one of SQLite or PostgreSQL.
            StorageError: If the database cannot be written.
            JournalError: If a newer version made it, or it cannot be used.
        """
        return cls(connect(url))

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the journal."""
        with reading(self._engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection of the one writer; all of the block counts or nothing."""
        try:
            with writing(self._engine) as connection:
                yield connection
        except BaseException:
            self._accounts.forget()
            raise

    @property
    def accounts(self) -> Accounts:
        """Ids of accounts, for what adds entries in a block of `writing`."""
        return self._accounts

    def post(
        self, events: Sequence[PlayEvent], *, mark: IntakeMark | None = None
    ) -> Posted:
        """Take a batch of plays; when this returns, they are on the disk.

        A play that is known already with the same content is left; one with
        the id of another is refused, for good. Batches of some thousand are
        fastest, since a flush to the disk costs the same for one play.

        Args:
            events: In any order.
            mark: How far the file they come from was read; kept together with
                them, so that an interrupted intake goes on where it stopped.

        Raises:
            StorageError: If the disk is full; nothing of the batch is kept.
            JournalError: If the database cannot be used.
        """
        fresh, problems = _checked(events)
        with self.writing() as connection:
            known = rows_known(connection, list(fresh))
            last = _last_closed(connection)
            new = [row for id_, (_, row) in fresh.items() if id_ not in known]
            play_entries(connection, new, accounts=self._accounts, last_closed=last)
            correct_waiting(connection, new, self._accounts, last_closed=last)
            problems += _conflicts(fresh, known)
            n_known = len(events) - len(new) - len(problems)
            posted = Posted(
                n_new=len(new), n_known=n_known, problems=tuple(sorted(problems))
            )
            if mark is not None:
                keep_mark(connection, mark, posted.n_new, n_known, posted.problems)
        return posted

    def intake(self, digest: str) -> IntakeState:
        """Return how far a file was taken in, by its SHA-256."""
        with self.reading() as connection:
            return state_of(connection, digest)

    def rejects(self, digest: str) -> list[tuple[int, str, str]]:
        """Return what was refused of a file: row, reason and text, in order."""
        with self.reading() as connection:
            return rejects_of(connection, digest)

    def reverse(self, event_id: str, reason: str) -> bool:
        """Take a play back, to the cent, whether it was flagged or not.

        Returns:
            Whether it was in the journal. If not, it is taken back as soon as
            it comes: a reversal may overtake its play.

        Raises:
            JournalError: If no reason is given.
        """
        return self._correct(event_id, "reverse", reason)

    def flag(self, event_id: str, reason: str) -> bool:
        """Hold a play's money on suspicion of fraud; see `reverse` and `clear`."""
        return self._correct(event_id, "flag", reason)

    def clear(self, event_id: str, reason: str) -> bool:
        """Give a flagged play's money free again, for good."""
        return self._correct(event_id, "clear", reason)

    def _correct(self, event_id: str, kind: str, reason: str) -> bool:
        if not reason.strip():
            raise JournalError("A correction needs a reason. Say why.")
        with self.writing() as connection:
            last = _last_closed(connection)
            return correct(
                connection,
                (event_id, kind, reason.strip()),
                accounts=self._accounts,
                last_closed=last,
            )

    def add_card(self, card: RateCard) -> bool:
        """Take in a version of a rate card; False if it is known.

        Raises:
            PlanError: If another one covers some of its days.
        """
        with self.writing() as connection:
            book = book_in(connection, with_plans=False)
            known = [k.version for k in book.cards]
            if card.id in {c.id for c in known}:
                return False
            require_no_overlap([c for c in known if c.scope == card.scope], card)
            row = {"id": card.id, "document": _json(card_to_json(card))}
            _add(connection, tables.rate_card, row, after=book.last_closed)
        return True

    def add_plans(self, plans: Iterable[SplitPlan]) -> int:
        """Take in split plans, all or none; return how many were not known.

        Raises:
            PlanError: If another plan covers some days of the same output.
        """
        n_new = 0
        with self.writing() as connection:
            for plan in plans:
                n_new += self._add_plan(connection, plan)
        return n_new

    def _add_plan(self, connection: Connection, plan: SplitPlan) -> bool:
        book = book_in(connection, output_id=plan.output_id)
        known = [k.version for k in book.plans]
        if plan.id in {p.id for p in known}:
            return False
        require_no_overlap(known, plan)
        row = {"id": plan.id, "output_id": plan.output_id}
        row |= {"document": _json(plan_to_json(plan))}
        _add(connection, tables.plan, row, after=book.last_closed)
        return True

    def planned_outputs(self) -> set[str]:
        """Return the outputs that have a plan."""
        with self.reading() as connection:
            query = sa.select(tables.plan.c.output_id).distinct()
            return set(connection.execute(query).scalars())

    def dispute(
        self,
        reason: str,
        *,
        output_id: str = "",
        source_id: str = "",
        payee: str = "",
    ) -> Dispute:
        """Freeze what an output, a source or a payee is owed, and nothing else.

        What is closed already stays paid. Asking again for the same changes
        nothing.

        Raises:
            JournalError: If nothing is named, no reason is given, or the same
                dispute was released before.
        """
        scope = {"output_id": output_id, "source_id": source_id, "payee": payee}
        if not reason.strip() or not any(scope.values()):
            raise JournalError(
                "A dispute needs a reason, and an output, a source or a payee that "
                "it is about. Name one of them."
            )
        row = {**scope, "reason": reason.strip()}
        id_ = identified("D", row)
        with self.writing() as connection:
            book = book_in(connection, with_plans=False)
            known = {d.id: d for d in book.disputes}.get(id_)
            if known is not None and known.released_after is not None:
                raise JournalError(
                    f"{id_} was released before. Give the new reason for it."
                )
            if known is None:
                entry = {"id": id_, "kind": "open", **row}
                _add(connection, tables.dispute, entry, after=book.last_closed)
        return known or Dispute(id=id_, **row, after=book.last_closed)

    def release(self, dispute_id: str, reason: str) -> Dispute:
        """Give free what a dispute holds; it comes with the next settlement.

        Raises:
            JournalError: If there is no such dispute.
        """
        with self.writing() as connection:
            book = book_in(connection, with_plans=False)
            found = {d.id: d for d in book.disputes}.get(dispute_id)
            if found is None:
                raise JournalError(
                    f"There is no dispute {dispute_id!r}. `contrafact ledger balance` "
                    "lists the open ones."
                )
            if found.released_after is not None:
                return found
            names = ("id", "output_id", "source_id", "payee")
            row = {name: getattr(found, name) for name in names}
            row |= {"kind": "release", "reason": reason.strip()}
            _add(connection, tables.dispute, row, after=book.last_closed)
        return replace(found, released_after=book.last_closed)

    def book(self) -> Book:
        """Return all plans, rate cards, disputes and the last closed period."""
        with self.reading() as connection:
            return book_in(connection)

    def pots(self) -> list[Pot]:
        """Return all pots, in order of their keys."""
        with self.reading() as connection:
            return pots_in(connection)

    def snapshot(self) -> tuple[Book, list[Pot]]:
        """Return book and pots of one moment."""
        with self.reading() as connection:
            return book_in(connection), pots_in(connection)

    def entries(self, *, kinds: Sequence[str] = ()) -> Iterator[JournalEntry]:
        """Yield the entries in an order that does not depend on their arrival.

        Args:
            kinds: Only these, such as `play` and `reverse`; all if none is given.
        """
        with self.reading() as connection:
            yield from entries_in(connection, kinds=kinds)


def _checked(
    events: Sequence[PlayEvent],
) -> tuple[dict[str, tuple[int, Row]], list[tuple[int, str]]]:
    """Return the usable plays by id, each once, and what is wrong with others."""
    fresh: dict[str, tuple[int, Row]] = {}
    problems: list[tuple[int, str]] = []
    for place, event in enumerate(events):
        row = row_of(event)
        if isinstance(row, str):
            problems.append((place, row))
            continue
        first = fresh.setdefault(row.event_id, (place, row))[1]
        if first != row:
            problems.append((place, _conflict(row, first)))
    return fresh, problems


def _conflicts(
    fresh: dict[str, tuple[int, Row]], known: dict[str, Row]
) -> list[tuple[int, str]]:
    return [
        (fresh[id_][0], _conflict(fresh[id_][1], row))
        for id_, row in known.items()
        if fresh[id_][1] != row
    ]


def _conflict(row: Row, known: Row) -> str:
    names = [n for n, a, b in zip(Row._fields, row, known, strict=True) if a != b]
    name = names[0]
    return (
        f"event_id {row.event_id!r} was used before for another play: {name} is "
        f"{getattr(row, name)!r} and was {getattr(known, name)!r}. Reverse the first "
        "and send the right one under an id of its own"
    )


def _last_closed(connection: Connection) -> str:
    query = sa.select(sa.func.max(tables.closing.c.period))
    return connection.execute(query).scalar() or ""


def _json(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _add(
    connection: Connection, table: sa.Table, row: dict[str, Any], *, after: str
) -> None:
    connection.execute(table.insert(), [{**row, "after": after}])
