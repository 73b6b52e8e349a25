"""Estimators of influence, and the registry that finds them.

Estimators are listed in `ESTIMATORS`; a package from outside adds its own
under the entry point group `contrafact.estimators`, as something that is called
with the estimator's settings by keyword.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from contrafact.attribution.base import Estimator
from contrafact.core.errors import ConfigError

__all__ = [
    "ENTRY_POINT_GROUP",
    "ESTIMATORS",
    "PREDICTS_RISE",
    "EstimatorMaker",
    "make_estimator",
]

EstimatorMaker = Callable[..., Estimator]
"""Makes an estimator of its settings, given by keyword."""

ENTRY_POINT_GROUP = "contrafact.estimators"


def _lazy(module: str, estimator: str, settings: str | None = None) -> EstimatorMaker:
    """Return a maker whose module is imported when it is first needed.

    Args:
        module: Where the estimator is, in this package.
        estimator: Its class.
        settings: The class of its settings; None where it has none.
    """

    def make(**chosen: Any) -> Estimator:
        home = import_module(f"{__name__}.{module}")
        kind = cast(EstimatorMaker, getattr(home, estimator))
        if settings is None:
            return kind(**chosen)
        return kind(getattr(home, settings)(**chosen))

    return make


ESTIMATORS: dict[str, EstimatorMaker] = {
    "index": _lazy("index", "IndexEstimator", "IndexSettings"),
    "unlearning": _lazy("unlearning", "UnlearningEstimator", "UnlearningSettings"),
    "unlearning-ekfac": _lazy(
        "unlearning_ekfac", "UnlearningEkfacEstimator", "UnlearningEkfacSettings"
    ),
    "mucs": _lazy("mucs", "MucsEstimator", "MucsSettings"),
    "ek-fac": _lazy("ek_fac", "EkFacEstimator", "EkFacSettings"),
    "cg": _lazy("cg", "CgEstimator", "CgSettings"),
    "trak": _lazy("trak", "TrakEstimator", "TrakSettings"),
    "d-trak": _lazy("d_trak", "DTrakEstimator", "TrakSettings"),
    "das": _lazy("das", "DasEstimator", "TrakSettings"),
    "gradient-cosine": _lazy(
        "gradient_cosine", "GradientCosineEstimator", "GradientCosineSettings"
    ),
    "similarity": _lazy("similarity", "SimilarityEstimator", "SimilaritySettings"),
    "captions": _lazy("captions", "CaptionsEstimator", "CaptionsSettings"),
    "random": _lazy("chance", "ChanceEstimator", "ChanceSettings"),
}
"""The estimators that contrafact brings, by name; `index` is the default."""

PREDICTS_RISE = frozenset(
    {"cg", "ek-fac", "index", "trak", "unlearning", "unlearning-ekfac"}
)
"""Those whose scores predict rises of the query's loss, in the unit of `Scores`: what
retraining measures can set a scale for them."""


def make_estimator(name: str, **settings: Any) -> Estimator:
    """Return the estimator of this name, from `ESTIMATORS` or from outside.

    Args:
        name: Of the estimator.
        settings: Those that shall not be as they are by default.

    Raises:
        ConfigError: If there is no such estimator, or it has no such setting.

    Example:
        >>> make_estimator("similarity", kind="spectral").settings
        {'kind': 'spectral', 'n_panel': 64}
    """
    makers = dict(ESTIMATORS)
    if name not in makers:
        outside = {e.name: e for e in entry_points(group=ENTRY_POINT_GROUP)}
        if name not in outside:
            known = ", ".join(sorted({*makers, *outside}))
            raise ConfigError(f"There is no estimator {name!r}. Known: {known}.")
        makers[name] = cast(EstimatorMaker, outside[name].load())
    try:
        return makers[name](**settings)
    except TypeError as error:
        raise ConfigError(
            f"Estimator {name} does not take these settings: {error}."
        ) from error
