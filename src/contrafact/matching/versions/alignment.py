"""Local alignment of two sequences, in batches, tolerant of tempo and of gaps.

What the elements of a sequence are, and how alike two of them are, belongs to
the aspects. An alignment is the best chain of pairs whose steps are (1, 1),
(1, 2) or (2, 1): the local tempo stays between half and double.

References:
    Smith and Waterman, "Identification of common molecular subsequences", 1981.
    Serrà, Serra and Andrzejak, "Cross recurrence quantification for cover song
    identification", New Journal of Physics 11, 2009.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Likeness", "best_scores", "trace"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """How alike the elements of a query and of some references are.

    Attributes:
        one: `(pair, query, reference)`; positive where two elements are alike,
            negative where not.
        two_reference: The same for two elements of the reference, the one and the one
            before, taken together; None where a step just leaves one out.
        two_query: The same for two elements of the query.
        gap: What a step (1, 2) or (2, 1) costs.
    """

    one: Floats
    two_reference: Floats | None = None
    two_query: Floats | None = None
    gap: float = 0.0


def best_scores(likeness: Likeness) -> Floats:
    """Return the score of the best local alignment of each pair, `(pair,)`.

    At least 0. A row of the query is filled at once for all pairs and all of the
    reference, since no step stays in its row.
    """
    n_pairs, n_query, n_reference = likeness.one.shape
    rows = np.zeros((3, n_pairs, n_reference + 2), np.float32)
    highest = np.zeros((n_pairs, n_reference), np.float32)
    for i in range(n_query):
        now = rows[(i + 2) % 3]
        _fill_row(likeness, i, (rows[i % 3], rows[(i + 1) % 3], now))
        np.maximum(highest, now[:, 2:], out=highest)
    result: Floats = highest.max(axis=1, initial=0)
    return result


def _fill_row(likeness: Likeness, i: int, rows: tuple[Floats, Floats, Floats]) -> None:
    """Fill the last of three rows, each `(pair, reference + 2)`, from the others."""
    two_before, before, now = rows
    one = likeness.one[:, i]
    if likeness.two_reference is None or likeness.two_query is None:
        best = np.maximum(before[:, :-2], two_before[:, 1:-1])
        best -= likeness.gap
        np.maximum(best, before[:, 1:-1], out=best)
        best += one
    else:
        best = before[:, :-2] + likeness.two_reference[:, i]
        np.maximum(best, two_before[:, 1:-1] + likeness.two_query[:, i], out=best)
        best -= likeness.gap
        np.maximum(best, before[:, 1:-1] + one, out=best)
    np.maximum(best, 0, out=now[:, 2:])


def trace(likeness: Likeness) -> NDArray[np.intp]:
    """Return the best local alignment of the first pair.

    Returns:
        Its pairs of elements of query and reference, `(step, 2)`, ascending;
        none where nothing is alike.
    """
    _, n_query, n_reference = likeness.one[:1].shape
    first = Likeness(
        likeness.one[:1],
        None if likeness.two_reference is None else likeness.two_reference[:1],
        None if likeness.two_query is None else likeness.two_query[:1],
        likeness.gap,
    )
    rows = np.zeros((n_query + 2, 1, n_reference + 2), np.float32)
    for i in range(n_query):
        _fill_row(first, i, (rows[i], rows[i + 1], rows[i + 2]))
    i, j = (int(k) for k in np.unravel_index(np.argmax(rows[:, 0]), rows[:, 0].shape))
    steps = []
    while rows[i, 0, j] > 0:
        steps.append((i - 2, j - 2))
        i, j = _previous(first, rows[:, 0], i, j)
    return np.array(steps[::-1], np.intp).reshape(-1, 2)


def _previous(likeness: Likeness, rows: Floats, i: int, j: int) -> tuple[int, int]:
    """Return the cell from which the best chain comes to (i, j)."""
    cell = (0, i - 2, j - 2)
    one = reference = query = likeness.one[cell]
    if likeness.two_reference is not None and likeness.two_query is not None:
        reference, query = likeness.two_reference[cell], likeness.two_query[cell]
    options = {
        (i - 1, j - 1): rows[i - 1, j - 1] + one,
        (i - 1, j - 2): rows[i - 1, j - 2] + reference - likeness.gap,
        (i - 2, j - 1): rows[i - 2, j - 1] + query - likeness.gap,
    }
    return max(options, key=lambda cell: float(options[cell]))
