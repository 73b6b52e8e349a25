"""Influence by the angle between gradients, nothing preconditioned.

The simplest estimator that looks into the model, and the one that others have
to be better than.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.estimators._features import (
    Compare,
    FeatureEstimator,
    FeatureSettings,
)
from contrafact.attribution.gradients import Measurement
from contrafact.attribution.shards import Shards

__all__ = ["GradientCosineEstimator", "GradientCosineSettings"]

_SHORTEST = 1e-30  # of a gradient that has a direction


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientCosineSettings(FeatureSettings):
    """As `FeatureSettings`, but gradients are kept whole."""

    n_features: int = 0


class GradientCosineEstimator(FeatureEstimator[GradientCosineSettings]):
    """Cosine of the loss gradients of query and window, mean over checkpoints.

    TracIn with one checkpoint or several, its dot product normalised, as the
    paper advises where lengths of gradients vary. Assumes that plain gradient
    descent took the model where it is. A window's score is in [-1, 1]: it has
    no unit, and sums over windows count long recordings more.

    Cost: `n_draws` forward and backward passes over the corpus a checkpoint,
    `n_query_draws` for a query. Keeps the whole gradient of every window and
    set of draws in bfloat16, so a query reads all of it.

    Args:
        settings: Whose gradients.

    References:
        Pruthi et al., "Estimating training data influence by tracing gradient
        descent" (TracIn), NeurIPS 2020; Charpiat et al., "Input similarity
        from the neural network perspective", NeurIPS 2019, for the cosine.
    """

    name = "gradient-cosine"

    def __init__(self, settings: GradientCosineSettings | None = None) -> None:
        super().__init__(settings or GradientCosineSettings())

    def _measured(self, task: AttributionTask) -> tuple[Measurement, ...]:
        return (task.measurement,)

    def _comparison(self, shards: Shards) -> Compare:
        def cosines(asked: Tensor) -> Tensor:
            queries = asked[:, -1]
            length = queries.mean(1).norm(dim=-1).clamp_min(_SHORTEST)
            unit = queries / length[:, None, None]
            parts = []
            for _, found in shards.parts():
                known = found[:, 0].float()
                length = known.mean(1).norm(dim=-1).clamp_min(_SHORTEST)
                known = known / length[:, None, None]
                parts.append(torch.einsum("qaf,wbf->qabw", unit, known))
            return torch.cat(parts, dim=-1)

        return cosines
