"""Some whitened coordinates, against whitening everything and then choosing."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from contrafact.attribution.base import AttributionTask, Queries
from contrafact.attribution.coordinates import Coordinates
from contrafact.attribution.gradients import flatten, gradients_of
from contrafact.attribution.preconditioning import DiagonalFisher, KroneckerFisher

EXACT = 1e-4  # of the largest coordinate


@pytest.mark.parametrize("kind", ["diagonal", "kronecker"])
@pytest.mark.parametrize("part", [1, 7, 500])
def test_they_are_those_of_the_whole_whitened_gradient(
    task: AttributionTask,
    queries: Queries,
    kind: Literal["diagonal", "kronecker"],
    part: int,
) -> None:
    """All of them, every seventh and a few, of every draw its own."""
    draws = task.draws(4).weighted(torch.linspace(0.5, 1.5, task.n_strata)).singles()
    sampled = [
        gradients_of(task.generator, *task.train_batch([row]), draws)
        for row in range(4)
    ]
    fishers = {"diagonal": DiagonalFisher, "kronecker": KroneckerFisher}
    fisher = fishers[kind].of(sampled, damping=5.0)
    batch = queries.batch
    said = task.generator.condition(queries.prompts, n_tokens=batch.n_tokens)
    white = fisher.whiten(gradients_of(task.generator, batch, said, draws))
    whole = flatten(white, sorted(white))
    kept = torch.arange(3, whole.shape[-1], part)
    shapes = {n: p.shape for n, p in task.generator.parameters().items()}
    chosen = Coordinates.of(fisher, shapes, kept)
    found = chosen.features(task.generator, batch, said, draws)
    wanted = whole[..., kept]
    assert found.shape == (len(batch), 4, len(kept))
    assert (found - wanted).abs().max() < EXACT * wanted.abs().max()


def test_only_biases_and_norms_can_be_asked_for(
    task: AttributionTask, queries: Queries
) -> None:
    """Vectors alone, without the matrix of their layer."""
    draws = task.draws(4).singles()
    batch = queries.batch
    said = task.generator.condition(queries.prompts, n_tokens=batch.n_tokens)
    found = gradients_of(task.generator, batch, said, draws)
    fisher = DiagonalFisher.of([found], damping=1.0)
    shapes = {n: p.shape for n, p in task.generator.parameters().items()}
    first, kept = 0, []
    for name in sorted(shapes):
        size = shapes[name].numel()
        kept += range(first, first + size) if len(shapes[name]) == 1 else ()
        first += size
    white = fisher.whiten(found)
    wanted = flatten(white, sorted(white))[..., kept]
    chosen = Coordinates.of(fisher, shapes, torch.tensor(kept))
    rows = chosen.features(task.generator, batch, said, draws)
    assert (rows - wanted).abs().max() < EXACT * wanted.abs().max()
