"""Which models are trained again, and without which recordings.

Nothing here trains: a plan is a list of runs, the same for the same corpus and
seed, so that a killed computation goes on and anyone can make it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["KINDS", "Run", "make_plan", "make_short_plan"]

KINDS = ("full", "half", "collection", "artist", "artist-half")
"""All recordings; random halves of the recordings; all but one collection; all but one
artist; random halves of the artists, each of whom is left out with chance 1/2."""

N_HALVES = 64
N_EARLY = 44
N_SHORT_HALVES = 32
N_ARTIST_HALVES = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One model to train.

    Attributes:
        kind: One of `KINDS`.
        name: Which of its kind: a number, or the source that is left out.
        seed: Of weights, batches and noise.
        left_out: Positions, in training order, of recordings never shown.
    """

    kind: str
    name: str
    seed: int
    left_out: tuple[int, ...]


def make_plan(
    artists: Sequence[str],
    collections: Sequence[str],
    *,
    n_halves: int = N_HALVES,
    seed: int = 0,
) -> list[Run]:
    """Return every run, those first that the others are compared with.

    Args:
        artists: The artist of each recording, in training order.
        collections: The collection of each.
        n_halves: Random halves of the recordings; two seeds each.
        seed: Chooses the halves.
    """
    halves = _halves(len(artists), n_halves, seed)
    plan = [_run("full", "all", s, ()) for s in range(2)]
    plan += _without("collection", collections, seeds=range(2))
    plan += _half_runs(halves, seed=0, numbers=range(24))
    # Figures are reported on the odd ones; their ceiling is to be known early.
    plan += _half_runs(halves, seed=1, numbers=[*range(1, 16, 2), *range(0, 16, 2)])
    plan += _without("artist", artists, seeds=range(1))
    plan += _half_runs(halves, seed=0, numbers=range(24, N_EARLY))
    plan += [_run("full", "all", s, ()) for s in range(2, 5)]
    # Songs are better known to the training that made them, that of seed 0, so that
    # shares are held against the others.
    plan += _without("collection", collections, seeds=range(2, 3))
    plan += _without("artist", artists, seeds=range(2, 3))
    plan += _without("collection", collections, seeds=range(3, 5))
    plan += _half_runs(halves, seed=0, numbers=range(N_EARLY, n_halves))
    plan += _half_runs(halves, seed=1, numbers=range(16, n_halves))
    plan += _artist_halves(artists, seed)
    return plan


def make_short_plan(
    artists: Sequence[str], collections: Sequence[str], *, seed: int = 0
) -> list[Run]:
    """Return the runs that tell whether another regime of training is another world.

    All recordings and all but one collection with three seeds, of which one made the
    songs, 32 of the random halves,
    and those that figures are reported on with a second seed, then random halves of the
    artists; the halves are those of `make_plan`.
    """
    halves = _halves(len(artists), N_SHORT_HALVES, seed)
    plan = [_run("full", "all", s, ()) for s in range(3)]
    plan += _without("collection", collections, seeds=range(3))
    plan += _half_runs(halves, seed=0, numbers=range(N_SHORT_HALVES))
    plan += _half_runs(halves, seed=1, numbers=range(1, N_SHORT_HALVES, 2))
    return plan + _artist_halves(artists, seed)


def _run(kind: str, name: str, seed: int, left_out: Sequence[int]) -> Run:
    return Run(kind=kind, name=name, seed=seed, left_out=tuple(left_out))


def _half_runs(
    halves: Sequence[Sequence[int]], *, seed: int, numbers: Sequence[int]
) -> list[Run]:
    """Some of the random halves."""
    return [
        _run("half", str(number), seed, halves[number])
        for number in numbers
        if number < len(halves)
    ]


def _without(kind: str, owner: Sequence[str], *, seeds: Sequence[int]) -> list[Run]:
    """All but one source, for every source."""
    return [
        _run(kind, name, seed, [i for i, o in enumerate(owner) if o == name])
        for seed in seeds
        for name in sorted(set(owner))
    ]


def _halves(n: int, count: int, seed: int) -> list[list[int]]:
    rng = np.random.default_rng([seed, 1])
    return [sorted(rng.permutation(n)[: n // 2].tolist()) for _ in range(count)]


def _artist_halves(artists: Sequence[str], seed: int) -> list[Run]:
    names = sorted(set(artists))
    rng = np.random.default_rng([seed, 2])
    found = []
    for number in range(N_ARTIST_HALVES):
        # Each by a coin: were all halves equally large, what all artists teach alike
        # could not be told from what is there without any.
        gone = {
            name
            for name, coin in zip(names, rng.random(len(names)), strict=True)
            if coin < 0.5
        }
        left_out = [i for i, artist in enumerate(artists) if artist in gone]
        found.append(_run("artist-half", str(number), 0, left_out))
    return found
