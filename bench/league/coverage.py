"""Do the intervals of shares hold the shares that retraining gives?

Two kinds: those that `attribute` prints, which are over noise draws alone, and those
of a map fitted on the choosing half of the queries (`share_map.py`). Both are
counted on the reporting half.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import kinds_of
from numpy.typing import NDArray
from share_map import ShareMap
from truth import GENERATED, LeagueTruth
from world import World

from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import positive_shares
from contrafact.attribution.shares import Source, influence_of_sources, shares_of

__all__ = ["covered"]

Array = NDArray[np.float64]
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def covered(
    truth: LeagueTruth, world: World, scores: Scores, kind: str
) -> dict[str, Any]:
    """Return how often intervals hold the retrained share, on the reporting half."""
    sources = truth.sources(kind)
    if sources is None:
        return {"omitted": f"not every {kind} was left out and retrained without"}
    groups, real = world.groups(kind, sources.names), positive_shares(sources.mean)
    predicted = positive_shares(influence_of_sources(scores, groups))
    fitted_on = truth.rows(GENERATED, "choosing")
    share_map = ShareMap.fit(predicted[fitted_on], real[fitted_on])
    result: dict[str, Any] = {
        "nominal": share_map.level,
        "n_seeds": len(sources.by_seed),
        "map": {
            "fitted_on": f"{len(fitted_on)} generated songs of the choosing half",
            "towards_equal": round(share_map.towards_equal, 3),
            "width": round(share_map.width, 4),
        },
    }
    songs = truth.rows(GENERATED, "reporting")
    result["curve"] = [
        _mapped(
            ShareMap.fit(predicted[fitted_on], real[fitted_on], level=level),
            predicted[songs],
            real[songs],
        )
        | {"nominal": level}
        for level in LEVELS
    ]
    for name, kinds in kinds_of(truth).items():
        rows = truth.rows(kinds, "reporting")
        result[name] = {
            "mapped": _mapped(share_map, predicted[rows], real[rows]),
            "over_noise_draws": _over_draws(scores, groups, rows, real),
        }
    return result


def _mapped(share_map: ShareMap, predicted: Array, real: Array) -> dict[str, Any]:
    low, high = share_map.interval(predicted)
    return _counted((low <= real) & (real <= high), high - low) | {
        "share_error": round(
            float(np.abs(share_map.shares(predicted) - real).mean()), 4
        ),
        "share_error_unmapped": round(float(np.abs(predicted - real).mean()), 4),
    }


def _over_draws(
    scores: Scores, groups: list[Source], rows: NDArray[np.intp], real: Array
) -> dict[str, Any]:
    """Count the intervals that `attribute` prints."""
    holds, widths, rests = [], [], []
    for row in rows:
        shares, rest = shares_of(scores, groups, query=int(row))
        by_id = {s.id: s.interval for s in shares}
        for column, source in enumerate(groups):
            found = by_id[source.id]
            holds.append(found.low <= real[row, column] <= found.high)
            widths.append(found.high - found.low)
        rests.append(rest.share)
    return _counted(np.array(holds), np.array(widths)) | {
        "mean_unattributed": round(float(np.mean(rests)), 4)
    }


def _counted(holds: NDArray[np.bool_], widths: Array) -> dict[str, Any]:
    return {
        "covered": round(float(holds.mean()), 4),
        "mean_width": round(float(widths.mean()), 4),
        "n_shares": int(holds.size),
    }
