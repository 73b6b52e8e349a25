"""Shares as the program prints them: fitted to retrained ones on the choosing half."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from truth import GENERATED, LeagueTruth, Sources
from world import World

from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import positive_shares
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.shares import (
    ShareSettings,
    influence_of_sources,
    shares_of,
    sizes_of,
)

__all__ = ["errors_of", "fit_to", "fitted_shares"]

Array = NDArray[np.float64]


def errors_of(
    truth: LeagueTruth, world: World, scores: Scores, kind: str
) -> ShareError | None:
    """Return what the choosing half says of an estimator, None without the truth."""
    sources = truth.sources(kind)
    if sources is None:
        return None
    groups = world.groups(kind, sources.names)
    found = influence_of_sources(scores, groups)
    error = fit_to(truth, found, sources, sizes_of(scores, groups))
    rows = truth.rows(GENERATED, "choosing")
    real = positive_shares(sources.mean)
    settings = ShareSettings(error=error)
    apart = []
    for row in rows:
        shares, rest = shares_of(scores, groups, query=int(row), settings=settings)
        is_named = np.isin(sources.names, [s.id for s in shares if s.significant])
        apart.append(abs(rest.share - (1 - float(real[row][is_named].sum()))))
    return replace(error, rest_errors=tuple(sorted(apart)))


def fit_to(
    truth: LeagueTruth, found: Array, sources: Sources, sizes: Array
) -> ShareError:
    """Return what the choosing half of the songs says of influences."""
    rows = truth.rows(GENERATED, "choosing")
    real = positive_shares(sources.mean)
    return ShareError.measured(positive_shares(found)[rows], real[rows], sizes)


def fitted_shares(
    truth: LeagueTruth, found: Array, sources: Sources, sizes: Array
) -> Array:
    """Return the shares that influences become, `(n_query, n_source)`."""
    error = fit_to(truth, found, sources, sizes)
    return error.fitted(positive_shares(found), sizes)
