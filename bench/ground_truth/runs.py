"""One run: train a model without some recordings, and measure every query."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from plan import Run
from queries import QuerySet

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.draws import losses_at
from contrafact.generators import LatentBatch
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.generator import StudioGenerator, shipped_codec
from contrafact.generators.studio.training import Trainer
from contrafact.workflows.recipes import Recipe

__all__ = ["N_DRAWS", "N_STRATA", "measure", "prepare", "run_path", "train_and_measure"]

N_DRAWS = 64
N_STRATA = 8

_given: tuple[LatentSet, Recipe, QuerySet, Path] | None = None


def prepare(data: LatentSet, recipe: Recipe, queries: QuerySet, folder: Path) -> None:
    """Keep what every run of this process needs."""
    global _given  # noqa: PLW0603 - the state of one worker process
    torch.set_num_threads(1)
    _given = data, recipe, queries, folder


def run_path(folder: Path, run: Run) -> Path:
    """Return where the measurement of a run is kept."""
    safe = "".join(c if c.isalnum() else "-" for c in run.name)
    return folder / f"{run.kind}_{safe}_{run.seed}.npy"


def train_and_measure(run: Run) -> None:
    """Train the model of a run and keep the losses of all queries."""
    assert _given is not None
    data, recipe, queries, folder = _given
    gone = {data.recording_ids[i] for i in run.left_out}
    config = replace(recipe.training, seed=run.seed)
    trainer = Trainer(data, recipe.network, config, left_out=gone)
    trainer.run(until=config.n_steps, on_step=lambda *_: None)
    trainer.network.load_state_dict(trainer.weights())
    generator = StudioGenerator(
        trainer.network, shipped_codec(), name="run", is_fast=config.is_fast
    )
    target = run_path(folder, run)
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, measure(generator, data, queries))
    part.rename(target)


def measure(
    generator: StudioGenerator, data: LatentSet, queries: QuerySet
) -> np.ndarray:
    """Return the losses, `(n_query, n_strata)` float32."""
    task = AttributionTask(generator, data, n_strata=N_STRATA)
    draws = task.draws(N_DRAWS)
    rows = []
    for i, query in enumerate(queries.queries):
        length = int(queries.mask[i].sum())
        batch = LatentBatch(
            queries.latents[i : i + 1, :, :length], queries.mask[i : i + 1, :length]
        )
        said = generator.condition([query.prompt], n_tokens=batch.n_tokens)
        losses = losses_at(generator, batch, said, draws)[0]
        rows.append(losses.reshape(-1, task.n_strata).mean(0).numpy())
    return np.array(rows, dtype=np.float32)
