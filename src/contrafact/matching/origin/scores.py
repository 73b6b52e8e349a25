"""What fits are worth: against recordings by people, and against a class's own.

A class is looked at in three views: the residual, the pulse, and both at one
scale. Each has its own nulls. As a sound is, residual and pulse are two witnesses
that know nothing of each other, and are joined; at other scales the best of the
three views counts, paid for having looked three times.

References:
    Fisher, "Statistical Methods for Research Workers", 1932 (independent p-values
    joined by their product).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from contrafact.matching.origin.nulls import Null
from contrafact.matching.origin.scaling import Fit, Fits, Shared

__all__ = ["ClassNulls", "ClassScore", "Usual", "ViewNulls", "ViewScore"]

_MOVED_COUNTS = 0.9
_LEAST_USUAL = 0.02
_SURE = 6.0
_LEAST_PULSE = 0.5
_AS_IT_IS = 0.8
"""Part of the false alarms that is left to sounds whose scale was not changed."""


class Usual(NamedTuple):
    """How well a class's own recordings fit it, when it is made of the others."""

    still: float
    best: float
    soft: float


class ViewScore(NamedTuple):
    """How well a recording fits a class in one view, against what people's reach.

    Both numbers are minus the natural logarithm of a p-value: at the scale that
    the class has, and at the best one. `is_plain` tells whether the class's own
    recordings usually stand out in this view.
    """

    still: float
    moved: float
    fit: Fit
    usual: Usual
    is_soft: bool
    is_plain: bool

    @property
    def scale(self) -> float:
        """The scale at which it fits best."""
        return self.fit.soft_scale if self.is_soft else self.fit.scale

    @property
    def sure_still(self) -> float:
        """How much of what its own recordings reach as they are is reached.

        In [0, 1]; less if people's recordings reach it, too.
        """
        return self._typical_still * min(1.0, self.still / _SURE)

    @property
    def sure_moved(self) -> float:
        """The same at the best scale."""
        return self._typical_moved * min(1.0, self.moved / _SURE)

    @property
    def sure(self) -> float:
        """The higher of both."""
        return max(self.sure_still, self.sure_moved)

    @property
    def _typical_still(self) -> float:
        return _part(self.fit.still, self.usual.still)

    @property
    def _typical_moved(self) -> float:
        best = _part(self.fit.best, self.usual.best)
        return _MOVED_COUNTS * max(best, _part(self.fit.soft, self.usual.soft))

    @property
    def rank_still(self) -> float:
        """Surprise as it is, as far as it is typical of the class."""
        return self.still * self._typical_still

    @property
    def rank(self) -> float:
        """What classes are put in order by: surprise, as far as it is typical.

        A fit at another scale has to earn its keep: at some scale, an even comb
        is any other even comb.
        """
        return max(self.rank_still, self.moved * self._typical_moved)

    @property
    def part(self) -> float:
        """How much of what its own recordings reach is reached, at any scale."""
        best = _part(self.fit.best, self.usual.best)
        soft = _part(self.fit.soft, self.usual.soft)
        return max(_part(self.fit.still, self.usual.still), best, soft)

    @property
    def surprise(self) -> float:
        """The better of both, paid for having looked twice."""
        return max(0.0, max(self.still, self.moved) - math.log(2))


def _part(reached: float, usual: float) -> float:
    return min(1.0, max(0.0, reached / max(usual, _LEAST_USUAL)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewNulls:
    """What human recordings reach in one view, and what the class's own do."""

    still: Null
    best: Null
    soft: Null
    usual: Usual

    @classmethod
    def of(cls, fits: Sequence[Fit], own: Sequence[Fit]) -> ViewNulls:
        """Fit to the fits of human recordings, and of the class's own."""
        return cls(
            still=Null.of([v for f in fits for v in (f.still, *f.aside)]),
            best=Null.of([f.best for f in fits]),
            soft=Null.of([f.soft for f in fits]),
            usual=Usual(
                still=float(np.median([f.still for f in own])),
                best=float(np.median([f.best for f in own])),
                soft=float(np.median([f.soft for f in own])),
            ),
        )

    def score(self, fit: Fit) -> ViewScore:
        """Return what a fit is worth."""
        best, soft = self.best.surprise(fit.best), self.soft.surprise(fit.soft)
        return ViewScore(
            still=self.still.surprise(fit.still),
            moved=max(0.0, max(best, soft) - math.log(2)),
            fit=fit,
            usual=self.usual,
            is_soft=soft > best,
            is_plain=self.still.surprise(self.usual.still) >= _SURE,
        )


class ClassScore(NamedTuple):
    """How well a recording fits a class in every view.

    Numbers are minus the natural logarithm of p-values, or parts in [0, 1] of
    what the class's own recordings reach.
    """

    residual: ViewScore
    pulse: ViewScore
    both: ViewScore
    shared: Shared

    @property
    def still(self) -> float:
        """Surprise at the scale that the class has: residual and pulse together."""
        joined = self.residual.still + self.pulse.still
        return joined - math.log1p(joined)

    @property
    def moved(self) -> float:
        """Surprise at the best scale, in the best view."""
        views = self.residual, self.pulse, self.both
        return max(view.moved for view in views) - math.log(len(views))

    @property
    def lacks_pulse(self) -> bool:
        """Whether the class's own recordings beat plainly at its step, and this not.

        A filter prints lines on a spectrum and leaves the power as it was. What
        changes pitch without speed, or speed without pitch, takes the pulse, too.
        """
        return self.pulse.is_plain and self.pulse.part < _LEAST_PULSE

    @property
    def surprise(self) -> float:
        """Surprise at any scale."""
        still = self.still + math.log(_AS_IT_IS)
        return max(0.0, still, self.moved + math.log(1 - _AS_IT_IS))

    @property
    def rank_still(self) -> float:
        """Surprise as it is, as far as it is typical of the class.

        Decoders of one step share a pulse, so that residual and pulse both count.
        """
        return self.residual.rank_still + self.pulse.rank_still

    @property
    def rank(self) -> float:
        """What classes are put in order by."""
        return max(self.rank_still, *(view.rank for view in self._ranking))

    @property
    def _ranking(self) -> tuple[ViewScore, ...]:
        """The views that count at another scale.

        There, a pulse alone is that of many steps: a hundred beats a second are
        eighty, four semitones down. It counts where the class has nothing else.
        """
        if self.residual.is_plain:
            return self.residual, self.both
        return self.residual, self.pulse, self.both

    @property
    def sure_still(self) -> float:
        """How much of what its own reach as they are is reached."""
        return self._telling.sure_still

    @property
    def sure_moved(self) -> float:
        """The same at the best scale."""
        return self._telling.sure_moved

    @property
    def _telling(self) -> ViewScore:
        """The residual, unless the class has next to none: its pulse is not its own."""
        return self.residual if self.residual.is_plain else self.both

    @property
    def leading(self) -> ViewScore:
        """The view in which it fits best."""
        return max(self._ranking, key=lambda view: view.rank)

    @property
    def scale(self) -> float:
        """The scale at which it fits best."""
        if self.residual.is_plain and self.rank > self.rank_still:
            return self.shared.scale
        return self.leading.scale


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNulls:
    """The nulls of a class in every view."""

    residual: ViewNulls
    pulse: ViewNulls
    both: ViewNulls

    @classmethod
    def of(cls, fits: Sequence[Fits], own: Sequence[Fits]) -> ClassNulls:
        """Fit to the fits of human recordings, and of the class's own."""
        views = [
            ViewNulls.of(people, mine)
            for people, mine in zip(
                zip(*(f.views for f in fits), strict=True),
                zip(*(f.views for f in own), strict=True),
                strict=True,
            )
        ]
        return cls(residual=views[0], pulse=views[1], both=views[2])

    def score(self, fits: Fits) -> ClassScore:
        """Return what fits are worth."""
        return ClassScore(
            residual=self.residual.score(fits.residual),
            pulse=self.pulse.score(fits.pulse),
            both=self.both.score(fits.both),
            shared=fits.shared,
        )
