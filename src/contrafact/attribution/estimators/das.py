"""DAS: how far would the model's output on the query move without a window?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.estimators._features import Compare, FeatureEstimator
from contrafact.attribution.estimators.trak import TrakSettings
from contrafact.attribution.gradients import Measurement
from contrafact.attribution.kernel import RidgeKernel
from contrafact.attribution.shards import Shards

__all__ = ["DasEstimator", "TrakSettings"]

_LEAST_LEFT = 1e-3  # of one minus a leverage


class DasEstimator(FeatureEstimator[TrakSettings]):
    """Mean squared change of the output, by one Newton step without the window.

    With `J` the Jacobian of the output and `r` the residual of the window, the
    step is `H^-1 J^T r / (1 - leverage)` (Sherman and Morrison), and the score
    is the squared length of `J_query` times it. `J^T r` is half the gradient
    of the loss, taken exactly; a Jacobian times its transpose is measured along
    random directions of the output, one a noise draw, whose squares give the
    length in expectation, where the paper takes the output as one number.

    Scores are squares: they say how much a recording matters, not whether it
    helped or hurt. Their unit is that of squared outputs.

    Cost: `2 n_draws` forward and backward passes over the corpus a checkpoint,
    `n_query_draws` for a query; twice the storage of `trak`.

    Args:
        settings: As of `trak`.

    References:
        Lin et al., "Diffusion attribution score: evaluating training data
        influence in diffusion models", ICLR 2025, arXiv 2410.18639;
        Hutchinson, 1989, for lengths along random directions.
    """

    name = "das"

    def __init__(self, settings: TrakSettings | None = None) -> None:
        super().__init__(settings or TrakSettings())

    def _measured(self, task: AttributionTask) -> tuple[Measurement, ...]:
        return ("loss", "directed_output")

    def _asked(self, task: AttributionTask) -> tuple[Measurement, ...]:
        return ("directed_output",)

    def _comparison(self, shards: Shards) -> Compare:
        found = shards.read().float()
        loss, directed = found[:, 0].mean(1), found[:, 1]
        # A mean of independent directions, made as long as one of them.
        one = directed.mean(1) * math.sqrt(directed.shape[1])
        kernel = RidgeKernel(one, damping=self._settings.damping)
        left = (1 - kernel.leverages()).clamp_min(_LEAST_LEFT)
        steps = (loss / left[:, None]).double()

        def changes(asked: Tensor) -> Tensor:
            along = kernel.solve(asked[:, -1])
            squares = torch.einsum("qaf,wf->qaw", along, steps).square() / 2
            return squares[:, :, None].float()

        return changes
