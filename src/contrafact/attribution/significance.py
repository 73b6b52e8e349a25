"""Does a source matter more to a song than to songs it did not shape?

Null songs are recordings of others and sounds without any source. What is compared is
not the share: where next to nothing has influence, some source still has half of it.
It is influence in units of the length of all scores of the song, which is large where
the source's recordings stand out together. How large it is on null songs depends on the
source; so it is put in units of each source's own null songs, and all sources are
ranked together: with 24 artists and 50 null songs that is a p-value as fine as 1/1,200,
where one source by itself would have 1/51. Naming several sources is then controlled as
a whole, by the rate of false ones among those named.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["benjamini_hochberg", "p_values"]

Array = NDArray[np.float64]

_SMALLEST = 1e-9  # of a spread; below, strength is the same on every null song


def p_values(strength: Array, nulls: Sequence[Array]) -> Array:
    """Return how often a source is as strong where it has no part.

    Kinds of null songs are ranked apart, and the larger p-value counts: recordings
    must not make up for noise, nor noise for recordings. Ties count against the
    source, and the song itself is counted among the null songs, so that under the
    null hypothesis p-values are never too small on the whole.

    Args:
        strength: Of each source in one song, `(n_source,)`.
        nulls: For each kind of null song, the same on them, `(n_null, n_source)`;
            NaN where a song is the source's own.

    Returns:
        `(n_source,)`, in (0, 1]; 1 where there is no null song of a source.

    References:
        Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2005,
        for p-values by rank; Efron, "Large-scale inference", 2010, for one null
        distribution from many tests.
    """
    every = np.concatenate([np.full((0, len(strength)), np.nan), *nulls])
    known = ~np.isnan(every)
    count = known.sum(0)
    filled = np.where(known, every, 0.0)
    centre = filled.sum(0) / np.maximum(count, 1)
    square = np.where(known, (every - centre) ** 2, 0.0).sum(0)
    spread = np.sqrt(square / np.maximum(count - 1, 1)).clip(min=_SMALLEST)
    found = (strength - centre) / spread
    result = np.ones(len(strength)) if not len(every) else np.zeros(len(strength))
    for null in nulls:
        pool = np.sort(((null - centre) / spread)[~np.isnan(null)])
        above = len(pool) - np.searchsorted(pool, found, side="left")
        result = np.maximum(result, (1 + above) / (1 + len(pool)))
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
