"""From scores to p-values: what unrelated works of the same catalog reach.

A score is first set against what the query reaches with others, since a plain
melody is like many. What is left is compared with the *null*: what queries that
are no version of anything in the catalog reach. Those queries are the catalog's
own recordings, against all other works; and decoys, recordings with their
passages in another order and backwards, which are versions of nothing and keep
key, density and style.

A p-value is the share of null comparisons that reach as much, and never less
than one over their number.

References:
    Matejka et al., "Analysis of score normalization in multilingual speaker
    recognition", Interspeech 2017, for scores against a cohort.
    Elias and Gygi, "Target-decoy search strategy for increased confidence in
    large-scale protein identifications", Nature Methods 4, 2007, for decoys.
    Phipson and Smyth, "Permutation p-values should never be zero", 2010.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.notes import Notes

__all__ = ["JOINT", "Null", "NullQuery", "decoy", "joined", "normalised", "simes"]

Floats = NDArray[np.float32]

# The columns of a null: the three aspects, the texture, and all together.
JOINT = 4

# What unrelated music reaches, as a multiple of the root of a strand's length,
# and its spread: melody, harmony, rhythm, texture.
_PRIOR_LEVEL = np.array([0.7, 0.3, 0.85, 0.54], np.float32)
_PRIOR_SPREAD = np.array([0.17, 0.11, 0.4, 0.155], np.float32)
_PRIOR_COUNT = 8.0  # how many comparisons the above counts as
_WEIGHTS = np.array([0.6, 0.4, 0.1, 1.2], np.float32)
# A melody may be like another by chance more than harmony or rhythm.
_ALONE = np.array([0.75, 1.0, 1.0], np.float32)
_PIECES_S = (3.0, 8.0)

REAL, DECOY, UNLABELLED = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class NullQuery:
    """What one query that is no version of anything reached.

    Attributes:
        n_compared: With how many works it was compared.
        values: What it reached with those looked at closely, `(work, 5)`.
        kind: `REAL`, `DECOY`, or `UNLABELLED`: a recording, or one that it was
            compared with, names no work, so that the two may be versions.
    """

    n_compared: int
    values: Floats
    kind: NDArray[np.uint8]


def normalised(scores: Floats, n_elements: NDArray[np.intp]) -> Floats:
    """Set scores against what the query reaches with most others.

    Args:
        scores: `(candidate, layer)`; NaN where there is none.
        n_elements: Of the query's strands, `(layer,)`.

    Returns:
        About 0 for unrelated works, in units of their spread; NaN stays.
    """
    root = np.sqrt(np.maximum(n_elements, 1)).astype(np.float32)
    level, spread = _PRIOR_LEVEL * root, _PRIOR_SPREAD * root
    result = np.full_like(scores, np.nan)
    for k, column in enumerate(scores.T):
        known = column[~np.isnan(column)]
        if not len(known):
            continue
        middle, high = np.quantile(known, (0.5, 0.8))
        part = _PRIOR_COUNT / (_PRIOR_COUNT + len(known))
        mean = part * level[k] + (1 - part) * middle
        width = part * spread[k] + (1 - part) * (high - middle) / 0.84
        result[:, k] = (column - mean) / max(float(width), float(spread[k]) / 3)
    return result


def joined(values: Floats) -> Floats:
    """Return what all layers say together, `(candidate,)`.

    A weighted sum, or the strongest alone: a melody may be all that was kept.
    """
    known = np.nan_to_num(np.clip(values, -2, 15), nan=0.0)
    together = known @ _WEIGHTS / np.float32(np.linalg.norm(_WEIGHTS))
    alone = (known[:, :3] * _ALONE).max(axis=1, initial=0)
    result: Floats = np.maximum(together, alone)
    return result


class Null:
    """What queries that are versions of nothing reached, sorted."""

    def __init__(self, queries: Iterable[NullQuery]) -> None:
        queries = list(queries)
        self.n_compared = sum(query.n_compared for query in queries)
        values = [np.zeros((0, 5), np.float32), *(query.values for query in queries)]
        kinds = [np.zeros(0, np.uint8), *(query.kind for query in queries)]
        rows = _unsuspected(np.concatenate(values), np.concatenate(kinds))
        self._columns = [np.sort(c[~np.isnan(c)]) for c in rows.T]

    def p_value(self, column: int, value: float) -> float:
        """Return how often an unrelated work reaches `value`, in (0, 1]."""
        reached = self._columns[column]
        n_above = len(reached) - int(np.searchsorted(reached, value))
        return min(1.0, (1 + n_above) / (1 + self.n_compared))

    @property
    def least(self) -> float:
        """The smallest p-value that can be given."""
        return 1 / (1 + self.n_compared)


def _unsuspected(values: Floats, kind: NDArray[np.uint8]) -> Floats:
    """Leave out pairs that may be versions of one work that nobody named.

    They are those of which a recording names no work and that reach more than
    anything that is known to be unrelated.
    """
    unknown = kind == UNLABELLED
    known = values[~unknown, JOINT]
    limit = known.max(initial=-np.inf) if len(known) else np.inf
    result: Floats = values[~(unknown & (values[:, JOINT] > limit))]
    return result


def simes(p_values: Iterable[float]) -> float:
    """Return one p-value for several looks at the same question.

    References:
        Simes, "An improved Bonferroni procedure", Biometrika 73, 1986.

    Example:
        >>> simes([0.01, 0.5])
        0.02
    """
    ordered = np.sort(list(p_values))
    ranks = np.arange(1, len(ordered) + 1)
    return float(min(1.0, np.min(ordered * len(ordered) / ranks)))


def decoy(notes: Notes, duration_s: float, rng: np.random.Generator) -> Notes:
    """Return music that is a version of nothing, of the same notes.

    Passages of 3 to 8 s in another order, each of them backwards, and all upside
    down with one chance in two.
    """
    edges = [0.0]
    while edges[-1] < duration_s:
        edges.append(edges[-1] + rng.uniform(*_PIECES_S))
    pieces, now = [], 0.0
    for i in rng.permutation(len(edges) - 1):
        length = edges[i + 1] - edges[i]
        piece = notes.between(edges[i], edges[i + 1]).shifted(-edges[i])
        pieces.append(_backwards(piece, length).shifted(now))
        now += length
    shuffled = Notes.joined(pieces)
    order = np.argsort(shuffled.start_s, kind="stable")
    shuffled = shuffled.chosen(order)
    return _upside_down(shuffled) if rng.random() < 0.5 else shuffled


def _backwards(notes: Notes, length_s: float) -> Notes:
    end = np.minimum(notes.end_s, length_s)
    order = np.argsort(length_s - end, kind="stable")
    return Notes(
        start_s=(length_s - end)[order],
        end_s=(length_s - notes.start_s)[order],
        pitch=notes.pitch[order],
        strength=notes.strength[order],
    )


def _upside_down(notes: Notes) -> Notes:
    axis = int(np.median(notes.pitch)) if len(notes) else 0
    return Notes(
        start_s=notes.start_s,
        end_s=notes.end_s,
        pitch=np.clip(2 * axis - notes.pitch, 21, 108).astype(np.int16),
        strength=notes.strength,
    )
