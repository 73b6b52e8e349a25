"""The derivative of training itself, as a row of the league: a reference, not a method.

    python bench/league --corpus scores-brief --estimators index metagradient

The training of the model is replayed and differentiated through for every song, which
costs some five trainings each. With AdamW's own epsilon training is hardly a smooth
function of its data; a larger one makes it one, and is a slightly other training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    sum_windows,
)
from contrafact.attribution.draws import Draws
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.attribution.metagradient import Measure, Replay
from contrafact.generators import LatentBatch
from contrafact.generators.studio.network import StudioNetwork
from contrafact.generators.studio.training import flow_loss
from contrafact.workflows.recipes import find_recipe

__all__ = ["MetagradientEstimator", "MetagradientSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetagradientSettings:
    """Whose training is replayed.

    Attributes:
        recipe: That the model was trained by, with seed 0.
        epsilon: Of AdamW.
        n_draws: Noise draws of the song's loss.
    """

    recipe: str
    epsilon: float = 1e-4
    n_draws: int = 16


class MetagradientEstimator(FittedEstimator[MetagradientSettings, Replay]):
    """How the song's loss rises as a window counts less in training.

    References:
        Ilyas and Engstrom, "MAGIC: near-optimal data attribution for deep learning",
        2025, arXiv 2504.16430.
    """

    name = "metagradient"

    def _read(self, task: AttributionTask, directory: Path) -> Replay:
        recipe = find_recipe(self._settings.recipe)
        config = replace(recipe.training, seed=0, is_fast=False)
        return Replay(task.train, recipe.network, config, self._settings.epsilon)

    def _score(
        self,
        task: AttributionTask,
        state: Replay,
        queries: Queries,
        progress: Progress,
    ) -> Scores:
        """Return scores, `(n_query, n_train)`, float32: rises of the song's loss."""
        found, draws = [], task.draws(self._settings.n_draws)
        for row in range(len(queries)):
            asked = queries.select(row)
            found.append(state.influence(measure_of(asked, draws)).float())
            progress(row + 1, len(queries))
        return Scores(
            values=sum_windows(torch.stack(found), task.train),
            recording_ids=task.train.recording_ids,
        )


def measure_of(asked: Queries, draws: Draws) -> Measure:
    """Return what measures a song's loss, as a function of the network's weights."""

    def measure(network: StudioNetwork, weights: dict[str, Tensor]) -> Tensor:
        given = {f"network.{name}": value for name, value in weights.items()}
        arguments = (asked.batch, asked.prompts[0], draws)
        found: Tensor = torch.func.functional_call(_Loss(network), given, arguments)
        return found

    return measure


class _Loss(nn.Module):
    """The mean loss of one song over draws, in a form that weights can be handed to."""

    def __init__(self, network: StudioNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, song: LatentBatch, prompt: str, draws: Draws) -> Tensor:
        n = len(draws)
        length = song.latents.shape[-1]
        batch = song.select([0] * n)
        n_tokens = batch.mask.sum(1)
        said = self.network.condition([prompt] * n, n_tokens)
        noise = draws.noise[..., :length]
        losses = flow_loss(self.network, batch, said, draws.times, noise)
        return losses.mean()
