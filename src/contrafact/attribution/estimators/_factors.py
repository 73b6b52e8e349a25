"""What an index measures before it takes a gradient of every window.

The weight of each noise level, the Fisher matrix, and which coordinates to keep;
each from some windows that are spread evenly over the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.draws import Draws
from contrafact.attribution.finite import require_finite_windows
from contrafact.attribution.gradients import LayerGradients, gradients_of
from contrafact.attribution.preconditioning import DiagonalFisher, KroneckerFisher
from contrafact.generators.latents import LatentSet

if TYPE_CHECKING:
    from contrafact.attribution.estimators.index import IndexSettings

__all__ = ["fit_factors"]


def fit_factors(task: AttributionTask, settings: IndexSettings) -> dict[str, Tensor]:
    """Measure noise-level weights and the Fisher matrix; choose coordinates."""
    draws = task.draws(settings.n_draws)
    weights = torch.ones(task.n_strata)
    if settings.is_balanced:
        weights = _stratum_weights(task, draws, settings.n_pilot)
    draws = draws.weighted(weights)
    preconditioner: DiagonalFisher | KroneckerFisher
    if settings.preconditioner == "diagonal":
        # The paper's Fisher matrix is over single draws.
        sampled = _sampled(task, draws.singles(), settings.n_sample)
        preconditioner = DiagonalFisher.of(sampled, damping=settings.damping)
    else:
        # One set of draws is plenty for a mean over many windows.
        one_set = task.draws(task.n_strata).weighted(weights)
        sampled = _sampled(task, one_set, settings.n_sample)
        # All are held in memory; half the digits are plenty for a mean.
        halved = ({n: g.bfloat16() for n, g in found.items()} for found in sampled)
        preconditioner = KroneckerFisher.of(halved, damping=settings.damping)
    moments = preconditioner.second_moments()
    flat = torch.cat([moments[name].flatten() for name in sorted(moments)])
    kept = torch.arange(len(flat))
    if 0 < settings.n_coordinates < len(flat):
        kept = flat.argsort(descending=True, stable=True)[: settings.n_coordinates]
        kept = kept.sort().values
    state = preconditioner.tensors()
    return {**state, "kept": kept, "stratum_weights": weights}


def _sampled(
    task: AttributionTask, draws: Draws, n_sample: int
) -> Iterator[LayerGradients]:
    """Yield the gradients of windows spread evenly over the corpus."""
    for row in spread(task.train, n_sample):
        found = gradients_of(
            task.generator, *task.train_batch([row]), draws,
            measurement=task.measurement,
        )  # fmt: skip
        require_finite_windows(found, task.train, [row])
        yield found


def _stratum_weights(task: AttributionTask, draws: Draws, n_pilot: int) -> Tensor:
    """Return one over the typical length of each noise level's gradient."""
    singles, total = draws.singles(), torch.zeros(len(draws))
    for row in spread(task.train, n_pilot):
        found = gradients_of(
            task.generator, *task.train_batch([row]), singles,
            measurement=task.measurement,
        )  # fmt: skip
        require_finite_windows(found, task.train, [row])
        total += sum(g[0].flatten(1).square().sum(1) for g in found.values())
    length = total.reshape(draws.n_sets, draws.n_strata).mean(0).sqrt()
    weights: Tensor = 1 / length.clamp_min(1e-20)
    return weights / weights.mean()


def spread(train: LatentSet, at_most: int) -> list[int]:
    """Return up to `at_most` windows spread evenly, whatever order they are in."""

    def name(row: int) -> tuple[str, float]:
        window = train.windows[row]
        return window.recording_id, window.start_s

    ordered = sorted(range(len(train)), key=name)
    count = min(len(train), at_most)
    return [ordered[i * len(train) // count] for i in range(count)]
