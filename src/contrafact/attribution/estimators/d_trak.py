"""D-TRAK: TRAK with the squared output in place of the loss."""

from __future__ import annotations

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.estimators.trak import TrakEstimator, TrakSettings
from contrafact.attribution.gradients import Measurement

__all__ = ["DTrakEstimator", "TrakSettings"]


class DTrakEstimator(TrakEstimator):
    """TRAK on the gradients of the mean squared output of the model.

    What the loss and its minimum hide, the size of the output shows: so the
    paper found by experiment; it gives no derivation, and scores have no unit.

    Cost and storage as `trak`.

    Args:
        settings: As of `trak`.

    References:
        Zheng et al., "Intriguing properties of data attribution on diffusion
        models", ICLR 2024, arXiv 2311.00500.
    """

    name = "d-trak"

    def _measured(self, task: AttributionTask) -> tuple[Measurement, ...]:
        return ("squared_output",)
