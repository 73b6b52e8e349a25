from __future__ import annotations

import numpy as np
import pytest

from contrafact.matching.versions.alignment import Likeness, best_scores, trace


def _slow(one: np.ndarray, reference: np.ndarray, query: np.ndarray, gap: float):
    """Fill the table cell by cell, as the definition has it."""
    n, m = one.shape
    table = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            at = lambda a, b: table[a, b] if a >= 0 and b >= 0 else 0.0  # noqa: E731
            table[i, j] = max(
                0.0,
                at(i - 1, j - 1) + one[i, j],
                at(i - 1, j - 2) + reference[i, j] - gap,
                at(i - 2, j - 1) + query[i, j] - gap,
            )
    return table.max()


@pytest.mark.parametrize("is_joined", [False, True])
def test_rows_at_once_give_what_cell_by_cell_gives(
    rng: np.random.Generator, is_joined: bool
) -> None:
    """The fast way and the definition agree, with and without joined elements."""
    one, reference, query = rng.normal(-0.3, 1, (3, 4, 15, 12)).astype(np.float32)
    if is_joined:
        likeness = Likeness(one, reference, query, 0.4)
    else:
        likeness, reference, query = Likeness(one, gap=0.4), one, one
    expected = [
        _slow(*tables, 0.4) for tables in zip(one, reference, query, strict=True)
    ]
    np.testing.assert_allclose(best_scores(likeness), expected, rtol=1e-5)


def test_the_trace_follows_a_change_of_tempo() -> None:
    """A passage at half its tempo is followed to its ends."""
    query = np.repeat(np.arange(10), 2)
    reference = np.concatenate([[77, 88], np.arange(10), [99]])
    alike = np.where(query[:, None] == reference, 1.0, -1.0).astype(np.float32)
    steps = trace(Likeness(alike[None]))
    assert (query[steps[:, 0]] == reference[steps[:, 1]]).all()
    assert steps[-1].tolist() in ([18, 11], [19, 11])
    assert steps[0].tolist() in ([0, 2], [1, 2])


def test_nothing_alike_has_no_trace() -> None:
    """Where all is unlike there is no alignment and no score."""
    likeness = Likeness(np.full((1, 5, 6), -1, np.float32))
    assert best_scores(likeness).tolist() == [0]
    assert len(trace(likeness)) == 0
