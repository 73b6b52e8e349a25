"""One run: train a model without some recordings, and measure every query."""

from __future__ import annotations

import io
import json
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from plan import Run
from queries import QuerySet

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.draws import losses_at
from contrafact.catalog.atomic import write_bytes
from contrafact.generators import LatentBatch
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.generator import StudioGenerator, shipped_codec
from contrafact.generators.studio.network import arithmetic
from contrafact.generators.studio.training import Trainer
from contrafact.workflows.recipes import Recipe

__all__ = [
    "N_DRAWS",
    "N_STRATA",
    "UNKNOWN",
    "Made",
    "made_of",
    "measure",
    "prepare",
    "processor_name",
    "read_run",
    "run_path",
    "train_and_measure",
    "write_run",
]

N_DRAWS = 64
N_STRATA = 8
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What made a run, beside what the plan says of it.

    Attributes:
        processor: What it calls itself, and what it multiplies in; another one's
            arithmetic trains another model, as another seed does.
        corpus_digest: Of the latents that it was trained on.
    """

    processor: str = UNKNOWN
    corpus_digest: str = UNKNOWN


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


def write_run(path: Path, losses: np.ndarray, made: Made) -> None:
    """Keep the losses of a run, whole or not at all, and what made them."""
    # First, for a run is done when its losses are there.
    if made != Made():
        write_bytes(path.with_suffix(".json"), json.dumps(asdict(made)).encode())
    file = io.BytesIO()
    np.save(file, losses)
    write_bytes(path, file.getvalue())


def read_run(path: Path) -> np.ndarray | None:
    """Return the losses of a run, `(n_query, n_strata)`; None if cut or not there."""
    try:
        losses: np.ndarray = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return losses if losses.ndim == 2 and losses.shape[1] == N_STRATA else None


def made_of(path: Path) -> Made:
    """Return what made a run; "unknown" where it does not say."""
    try:
        return Made(**json.loads(path.with_suffix(".json").read_text()))
    except (OSError, ValueError, TypeError):
        return Made()


def processor_name() -> str:
    """Return what the processor calls itself, and what it multiplies in."""
    return f"{_model_name()}, {arithmetic()}"


def _model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


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
    made = Made(processor=processor_name(), corpus_digest=data.digest)
    write_run(run_path(folder, run), measure(generator, data, queries), made)


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
