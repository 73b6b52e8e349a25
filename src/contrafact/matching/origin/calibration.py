"""Templates of all classes, and the nulls that say what their scores are worth.

Every null is made of scores that saw nothing of what they are scored on: human
recordings are left out of the background in tenths, generated ones leave their
source recording out of their class, or their whole class out of the registry.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from contrafact.matching.origin.nulls import Null
from contrafact.matching.origin.residual import Values
from contrafact.matching.origin.scaling import Fits, Template, transformed
from contrafact.matching.origin.scores import ClassNulls, ClassScore, ViewScore

__all__ = [
    "MIN_HUMANS",
    "Calibration",
    "Rows",
    "calibrate",
]

MIN_HUMANS = 20
"""Human recordings below which no rate of false alarms is stated."""
_FOLDS = 10
_SMOOTH = 100
_SHRINK = 4.0
"""Differences below two standard errors are the music that is left in a mean."""
_ALIKE = 0.35
_LEAST_SURE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """What was heard of the recordings that a class was enrolled with.

    Attributes:
        values: Residuals and pulses, `(n_rows, 2, len(AXIS))`.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """All that is needed to judge a residual.

    Attributes:
        templates: By class, generators alone.
        nulls: Of each class.
        top: Null of the best class's surprise, over human recordings; `top_residual`
            and `top_pulse` of what one view alone shows.
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
    top_residual: Null
    top_pulse: Null
    unseen_still: tuple[float, ...]
    unseen_moved: tuple[float, ...]
    alike: frozenset[frozenset[str]]
    human_tops: tuple[float, ...]
    known_tops: tuple[float, ...]
    unseen_tops: tuple[float, ...]
    comb: Null
    n_humans: int

    def scores(self, values: Values) -> dict[str, ClassScore]:
        """Return how well one recording, `(2, len(AXIS))`, fits each class."""
        variance = next(iter(self.templates.values())).variance
        ready = transformed(values, variance)
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
    scored = [
        [nulls[n].score(fits[n][i]) for n in generators]
        for i in range(len(humans.values))
    ]
    tops = [max(s.surprise for s in row) for row in scored]
    known = {n: [nulls[n].score(fit) for fit in row] for n, row in own.items()}
    rivals = {n: _rivals(n, rows, templates, nulls) for n, rows in generators.items()}
    unseen = [scores for row in rivals.values() for scores in row if scores]
    return Calibration(
        templates=templates,
        nulls=nulls,
        top=Null.of(tops, is_of_surprises=True),
        top_residual=_top([[s.residual for s in row] for row in scored]),
        top_pulse=_top([[s.pulse for s in row] for row in scored]),
        unseen_still=tuple(max(s.sure_still for s in r.values()) for r in unseen),
        unseen_moved=tuple(max(s.sure_moved for s in r.values()) for r in unseen),
        alike=_alike(known, rivals),
        human_tops=tuple(sorted(tops)),
        known_tops=tuple(sorted(s.surprise for row in known.values() for s in row)),
        unseen_tops=tuple(sorted(max(s.surprise for s in r.values()) for r in unseen)),
        comb=Null.of(comb_scores),
        n_humans=len(np.unique(humans.sources)),
    )


def _top(scored: Sequence[Sequence[ViewScore]]) -> Null:
    """Return the null of the best class's surprise in one view."""
    tops = [max(score.surprise for score in row) for row in scored]
    return Null.of(tops, is_of_surprises=True)


def _background(humans: Rows) -> _Background:
    mean, n = humans.mean()
    variance = gaussian_filter1d(humans.values.var(axis=0), _SMOOTH, axis=-1)
    return _Background(mean=mean, n=n, variance=np.maximum(variance, 1e-4))


def _human_fits(generators: Mapping[str, Rows], humans: Rows) -> dict[str, list[Fits]]:
    """Return the fits of human rows to classes, each left out of the background."""
    fits: dict[str, dict[int, Fits]] = {name: {} for name in generators}
    means = {name: rows.mean() for name, rows in generators.items()}
    folds = humans.sources % _FOLDS
    for fold in np.unique(folds):
        out = np.flatnonzero(folds == fold)
        background = _background(humans.only(folds != fold))
        ready = transformed(humans.values[out], background.variance)
        for name, mean in means.items():
            found = background.template(*mean).fits(ready)
            fits[name] |= {int(i): fit for i, fit in zip(out, found, strict=True)}
    return {name: [row[i] for i in sorted(row)] for name, row in fits.items()}


def _own(rows: Rows, background: _Background) -> list[Fits]:
    """Return how well rows fit their class made of the other sources."""
    found: dict[int, Fits] = {}
    for source in np.unique(rows.sources):
        mine = np.flatnonzero(rows.sources == source)
        template = background.template(*rows.mean(but=source))
        fits = template.fits(transformed(rows.values[mine], background.variance))
        found |= {int(i): fit for i, fit in zip(mine, fits, strict=True)}
    return [found[i] for i in range(len(rows.values))]


def _rivals(
    name: str,
    rows: Rows,
    templates: Mapping[str, Template],
    nulls: Mapping[str, ClassNulls],
) -> list[dict[str, ClassScore]]:
    """Return how well each row of a class fits all others."""
    variance = next(iter(templates.values())).variance
    ready = transformed(rows.values, variance)
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
                row[other].rank_still >= score.rank_still
                for score, row in zip(own, rivals[name], strict=True)
                if other != name and score.surprise > 0
            ]
            if sum(lost) > _ALIKE * len(own):
                found.add(frozenset({name, other}))
    return frozenset(found)
