"""Positions on a chart: round ticks, and bars with whiskers in per cent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contrafact.core.results import Interval
from contrafact.reports._format import is_number


def round_ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Return about `n` round numbers that cover `low` to `high`.

    Example:
        >>> round_ticks(0, 0.47)
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    """
    span = high - low if high > low else abs(high) or 1.0
    rough = span / n
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(
        (m * magnitude for m in (1, 2, 2.5, 5) if m * magnitude >= rough * 0.999),
        10 * magnitude,
    )
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    decimals = max(1 - math.floor(math.log10(step)), 0)
    return [round(i * step, decimals) for i in range(first, last + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar from zero, with its whiskers, in per cent of the chart's width."""

    x: str
    width: str
    low: str | None = None
    high: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear axis over round ticks."""

    ticks: tuple[float, ...]

    @classmethod
    def over(cls, values: Iterable[float | None], n: int = 5) -> Scale:
        """Return the axis from 0, or below, that holds all finite values."""
        finite = [v for v in values if v is not None and math.isfinite(v)]
        low, high = min([0.0, *finite]), max([0.0, *finite])
        return cls(ticks=tuple(round_ticks(low, high if high > low else 1.0, n)))

    def position(self, value: float) -> float:
        """Return where a value is, in per cent, held within the chart."""
        low, high = self.ticks[0], self.ticks[-1]
        return 100 * min(max((value - low) / (high - low), 0.0), 1.0)

    def place(self, value: float) -> str:
        """Return the position as an SVG length."""
        return f"{self.position(value):.2f}%"

    def bar(self, value: float, interval: Interval | None = None) -> Bar:
        """Return the bar of a value; whiskers only where they are numbers."""
        shown = value if is_number(value) else 0.0
        start, end = sorted((self.position(0.0), self.position(shown)))
        ends: Sequence[str | None] = (None, None)
        if interval and is_number(interval.low) and is_number(interval.high):
            ends = (self.place(interval.low), self.place(interval.high))
        return Bar(
            x=f"{start:.2f}%", width=f"{end - start:.2f}%", low=ends[0], high=ends[1]
        )
