"""Templates of all classes, and the nulls that say what their scores are worth.

Every null is made of scores that saw nothing of what they are scored on: human
recordings are left out of the background in tenths, generated ones leave their
source recording out of their class, or their whole class out of the registry.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from contrafact.matching.origin.nulls import Null
from contrafact.matching.origin.residual import Values
from contrafact.matching.origin.scaling import Fit, Template, transformed

__all__ = [
    "MIN_HUMANS",
    "Calibration",
    "ClassNulls",
    "ClassScore",
    "Rows",
    "Usual",
    "calibrate",
]

MIN_HUMANS = 20
"""Human recordings below which no rate of false alarms is stated."""
_FOLDS = 10
_SMOOTH = 100
_SHRINK = 4.0
"""Differences below two standard errors are the music that is left in a mean."""
_ALIKE = 0.35
_MOVED_COUNTS = 0.9
_LEAST_USUAL = 0.02
_SURE = 6.0
_LEAST_SURE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The residuals that a class was enrolled with.

    Attributes:
        values: `(n_rows, len(AXIS))`, dB.
        sources: Which recording each row is of, `(n_rows,)`.
    """

    values: Values
    sources: NDArray[np.int64]

    def mean(self, *, but: int | None = None) -> tuple[Values, int]:
        """Return the mean of the recordings' means, and of how many they are.

        Args:
            but: A source to leave out, unless it is the only one.
        """
        every = np.unique(self.sources)
        kept = [s for s in every if s != but] or list(every)
        means = [self.values[self.sources == s].mean(axis=0) for s in kept]
        return np.asarray(np.mean(means, axis=0)), len(kept)

    def only(self, kept: NDArray[np.bool_]) -> Rows:
        """Return some of the rows."""
        return Rows(values=self.values[kept], sources=self.sources[kept])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Background:
    """Recordings by people, which templates are held against."""

    mean: Values
    n: int
    variance: Values

    def template(self, mean: Values, n: int) -> Template:
        """Return what a class has and people have not, without what is chance.

        The difference is shrunk towards zero by its standard error at each
        frequency (James and Stein, 1961, by its positive part).
        """
        values = mean - self.mean
        error = self.variance * (1 / n + 1 / self.n)
        kept = 1 - _SHRINK * error / np.maximum(np.square(values), 1e-12)
        return Template(values=values * np.maximum(kept, 0), variance=self.variance)


class Usual(NamedTuple):
    """How well a class's own recordings fit it, when it is made of the others."""

    still: float
    best: float
    soft: float


class ClassScore(NamedTuple):
    """How well a residual fits a class, against what human recordings reach.

    Both numbers are minus the natural logarithm of a p-value: at the scale that
    the class has, and at the best one.
    """

    still: float
    moved: float
    fit: Fit
    usual: Usual
    is_soft: bool

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
    def surprise(self) -> float:
        """The better of both, paid for having looked twice."""
        return max(0.0, max(self.still, self.moved) - math.log(2))


def _part(reached: float, usual: float) -> float:
    return min(1.0, max(0.0, reached / max(usual, _LEAST_USUAL)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNulls:
    """What human recordings reach against one class, and what its own do."""

    still: Null
    best: Null
    soft: Null
    usual: Usual

    @classmethod
    def of(cls, fits: Sequence[Fit], own: Sequence[Fit]) -> ClassNulls:
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

    def score(self, fit: Fit) -> ClassScore:
        """Return what a fit is worth."""
        best, soft = self.best.surprise(fit.best), self.soft.surprise(fit.soft)
        return ClassScore(
            still=self.still.surprise(fit.still),
            moved=max(0.0, max(best, soft) - math.log(2)),
            fit=fit,
            usual=self.usual,
            is_soft=soft > best,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """All that is needed to judge a residual.

    Attributes:
        templates: By class, generators alone.
        nulls: Of each class.
        top: Null of the best class's surprise, over human recordings.
        unseen_still: How sure any class is, of recordings whose own generator is
            left out, as they are; `unseen_moved` at the best scale.
        alike: Pairs of classes that cannot be told apart.
        human_tops: The best class's surprise over human recordings, rising.
        known_tops: The own class's, over generated ones, sources left out.
        unseen_tops: The best other class's, over generated ones.
        comb: Null of the comb's score.
        n_humans: Human recordings.
    """

    templates: Mapping[str, Template]
    nulls: Mapping[str, ClassNulls]
    top: Null
    unseen_still: tuple[float, ...]
    unseen_moved: tuple[float, ...]
    alike: frozenset[frozenset[str]]
    human_tops: tuple[float, ...]
    known_tops: tuple[float, ...]
    unseen_tops: tuple[float, ...]
    comb: Null
    n_humans: int

    def scores(self, values: Values) -> dict[str, ClassScore]:
        """Return how well one residual fits each class."""
        ready = transformed(values)
        return {
            name: self.nulls[name].score(template.fit(ready))
            for name, template in self.templates.items()
        }

    def limit(self, wrong_names: float, *, is_still: bool) -> float:
        """Return how sure of a class a recording must be to be given its name.

        Args:
            wrong_names: Part of recordings by other generators that may be as sure.
            is_still: Whether it fits as it is.
        """
        if len(self.templates) < 3:
            return _LEAST_SURE
        unseen = self.unseen_still if is_still else self.unseen_moved
        return max(_LEAST_SURE, float(np.quantile(unseen, 1 - wrong_names / 2)))

    def human_probability(self, surprise: float) -> float:
        """Return how likely people made what no class fits better than this.

        Even odds beforehand of people and generators, and of those enrolled and
        others.
        """
        human = _share_below(self.human_tops, surprise)
        known = _share_below(self.known_tops, surprise)
        unseen = _share_below(self.unseen_tops, surprise)
        return human / (human + (known + unseen) / 2)


def _share_below(values: Sequence[float], limit: float) -> float:
    return (bisect_right(values, limit) + 1) / (len(values) + 2)


def calibrate(
    generators: Mapping[str, Rows], humans: Rows, comb_scores: Sequence[float]
) -> Calibration:
    """Fit templates and nulls.

    Args:
        generators: Rows of each generator, at least one.
        humans: Rows of human recordings, at least `MIN_HUMANS` of them.
        comb_scores: Of the human rows.
    """
    background = _background(humans)
    fits = _human_fits(generators, humans)
    own = {name: _own(rows, background) for name, rows in generators.items()}
    nulls = {name: ClassNulls.of(row, own[name]) for name, row in fits.items()}
    templates = {n: background.template(*rows.mean()) for n, rows in generators.items()}
    tops = [
        max(nulls[n].score(fits[n][i]).surprise for n in generators)
        for i in range(len(humans.values))
    ]
    known = {n: [nulls[n].score(fit) for fit in row] for n, row in own.items()}
    rivals = {n: _rivals(n, rows, templates, nulls) for n, rows in generators.items()}
    unseen = [scores for row in rivals.values() for scores in row if scores]
    return Calibration(
        templates=templates,
        nulls=nulls,
        top=Null.of(tops),
        unseen_still=tuple(max(s.sure_still for s in r.values()) for r in unseen),
        unseen_moved=tuple(max(s.sure_moved for s in r.values()) for r in unseen),
        alike=_alike(known, rivals),
        human_tops=tuple(sorted(tops)),
        known_tops=tuple(sorted(s.surprise for row in known.values() for s in row)),
        unseen_tops=tuple(sorted(max(s.surprise for s in r.values()) for r in unseen)),
        comb=Null.of(comb_scores),
        n_humans=len(np.unique(humans.sources)),
    )


def _background(humans: Rows) -> _Background:
    mean, n = humans.mean()
    variance = gaussian_filter1d(humans.values.var(axis=0), _SMOOTH)
    return _Background(mean=mean, n=n, variance=np.maximum(variance, 1e-4))


def _human_fits(generators: Mapping[str, Rows], humans: Rows) -> dict[str, list[Fit]]:
    """Return the fits of human rows to classes, each left out of the background."""
    nothing = Fit(still=0.0, best=0.0, scale=1.0, soft=0.0, soft_scale=1.0)
    fits = {name: [nothing] * len(humans.values) for name in generators}
    means = {name: rows.mean() for name, rows in generators.items()}
    folds = humans.sources % _FOLDS
    for fold in np.unique(folds):
        out = np.flatnonzero(folds == fold)
        background = _background(humans.only(folds != fold))
        ready = transformed(humans.values[out])
        for name, mean in means.items():
            found = background.template(*mean).fits(ready)
            for i, fit in zip(out, found, strict=True):
                fits[name][i] = fit
    return fits


def _own(rows: Rows, background: _Background) -> list[Fit]:
    """Return how well rows fit their class made of the other sources."""
    found: dict[int, Fit] = {}
    for source in np.unique(rows.sources):
        mine = np.flatnonzero(rows.sources == source)
        template = background.template(*rows.mean(but=source))
        fits = template.fits(transformed(rows.values[mine]))
        found |= {int(i): fit for i, fit in zip(mine, fits, strict=True)}
    return [found[i] for i in range(len(rows.values))]


def _rivals(
    name: str,
    rows: Rows,
    templates: Mapping[str, Template],
    nulls: Mapping[str, ClassNulls],
) -> list[dict[str, ClassScore]]:
    """Return how well each row of a class fits all others."""
    ready = transformed(rows.values)
    found: list[dict[str, ClassScore]] = [{} for _ in rows.values]
    for other, template in templates.items():
        if other != name:
            for row, fit in zip(found, template.fits(ready), strict=True):
                row[other] = nulls[other].score(fit)
    return found


def _alike(
    known: Mapping[str, Sequence[ClassScore]],
    rivals: Mapping[str, Sequence[Mapping[str, ClassScore]]],
) -> frozenset[frozenset[str]]:
    """Return the pairs of classes that cannot be told apart.

    Of one of them, more than a third of the recordings fit the other as well as
    their own.
    """
    found = set()
    for name, own in known.items():
        for other in known:
            lost = [
                row[other].still >= score.still
                for score, row in zip(own, rivals[name], strict=True)
                if other != name and score.surprise > 0
            ]
            if sum(lost) > _ALIKE * len(own):
                found.add(frozenset({name, other}))
    return frozenset(found)
