"""Cuts works into passages that never overlap, each for one artist.

A pool's works come in an order drawn from the seed. They give their passages in
rounds, some from each work before the first has its turn again, and each goes
to the pool's artists in turn. Every sixth work is kept for evaluation, whether
that is asked for or not. Asking for more gives what asking for less gave,
and then more.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contrafact.catalog.corpora._captions import estimate_key
from contrafact.catalog.corpora._notation import NotationError, Note, Score
from contrafact.catalog.corpora._repertoire import Pool
from contrafact.catalog.corpora._works import WrittenWork, find_works

__all__ = ["Passage", "Passages", "draw_passages"]

_SHORTEST_S, _LONGEST_S = 8.0, 10.0
_LEAST_NOTES = 10
_LEAST_SOUNDING = 0.5
_TEMPO_RANGE = (50.0, 168.0)
_TEMPO_VARIATION = (0.93, 1.07)
_HELDOUT_ONE_IN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Some bars of a work, with the times that a performance gives them.

    Attributes:
        work: Title and source of the work.
        notes: In seconds from the start of the passage.
        bars: First and last bar, counted from 1.
        key: Tonic as a pitch class, and whether it is minor.
        metre: Beats and beat value.
        seed: Draws the rest of the variation of the performance.
    """

    work: str
    notes: tuple[Note, ...]
    bars: tuple[int, int]
    duration_s: float
    key: tuple[int, bool]
    metre: tuple[int, int]
    seed: int


Passages = list[list[Passage]]
"""A list for each ensemble of a pool."""

_Scored = tuple[str, Score]  # the title of a work, and its score


def draw_passages(
    corpus: Path, pool: Pool, *, n_train: int, n_heldout: int, seed: int
) -> tuple[Passages, Passages]:
    """Return passages for training, and held-out ones.

    Lists are shorter than asked for where the pool has no more. Works that
    cannot be read, or whose edition reserves rights, are passed over.

    Args:
        corpus: The folder of the music21 corpus.
        pool: Works and ensembles.
        n_train: Passages wanted for each ensemble.
        n_heldout: The same, of works that are never used for training.
        seed: Draws the order of the works, and the tempos.
    """
    works = find_works(corpus, pool)
    rng = np.random.default_rng([seed, *f"{pool.group}/{pool.form}".encode()])
    shuffled = (works[i] for i in rng.permutation(len(works)))
    scores = itertools.tee(enumerate(_readable(shuffled, pool), start=1))
    train = (work for i, work in scores[0] if i % _HELDOUT_ONE_IN)
    heldout = (work for i, work in scores[1] if not i % _HELDOUT_ONE_IN)
    return _draw(train, pool, n_train, seed), _draw(heldout, pool, n_heldout, seed)


def _readable(works: Iterable[WrittenWork], pool: Pool) -> Iterator[_Scored]:
    """Yield the works that the pool can use, each read when its turn comes."""
    for work in works:
        with contextlib.suppress(NotationError):
            score = work.read()
            if pool.n_parts[0] <= score.n_parts <= pool.n_parts[1]:
                yield work.title, score


def _draw(works: Iterable[_Scored], pool: Pool, n_each: int, seed: int) -> Passages:
    """Return up to `n_each` passages per ensemble."""
    n_turns = 1 if pool.shares_passages else len(pool.ensembles)
    drawn: Passages = [[] for _ in range(n_turns)]
    passages = _in_rounds(works, pool, seed)
    while any(len(own) < n_each for own in drawn):
        if (found := next(passages, None)) is None:
            break
        drawn[found[0] % n_turns].append(found[1])
    drawn = drawn * len(pool.ensembles) if pool.shares_passages else drawn
    return [own[:n_each] for own in drawn]


def _in_rounds(
    works: Iterable[_Scored], pool: Pool, seed: int
) -> Iterator[tuple[int, Passage]]:
    """Yield (turn, passage), some of each work before the first comes again."""
    queue = ((i, _cut(*work, pool, seed)) for i, work in enumerate(works))
    while True:
        open_ = []
        for first, passages in queue:
            taken = list(itertools.islice(passages, pool.per_round))
            yield from enumerate(taken, start=first)
            if len(taken) == pool.per_round:
                open_.append((first, passages))
        if not open_:
            return
        queue = (pair for pair in open_)


def _cut(title: str, score: Score, pool: Pool, seed: int) -> Iterator[Passage]:
    """Yield the passages of a work from its first bar to its last."""
    rng = np.random.default_rng([seed, *title.encode()])
    bar = 0
    while True:
        tempo = _tempo(score, pool, score.bars[bar]) * rng.uniform(*_TEMPO_VARIATION)
        end = _bar_after(score.bars, bar, 60 / tempo)
        if end is None:
            return
        passage_seed = int(rng.integers(2**31))
        notes, duration_s = _perform(score, (bar, end), 60 / tempo)
        if len(notes) >= _LEAST_NOTES and _is_filled(notes, duration_s):
            yield Passage(
                work=title,
                notes=notes,
                bars=(bar + 1, end),
                duration_s=duration_s,
                key=_key(score, notes),
                metre=score.metre,
                seed=passage_seed,
            )
        bar = end


def _tempo(score: Score, pool: Pool, at: float) -> float:
    marks = [bpm for quarter, bpm in score.tempos if quarter <= at]
    if not (pool.follows_score and marks):
        return pool.tempo
    return float(np.clip(marks[-1], *_TEMPO_RANGE))


def _bar_after(bars: tuple[float, ...], first: int, quarter_s: float) -> int | None:
    """Return the bar before which a passage ends, None if too little is left."""
    for end in range(first + 1, len(bars)):
        if (bars[end] - bars[first]) * quarter_s >= _SHORTEST_S:
            return end
    return None


def _perform(
    score: Score, bars: tuple[int, int], quarter_s: float
) -> tuple[tuple[Note, ...], float]:
    """Return the notes that sound in some bars, in seconds, and their duration."""
    begin = score.bars[bars[0]]
    duration_s = min((score.bars[bars[1]] - begin) * quarter_s, _LONGEST_S)
    notes = []
    for note in score.notes:
        start_s = max((note.start - begin) * quarter_s, 0)
        end_s = min((note.start + note.length - begin) * quarter_s, duration_s)
        if end_s > start_s:
            notes.append(Note(start_s, end_s - start_s, note.pitch, note.part))
    return tuple(notes), round(duration_s, 3)


def _is_filled(notes: tuple[Note, ...], duration_s: float) -> bool:
    """Tell whether something sounds in most of the tenths of a second."""
    grid = np.zeros(round(duration_s * 10) + 1, bool)
    for note in notes:
        grid[int(note.start * 10) : int((note.start + note.length) * 10) + 1] = True
    return bool(grid.mean() > _LEAST_SOUNDING)


def _key(score: Score, notes: tuple[Note, ...]) -> tuple[int, bool]:
    if score.tonic is not None:
        return score.tonic, score.is_minor
    return estimate_key(notes)
