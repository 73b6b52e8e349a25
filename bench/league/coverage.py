"""Do the intervals of shares hold the shares that retraining gives?

Two kinds: over noise draws alone, and those that `attribute` prints, widened by the
errors of shares on the choosing half of the queries. Both are counted on the reporting
half. A third kind is counted, too: with the fit and the errors that the program is
shipped with, which are of one truth alone, and were not measured on any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from fit import errors_of
from measure import Scored, kinds_of
from numpy.typing import NDArray
from truth import GENERATED, LeagueTruth
from world import World

from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import positive_shares
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.shares import (
    ShareSettings,
    Source,
    shares_of,
)

__all__ = ["covered"]

Array = NDArray[np.float64]
NOMINAL = 0.9
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def covered(
    truth: LeagueTruth, world: World, found: Scored, kind: str
) -> dict[str, Any]:
    """Return how often intervals hold the retrained share, on the reporting half."""
    scores = found.scores
    sources, error = truth.sources(kind), errors_of(truth, world, scores, kind)
    shipped = ShareError.of("index", found.settings, kind)
    if sources is None or error is None:
        return {"omitted": f"not every {kind} was left out and retrained without"}
    groups, real = world.groups(kind, sources.names), positive_shares(sources.mean)
    songs = truth.rows(GENERATED, "reporting")
    result: dict[str, Any] = {
        "nominal": NOMINAL,
        "n_seeds": len(sources.by_seed),
        "error": {
            "measured_on": "generated songs of the choosing half",
            "n_shares": len(error.errors),
            "width": round(error.width(NOMINAL), 4),
            "by_size": round(error.by_size, 4),
        },
        "curve": [
            _counted(scores, groups, songs, real, error, level=level)
            | {"nominal": level}
            for level in LEVELS
        ],
    }
    for name, kinds in kinds_of(truth).items():
        rows = truth.rows(kinds, "reporting")
        result[name] = {
            "printed": _counted(scores, groups, rows, real, error),
            "over_noise_draws": _counted(scores, groups, rows, real, None),
        }
        if shipped is not None:
            result[name]["shipped"] = _counted(scores, groups, rows, real, shipped)
    if len(sources.by_seed) > 1:
        by_seed = np.array([positive_shares(rises) for rises in sources.by_seed])
        apart = _rests_apart(scores, groups, songs, by_seed, error)
        result["rest_between_two_trainings"] = round(apart, 4)
    return result


def _rests_apart(
    scores: Scores,
    groups: list[Source],
    rows: NDArray[np.intp],
    by_seed: Array,
    error: ShareError,
) -> float:
    """Return how far two trainings disagree about what is left of those not named."""
    settings, found = ShareSettings(confidence=NOMINAL, error=error), []
    for row in rows:
        shares, _ = shares_of(scores, groups, query=int(row), settings=settings)
        named = {share.id for share in shares if share.significant}
        others = [place for place, g in enumerate(groups) if g.id not in named]
        rests = by_seed[:, row, others].sum(-1)
        pairs = np.abs(rests[:, None] - rests[None])
        found.append(float(pairs[np.triu_indices(len(rests), 1)].mean()))
    return float(np.mean(found))


def _counted(
    scores: Scores,
    groups: list[Source],
    rows: NDArray[np.intp],
    real: Array,
    error: ShareError | None,
    *,
    level: float = NOMINAL,
) -> dict[str, Any]:
    """Count what `shares_of` gives: shares, the rest, and their intervals."""
    settings = ShareSettings(confidence=level, error=error)
    holds, widths, rests, apart, held_rests = [], [], [], [], []
    real_rests = []
    for row in rows:
        shares, rest = shares_of(scores, groups, query=int(row), settings=settings)
        truth = {g.id: float(t) for g, t in zip(groups, real[row], strict=True)}
        for share in shares:
            holds.append(share.interval.low <= truth[share.id] <= share.interval.high)
            widths.append(share.interval.high - share.interval.low)
        real_rest = 1 - sum(truth[s.id] for s in shares if s.significant)
        rests.append(rest.share)
        real_rests.append(real_rest)
        apart.append(abs(rest.share - real_rest))
        held_rests.append(rest.interval.low <= real_rest <= rest.interval.high)
    return {
        "covered": round(float(np.mean(holds)), 4),
        "mean_width": round(float(np.mean(widths)), 4),
        "n_shares": len(holds),
        "mean_unattributed": round(float(np.mean(rests)), 4),
        "mean_unattributed_retrained": round(float(np.mean(real_rests)), 4),
        "unattributed_error": round(float(np.mean(apart)), 4),
        "unattributed_covered": round(float(np.mean(held_rests)), 4),
    }
