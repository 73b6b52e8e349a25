"""What of a recording can be shown beside its nearest class: lines and fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contrafact.matching.origin.calibration import Calibration
from contrafact.matching.origin.hearing import Heard
from contrafact.matching.origin.joining import Rules, rank
from contrafact.matching.origin.residual import AXIS, Values

__all__ = ["Figure", "figure_of"]

_LOWEST_HZ, _WIDTH_HZ, _STEP_HZ = 1_000.0, 1_000.0, 250.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """A recording beside the class that it fits best.

    Attributes:
        nearest: The class.
        scale: By which the class's lines are moved to fit.
        hz: Frequencies of the kilohertz in which the class shows most, rising.
        residual: The recording's there, dB.
        lines: The class's there, moved, dB.
        fits: Of every class: its name, how well it fits at the best scale, and
            what recordings by people usually reach.
    """

    nearest: str
    scale: float
    hz: Values
    residual: Values
    lines: Values
    fits: tuple[tuple[str, float, float], ...]


def figure_of(heard: Heard, calibration: Calibration) -> Figure:
    """Return what can be shown of the first channel of a recording."""
    values = heard.rows[0].values
    scores = calibration.scores(values)
    nearest, first = rank(scores, calibration, Rules()).scores[0]
    template = calibration.templates[nearest].values[0]
    lines = np.interp(AXIS / first.scale, AXIS, template, left=0.0, right=0.0)
    inside = _most(lines)
    return Figure(
        nearest=nearest,
        scale=first.scale,
        hz=AXIS[inside],
        residual=values[0, inside],
        lines=lines[inside],
        fits=tuple(
            (name, s.both.fit.best, calibration.nulls[name].both.best.location)
            for name, s in scores.items()
        ),
    )


def _most(lines: Values) -> slice:
    """Return the kilohertz in which lines have most energy."""
    starts = np.arange(_LOWEST_HZ, AXIS[-1] - _WIDTH_HZ, _STEP_HZ)
    ends = [np.searchsorted(AXIS, (s, s + _WIDTH_HZ)) for s in starts]
    energy = [float(np.mean(np.square(lines[low:high]))) for low, high in ends]
    low, high = ends[int(np.argmax(energy))]
    return slice(int(low), int(high))
