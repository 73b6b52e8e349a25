"""Sorting of whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_order"]

Ints = NDArray[np.int64]


def in_order(values: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return whole numbers in ascending order, and which each of them was.

    As a stable `argsort` does, in a fraction of the time: numbers are sorted with
    their places in their low bits, for which there must be room in 64 bits.
    """
    n_bits = len(values).bit_length()
    marked = values.astype(np.int64) << n_bits | np.arange(len(values))
    marked.sort()
    return marked >> n_bits, marked & ((1 << n_bits) - 1)
