"""TRAK: projected loss gradients through the inverse of their own kernel."""

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
from contrafact.attribution.kernel import RidgeKernel, check_damping
from contrafact.attribution.shards import Shards

__all__ = ["TrakEstimator", "TrakSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrakSettings(FeatureSettings):
    """What the vectors are, and how their kernel is inverted.

    Attributes:
        damping: Added to the kernel, in units of the mean of its eigenvalues
            that are not zero.
    """

    damping: float = 0.1

    def __post_init__(self) -> None:
        """Check the damping too."""
        FeatureSettings.__post_init__(self)
        check_damping(self.damping)


class TrakEstimator(FeatureEstimator[TrakSettings]):
    """`phi_query^T (Phi^T Phi + lambda I)^-1 phi_window`, mean over checkpoints.

    `phi` is the projected gradient of the training loss; the model is taken as
    linear in its parameters around the checkpoint. The paper averages over
    models trained on different halves of the corpus and weighs by how wrong
    the model is of a label; here checkpoints of one model are averaged, and a
    loss of regression needs no such weight. Scores are in the unit of `Scores`.

    Cost: `n_draws` forward and backward passes over the corpus a checkpoint,
    `n_query_draws` for a query; 64 KiB a window and set of 8 draws.

    Args:
        settings: Whose gradients, how many numbers, how much damping.

    References:
        Park et al., "TRAK: Attributing model behavior at scale", ICML 2023,
        arXiv 2303.14186; Georgiev et al., "The journey, not the destination",
        2023, arXiv 2312.06205, for diffusion models.
    """

    name = "trak"

    def __init__(self, settings: TrakSettings | None = None) -> None:
        super().__init__(settings or TrakSettings())

    def _measured(self, task: AttributionTask) -> tuple[Measurement, ...]:
        return ("loss",)

    def _comparison(self, shards: Shards) -> Compare:
        known = shards.read()[:, 0].float()
        kernel = RidgeKernel(known.mean(1), damping=self._settings.damping)

        def products(asked: Tensor) -> Tensor:
            solved = kernel.solve(asked[:, -1]).float()
            return torch.einsum("qaf,wbf->qabw", solved, known)

        return products
