"""Training a model on the catalog, from scratch; resumable."""

from __future__ import annotations

import contextlib
import json
import platform
import re
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
from contrafact.core.entities import Recording
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
from contrafact.generators.studio.network import arithmetic
from contrafact.generators.studio.training import Trainer
from contrafact.reports import loss_plot_svg
from contrafact.workflows.admission import admit
from contrafact.workflows.latents import Encoding, corpus_latents
from contrafact.workflows.models import MANIFEST, ModelRecord, find_model
from contrafact.workflows.progress import Progress, silent, stage_progress
from contrafact.workflows.provenance import Provenance, Reading
from contrafact.workflows.recipes import Recipe, find_recipe
from contrafact.workflows.stores import all_stores

__all__ = [
    "exclusive",
    "require_free_name",
    "studio_latents",
    "train",
    "train_into",
    "versions",
]

_SAVE_EVERY_S = 15.0
_NOT_COMPARED = {"versions", "manifest", "arithmetic"}
"""What need not be the same for a model to be the one asked for: who allowed its
corpus, and what it was trained with."""
_NAME = re.compile(r"[^\W_][\w.+-]{0,63}")  # a folder's name, and a word to type


def train(
    workspace: Workspace,
    *,
    recipe: str = "quick",
    name: str | None = None,
    seed: int = 0,
    unlicensed_research: bool = False,
    licensed_only: bool = False,
    progress: Progress = silent,
) -> ModelRecord:
    """Train a model on all recordings of the catalog, if the gate lets them pass.

    Stopped or killed, it goes on where it was when called again; called again
    after it finished, it returns the model.

    Args:
        workspace: Where the catalog is and the model will be.
        recipe: `quick` or `full`.
        name: What to call the model; the recipe's name if None.
        seed: Of its weights and of every draw.
        unlicensed_research: Train whatever the consents say. The model, its
            index and every answer by it are marked for good, and are kept in
            the workspace's unlicensed store.
        licensed_only: Leave out what the gate refuses, instead of refusing all.
        progress: Told after every step.

    Raises:
        ConfigError: If there is no such recipe, or `name` cannot name a model.
        ConsentMissingError: If some of it may not be trained on.
        TrainingError: If the catalog is empty, or a model of that name was
            trained on something else.
        WorkspaceLockedError: If another process trains that model.
    """
    torch.set_num_threads(1)
    chosen = find_recipe(recipe)
    label = recipe if name is None else name
    if _NAME.fullmatch(label) is None:
        raise ConfigError(
            f"{label[:80]!r} cannot name a model. Use up to 64 letters, digits, '.', "
            "'_', '+' and '-', a letter or a digit first."
        )
    admitted = admit(
        workspace,
        unlicensed_research=unlicensed_research,
        licensed_only=licensed_only,
        progress=progress,
    )
    store = admitted.store
    require_free_name(workspace, store, label)
    data = studio_latents(store, chosen, progress, recordings=admitted.recordings)
    train_into(
        store.models_dir / label, data, chosen,
        seed=seed, provenance=Provenance.of(admitted), progress=progress,
    )  # fmt: skip
    return find_model(store, label)


def require_free_name(workspace: Workspace, store: Workspace, name: str) -> None:
    """Raise if the other store has a model of this name: a name means one model.

    Raises:
        TrainingError: If it has.
    """
    for other in all_stores(workspace):
        if other.root != store.root and (other.models_dir / name / MANIFEST).exists():
            raise TrainingError(
                f"There is a model {name!r} in {other.root} already, which is another "
                "store; give this one another --name."
            )


def studio_latents(
    workspace: Workspace,
    recipe: Recipe,
    progress: Progress,
    *,
    recordings: Sequence[Recording] | None = None,
) -> LatentSet:
    """Return recordings as the studio sees them, encoded by its codec.

    Args:
        workspace: The store that they are in.
        recipe: Says how long a window is.
        progress: Told about every recording.
        recordings: Which; the whole catalog if None.
    """
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
    if recordings is None:
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
    provenance: Provenance | None = None,
    progress: Progress = silent,
) -> None:
    """Train a studio model into a folder, or finish one that was begun there.

    Args:
        target: Folder of the finished model; its parent must be writable.
        data: The whole corpus.
        recipe: Network and training.
        seed: Of its weights and of every draw.
        left_out: Recordings that are never shown.
        provenance: The manifest that the recordings are listed in. With it,
            every read is logged, and the model can be released.
        progress: Told after every step.
    """
    facts = _facts(data, recipe, seed=seed, left_out=left_out)
    facts |= {} if provenance is None else provenance.facts()
    with exclusive(target):
        if (target / MANIFEST).exists():
            _check_same(target, facts)
            return
        part = target.with_name(f".{target.name}.part")
        begun = part / "begun.json"
        if not begun.exists() or json.loads(begun.read_text()) != facts:
            shutil.rmtree(part, ignore_errors=True)
            write_json(begun, facts)
        reading = Reading(part, provenance)
        trainer = Trainer(
            data,
            recipe.network,
            replace(recipe.training, seed=seed),
            left_out=left_out,
            on_read=reading.record,
        )
        _run(trainer, part, reading, progress)
        _finish(trainer, part, facts | reading.facts())
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
        "arithmetic": arithmetic() if recipe.training.is_fast else "float32",
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
        if key not in _NOT_COMPARED and there.get(key) != value
    ]
    if odd:
        raise TrainingError(
            f"There is a model {target.name!r} already, trained with another "
            f"{' and '.join(odd)}; give this one another --name, or delete {target}."
        )


def _run(trainer: Trainer, part: Path, reading: Reading, progress: Progress) -> None:
    """Train to the end, saving the state now and then."""
    state, middle = part / "state.safetensors", part / "middle.safetensors"
    if state.exists():
        trainer.load_state(load_file(state))
    reading.start(trainer.step)
    config = trainer.config
    saved_at = time.monotonic()

    def save() -> None:
        reading.flush()  # first: a state must not know more than the log
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
    reading.close()


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
