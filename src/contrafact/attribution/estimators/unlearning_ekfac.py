"""Unlearning with a Kronecker-factored Fisher matrix instead of a diagonal one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from contrafact.attribution.estimators._unlearner import (
    Natural,
    StepSettings,
    Unlearner,
)
from contrafact.attribution.estimators._unlearning import StepEstimator
from contrafact.attribution.estimators._unlearning_state import UnlearningState
from contrafact.attribution.finite import require_finite_windows
from contrafact.attribution.kronecker import kronecker_fisher
from contrafact.attribution.panel import spread_windows
from contrafact.attribution.preconditioning import KroneckerFisher
from contrafact.attribution.store import read_tensors
from contrafact.catalog.atomic import write_bytes

__all__ = ["UnlearningEkfacEstimator", "UnlearningEkfacSettings"]

_FILE = "factors.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlearningEkfacSettings(StepSettings):
    """How a query is unlearned; see also `StepSettings`.

    Attributes:
        n_sample: Windows that the Fisher matrix is measured on.
        n_sample_draws: Noise draws for each of them.
    """

    n_sample: int = 128
    n_sample_draws: int = 8


class UnlearningEkfacEstimator(StepEstimator[UnlearningEkfacSettings]):
    """As `unlearning`, but the step goes through EK-FAC's Fisher matrix.

    As the step goes to zero, scores become those of `ek-fac` with the same
    checkpoint, draws and damping.

    Cost, in forward and backward passes: once `2 n_sample n_sample_draws` for
    the Fisher matrix; the rest as `unlearning`, a pass over the corpus without
    gradients for each query.

    Args:
        settings: How to unlearn.

    References:
        Wang et al., "Fast data attribution for text-to-image models", NeurIPS
        2025, arXiv 2511.10721 (AbU+); George et al., 2018, for the matrix.
    """

    name = "unlearning-ekfac"

    def __init__(self, settings: UnlearningEkfacSettings | None = None) -> None:
        super().__init__(settings or UnlearningEkfacSettings())

    def _prepare(self, unlearner: Unlearner, directory: Path) -> None:
        if (directory / _FILE).exists():
            return
        task = unlearner.task
        sampled, examples = spread_windows(task.train, self._settings.n_sample), []
        for row in sampled:
            batch, said = task.train_batch([row])
            examples.append((unlearner.unlearnt_from(batch), said))
        fisher = kronecker_fisher(
            task.generator,
            examples,
            task.draws(self._settings.n_sample_draws),
            damping=self._settings.damping,
            mask_padding=unlearner.masks_unlearning,
            check=lambda i, found: require_finite_windows(
                found, task.train, [sampled[i]]
            ),
        )
        write_bytes(directory / _FILE, save(fisher.tensors()))

    def _natural(self, state: UnlearningState, directory: Path) -> Natural:
        fisher = KroneckerFisher.from_tensors(
            read_tensors(directory / _FILE), damping=self._settings.damping
        )

        def natural(gradient: Mapping[str, Tensor]) -> dict[str, Tensor]:
            rows = {
                name: g[None, None].to(fisher.variances[name].dtype)
                for name, g in gradient.items()
            }
            return {name: g[0, 0] for name, g in fisher.natural(rows).items()}

        return natural
