"""Is a share more than what the source reaches on songs it did not shape?

Null songs are recordings of others and sounds without any source. On each of them
every source has some share; how much depends on its size and on how common its
music is. So shares are put in units of each source's own null songs, and all
sources are ranked together: with 24 artists and 100 null songs that is a p-value
as fine as 1/2,400, where one source by itself would have 1/101. Naming several
sources is then controlled as a whole, by the rate of false ones among those named.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["benjamini_hochberg", "p_values"]

Array = NDArray[np.float64]

_SMALLEST = 1e-9  # of a share's spread; below, it is the same on every null song


def p_values(shares: Array, null: Array) -> Array:
    """Return how often a share as large is met where the source has no part.

    Ties count against the source, and the song itself is counted among the null
    songs, so that under the null hypothesis p-values are never too small on the
    whole.

    Args:
        shares: Of one song, `(n_source,)`.
        null: On null songs, `(n_null, n_source)`; NaN where a song is the
            source's own.

    Returns:
        `(n_source,)`, in (0, 1]; all 1 where there is no null song.

    References:
        Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2005,
        for p-values by rank; Efron, "Large-scale inference", 2010, for one null
        distribution from many tests.
    """
    known = ~np.isnan(null)
    count = known.sum(0)
    filled = np.where(known, null, 0.0)
    centre = filled.sum(0) / np.maximum(count, 1)
    square = np.where(known, (null - centre) ** 2, 0.0).sum(0)
    spread = np.sqrt(square / np.maximum(count - 1, 1)).clip(min=_SMALLEST)
    pool = np.sort(((null - centre) / spread)[known])
    if not len(pool):
        return np.ones(len(shares))
    above = len(pool) - np.searchsorted(pool, (shares - centre) / spread, side="left")
    result: Array = (1 + above) / (1 + len(pool))
    result[count == 0] = 1.0
    return result


def benjamini_hochberg(p: Array, rate: float) -> NDArray[np.bool_]:
    """Return which hypotheses to reject so that at most `rate` of those are true.

    Args:
        p: Their p-values, `(n,)`.
        rate: Expected part of false ones among those named, in (0, 1).

    References:
        Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 1995.
    """
    order = np.argsort(p, kind="stable")
    passes = p[order] <= rate * np.arange(1, len(p) + 1) / len(p)
    is_rejected = np.zeros(len(p), dtype=bool)
    if passes.any():
        is_rejected[order[: int(np.flatnonzero(passes)[-1]) + 1]] = True
    return is_rejected
