"""Influence through the Gauss-Newton matrix itself, solved by conjugate gradients.

The dear reference beside `ek-fac`: its matrix is not approximated by a Kronecker
product, which only tells the search where to begin and how to go.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.curvature import GaussNewton, solve_by_conjugate_gradients
from contrafact.attribution.estimators.ek_fac import EkFacSettings, ExactEstimator
from contrafact.attribution.gradients import LayerGradients, Measurement
from contrafact.attribution.panel import spread_windows
from contrafact.attribution.precision import exact
from contrafact.attribution.preconditioning import KroneckerFisher
from contrafact.core.errors import ConfigError

__all__ = ["CgEstimator", "CgSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CgSettings(EkFacSettings):
    """As `EkFacSettings`, and how far the search goes.

    Attributes:
        n_sample: Windows that the matrix is measured on, and solved for.
        n_sample_draws: Noise draws for each of them.
        n_panel: Recordings that stand for "any other song"; each costs as much
            as a query, so there are none.
        n_steps: Steps of the search at most; each a product with the matrix.
        tolerance: Length of the residual, in units of the gradient's, that ends it.
    """

    n_panel: int = 0
    n_steps: int = 20
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        """Check the search.

        Raises:
            ConfigError: If a setting is out of range.
        """
        # Not `super()`: a class with slots is made anew by the decorator.
        EkFacSettings.__post_init__(self)
        if self.n_steps < 0 or not self.tolerance > 0:
            raise ConfigError(
                "n_steps must be at least 0 and tolerance greater than zero; found "
                f"{self.n_steps} and {self.tolerance}."
            )


class CgEstimator(ExactEstimator[CgSettings]):
    """Influence functions whose matrix is solved, with EK-FAC to help the search.

    Assumes what `ek-fac` assumes, but for the Kronecker form: the damped
    Gauss-Newton matrix of the sampled windows is solved as it is. Scores are in the
    unit of `Scores`; the query's noise draws are solved together, not set by set.

    Cost, in forward and backward passes: that of `ek-fac`, and for each query about
    `2 n_steps n_sample n_sample_draws` single ones.

    Args:
        settings: Whose gradients, how much damping, how long a search.

    References:
        ASTRA, 2025, arXiv 2507.14740, for EK-FAC as preconditioner; Koh and Liang,
        "Understanding black-box predictions via influence functions", ICML 2017,
        for conjugate gradients.
    """

    name = "cg"

    def __init__(self, settings: CgSettings | None = None) -> None:
        super().__init__(settings or CgSettings())

    def _curvature(self, task: AttributionTask) -> Measurement:
        return "directed_output"

    def _solved(
        self, task: AttributionTask, fisher: KroneckerFisher, found: LayerGradients
    ) -> LayerGradients:
        s = self._settings
        sampled = spread_windows(task.train, s.n_sample)
        matrix = GaussNewton(
            task.generator,
            [task.train_batch([row]) for row in sampled],
            task.draws(s.n_sample_draws),
        )
        names = sorted(found)
        shapes = {name: found[name].shape[2:] for name in names}
        sizes = [shapes[name].numel() for name in names]

        def apart(flat: Tensor) -> dict[str, Tensor]:
            parts = flat.split(sizes)
            return {n: x.reshape(shapes[n]) for n, x in zip(names, parts, strict=True)}

        def flat(parts: dict[str, Tensor]) -> Tensor:
            return torch.cat([parts[name].flatten() for name in names])

        def product(vector: Tensor) -> Tensor:
            parts = apart(vector)
            curved = matrix.product(parts)
            return flat({n: curved[n] + fisher.floor(n) * parts[n] for n in names})

        def precondition(vector: Tensor) -> Tensor:
            parts = {n: x[None, None] for n, x in apart(vector).items()}
            return flat(fisher.natural(parts))

        wanted = flat({name: found[name][0].mean(0) for name in names})
        with exact(task.generator):
            solved = solve_by_conjugate_gradients(
                product, wanted, precondition=precondition,
                n_steps=s.n_steps, tolerance=s.tolerance,
            )  # fmt: skip
        return {n: x[None, None] for n, x in apart(solved).items()}
