"""Training a model on the catalog, from scratch; resumable."""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors

import contrafact
from contrafact.catalog import Workspace, storage_errors, write_json
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import (
    ConfigError,
    TrainingError,
    WorkspaceLockedError,
)
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.generator import (
    StudioGenerator,
    codec_digest,
    shipped_codec,
)
from contrafact.generators.studio.training import Trainer
from contrafact.reports import loss_plot_svg
from contrafact.workflows.latents import Encoding, corpus_latents
from contrafact.workflows.models import MANIFEST, ModelRecord, find_model
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.recipes import Recipe, find_recipe

__all__ = ["exclusive", "studio_latents", "train", "train_into", "versions"]

_SAVE_EVERY_S = 15.0


def train(
    workspace: Workspace,
    *,
    recipe: str = "quick",
    name: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> ModelRecord:
    """Train a model on all recordings of the catalog.

    Stopped or killed, it goes on where it was when called again; called again
    after it finished, it returns the model.

    Args:
        workspace: Where the catalog is and the model will be.
        recipe: `quick` or `full`.
        name: What to call the model; the recipe's name if None.
        seed: Of its weights and of every draw.
        progress: Told after every step.

    Raises:
        TrainingError: If the catalog is empty, or a model of that name was
            trained on something else.
        WorkspaceLockedError: If another process trains that model.
    """
    torch.set_num_threads(1)
    chosen = find_recipe(recipe)
    label = name or recipe
    if Path(label).name != label or label.startswith("."):
        raise ConfigError(f"{label!r} cannot name a model; use letters and digits.")
    data = studio_latents(workspace, chosen, progress)
    target = workspace.models_dir / label
    train_into(target, data, chosen, seed=seed, progress=progress)
    return find_model(workspace, label)


def studio_latents(
    workspace: Workspace, recipe: Recipe, progress: Progress
) -> LatentSet:
    """Return the whole catalog as the studio sees it, encoded by its codec."""
    codec = shipped_codec()

    @torch.no_grad()
    def encode(audio: torch.Tensor) -> torch.Tensor:
        return codec.encode(audio[:, 0])

    encoding = Encoding(
        encode,
        sample_rate=codec.config.sample_rate,
        samples_per_token=codec.config.samples_per_token,
        key=codec_digest(codec),
    )
    with workspace.catalog() as catalog:
        recordings = catalog.recordings()
    return corpus_latents(
        workspace,
        recordings,
        encoding,
        max_tokens=recipe.network.max_tokens,
        tell=stage_progress(progress, "encoding"),
    )


def train_into(
    target: Path,
    data: LatentSet,
    recipe: Recipe,
    *,
    seed: int,
    left_out: Sequence[str] = (),
    progress: Progress = silent,
) -> None:
    """Train a studio model into a folder, or finish one that was begun there.

    Args:
        target: Folder of the finished model; its parent must be writable.
        data: The whole corpus.
        recipe: Network and training.
        seed: Of its weights and of every draw.
        left_out: Recordings that are never shown.
        progress: Told after every step.
    """
    facts = _facts(data, recipe, seed=seed, left_out=left_out)
    with exclusive(target):
        if (target / MANIFEST).exists():
            _check_same(target, facts)
            return
        part = target.with_name(f".{target.name}.part")
        begun = part / "begun.json"
        if not begun.exists() or json.loads(begun.read_text()) != facts:
            shutil.rmtree(part, ignore_errors=True)
            write_json(begun, facts)
        trainer = Trainer(
            data,
            recipe.network,
            replace(recipe.training, seed=seed),
            left_out=left_out,
        )
        _run(trainer, part, progress)
        _finish(trainer, part, facts)
        part.rename(target)


@contextlib.contextmanager
def exclusive(target: Path) -> Iterator[None]:
    """Hold a folder that is being made against other processes.

    Raises:
        WorkspaceLockedError: If another process holds it.
    """
    with storage_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise WorkspaceLockedError(
                f"Another process is making {target}; wait until it is done."
            ) from error
    try:
        yield
    finally:
        lock.release()


def _facts(
    data: LatentSet, recipe: Recipe, *, seed: int, left_out: Sequence[str]
) -> dict[str, Any]:
    """What decides the weights, bit for bit."""
    gone = set(left_out)
    return {
        "kind": "studio",
        "recipe": recipe.name,
        "network": asdict(recipe.network),
        "training": {**asdict(recipe.training), "seed": seed},
        "seed": seed,
        "corpus": data.digest,
        "recordings": [r for r in data.recording_ids if r not in gone],
        "left_out": sorted(gone),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions that results depend on."""
    packages = ("torch", "diffusers", "numpy", "safetensors")
    found = {name: version(name) for name in packages}
    return {
        "contrafact": contrafact.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **found,
    }


def _check_same(target: Path, facts: dict[str, Any]) -> None:
    there = json.loads((target / MANIFEST).read_text())
    odd = [
        key
        for key, value in facts.items()
        if key != "versions" and there.get(key) != value
    ]
    if odd:
        raise TrainingError(
            f"There is a model {target.name!r} already, trained with another "
            f"{' and '.join(odd)}; give this one another --name, or delete {target}."
        )


def _run(trainer: Trainer, part: Path, progress: Progress) -> None:
    """Train to the end, saving the state now and then."""
    state, middle = part / "state.safetensors", part / "middle.safetensors"
    if state.exists():
        trainer.load_state(load_file(state))
    config = trainer.config
    saved_at = time.monotonic()

    def save() -> None:
        write_bytes(state, save_tensors(trainer.state()))

    def on_step(step: int, _: float) -> None:
        nonlocal saved_at
        progress("training", step, config.n_steps)
        if time.monotonic() - saved_at > _SAVE_EVERY_S:
            save()
            saved_at = time.monotonic()

    if trainer.step <= config.checkpoint_step:
        trainer.run(until=config.checkpoint_step, on_step=on_step)
        write_bytes(middle, save_tensors(trainer.weights()))
    trainer.run(on_step=on_step)
    save()


def _finish(trainer: Trainer, part: Path, facts: dict[str, Any]) -> None:
    """Turn the folder of a run into the folder of a model."""
    trainer.network.load_state_dict(trainer.weights())
    model = StudioGenerator(
        trainer.network,
        shipped_codec(),
        name=facts["recipe"],
        checkpoints={"middle": load_file(part / "middle.safetensors")},
        is_fast=trainer.config.is_fast,
    )
    model.save(part)
    smooth = _smoothed(trainer.losses)
    tail = trainer.losses[-50:]
    title = f"Training loss, {facts['recipe']}"
    write_bytes(part / "loss.svg", loss_plot_svg(smooth, title=title).encode())
    write_json(part / "loss.json", [[step, loss] for step, loss in smooth])
    write_json(
        part / MANIFEST,
        {**facts, "model": model.digest, "final_loss": sum(tail) / len(tail)},
    )
    for name in ("state.safetensors", "middle.safetensors", "begun.json"):
        (part / name).unlink(missing_ok=True)


def _smoothed(
    losses: Sequence[float], *, n_points: int = 200
) -> list[tuple[int, float]]:
    """Mean losses of equal stretches, with the last step of each."""
    size = max(1, len(losses) // n_points)
    return [
        (end, sum(losses[end - size : end]) / size)
        for end in range(size, len(losses) + 1, size)
    ]
