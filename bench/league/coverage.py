"""Do the intervals of shares hold the shares that retraining gives?"""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import KINDS
from truth import LeagueTruth
from world import World

from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import positive_shares
from contrafact.attribution.shares import shares_of

__all__ = ["covered"]


def covered(
    truth: LeagueTruth, world: World, scores: Scores, kind: str
) -> dict[str, Any]:
    """Return how often intervals hold the retrained share, on the reporting half."""
    sources = truth.sources(kind)
    if sources is None:
        return {"omitted": f"not every {kind} was left out and retrained without"}
    groups, real = world.groups(kind, sources.names), positive_shares(sources.mean)
    result: dict[str, Any] = {"nominal": 0.9, "n_seeds": len(sources.by_seed)}
    for name, kinds in KINDS.items():
        holds, widths, rests = [], [], []
        for row in truth.rows(kinds, "reporting"):
            shares, rest = shares_of(scores, groups, query=int(row))
            by_id = {s.id: s for s in shares}
            for column, source in enumerate(sources.names):
                found, share = by_id[source].interval, real[row, column]
                holds.append(found.low <= share <= found.high)
                widths.append(found.high - found.low)
            rests.append(rest.share)
        result[name] = {
            "covered": round(float(np.mean(holds)), 4),
            "mean_width": round(float(np.mean(widths)), 4),
            "mean_unattributed": round(float(np.mean(rests)), 4),
            "n_shares": len(holds),
        }
    return result
