"""Shares as the program prints them: fitted to retrained ones on the choosing half."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from truth import GENERATED, LeagueTruth, Sources
from world import World

from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import positive_shares
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.shares import influence_of_sources, sizes_of

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
    return fit_to(truth, found, sources, sizes_of(scores, groups))


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
