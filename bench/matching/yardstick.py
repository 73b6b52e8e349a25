"""Times that hold on a busy machine: beside a fixed piece of work of the same run.

Others who use the processor slow everything down, processor time as well, since
they share its caches. What the work costs in *yardsticks* is what can be compared
from one run to the next; the milliseconds of one run say how busy it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cost", "measured", "summary_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What something cost: processor and wall time, and the yardstick beside it."""

    processor_s: float
    wall_s: float
    yardstick_s: float


def measured(work: Callable[[], T]) -> tuple[T, Cost]:
    """Return what some work returns, and what it cost."""
    yardstick_s = _yardstick_s()
    began, began_wall = time.process_time(), time.perf_counter()
    result = work()
    ended, ended_wall = time.process_time(), time.perf_counter()
    cost = Cost(
        processor_s=ended - began,
        wall_s=ended_wall - began_wall,
        yardstick_s=(yardstick_s + _yardstick_s()) / 2,
    )
    return result, cost


def summary_of(costs: Sequence[Cost]) -> dict[str, float]:
    """Return medians in milliseconds, and of the processor time in yardsticks."""

    def median(values: list[float], digits: int) -> float:
        return round(float(np.median(values)), digits)

    return {
        "processor_ms": median([1000 * c.processor_s for c in costs], 1),
        "wall_ms": median([1000 * c.wall_s for c in costs], 1),
        "yardstick_ms": median([1000 * c.yardstick_s for c in costs], 2),
        "yardsticks": median([c.processor_s / c.yardstick_s for c in costs], 2),
    }


def _yardstick_s() -> float:
    """Return the processor time of transforms, a search and a sort, always the same."""
    waves, ordered, wanted = _material()
    began = time.process_time()
    np.abs(np.fft.rfft(waves))
    np.searchsorted(ordered, wanted)
    np.argsort(wanted[:20_000])
    return time.process_time() - began


@cache
def _material() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(0)
    waves = rng.standard_normal((64, 1024)).astype(np.float32)
    ordered = np.sort(rng.integers(0, 1 << 24, 400_000))
    return waves, ordered, rng.integers(0, 1 << 24, 10_000)
