"""Asks an index about many queries, in several processes."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from queries import (
    MIX,
    UNKNOWN_MIX,
    Query,
    catalog_queries,
    mixed_queries,
    other_queries,
)
from recordings import Piece
from transforms import TRANSFORMS

__all__ = ["OTHERS", "Asked", "Pieces", "answers"]

OTHERS = ("other work", "take 1", "take 2", "take 3")
_BY_NAME = {transform.name: transform for transform in TRANSFORMS}
_MORE_HARD = 4  # times as many queries where most is lost


T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """The recordings of one run.

    Attributes:
        catalog: What is in the index, of both halves.
        asked: Those of the catalog that queries are made of.
        others: By kind, what is not in the index.
    """

    catalog: list[Piece]
    asked: list[Piece]
    others: dict[str, list[Piece]]

    @property
    def copies(self) -> dict[str, set[str]]:
        """What in the catalog is the same recording, by work."""
        table: dict[str, set[str]] = {}
        for piece in self.catalog:
            table.setdefault(piece.work, set()).add(piece.id)
        return table


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a run asks.

    Attributes:
        n_each: Queries a transformation.
        n_others: Queries of works outside the catalog.
        n_takes: Queries of each kind of other performance.
    """

    pieces: Pieces
    n_each: int
    n_others: int
    n_takes: int

    def queries(self, group: str) -> Iterator[Query]:
        """Yield the queries of a transformation, of mixes, or of a kind of others."""
        if group == MIX:
            return mixed_queries(self.pieces.asked, 4 * self.n_each)
        if group == UNKNOWN_MIX:
            others = self.pieces.others["other work"]
            return mixed_queries(self.pieces.asked, 4 * self.n_each, unknown=others)
        if group in OTHERS:
            n = self.n_others if group == "other work" else self.n_takes
            return other_queries(self.pieces.others[group], group, n)
        return catalog_queries(
            self.pieces.asked,
            self.n_each,
            n_hard=_MORE_HARD * self.n_each,
            transforms=[_BY_NAME[group]],
        )


def answers(asked: Asked, answer: Callable[[Query, int], T], n_workers: int) -> list[T]:
    """Return what is answered to all queries, by processes that are copies of this.

    Args:
        asked: What to ask.
        answer: From a query and its number in its group.
        n_workers: How many processes.
    """
    found: list[T] = []
    context = multiprocessing.get_context("fork")
    with context.Pool(n_workers, _held.append, ((asked, answer),)) as pool:
        for some in pool.imap(_answers, [*OTHERS, MIX, UNKNOWN_MIX, *_BY_NAME]):
            found += some
            print(len(found), "queries", file=sys.stderr, flush=True)
    return found


_held: list[tuple[Asked, Callable[[Query, int], Any]]] = []  # in each process


def _answers(group: str) -> list[Any]:
    asked, answer = _held[0]
    return [answer(query, i) for i, query in enumerate(asked.queries(group))]
