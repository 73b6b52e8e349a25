"""Training again without some recordings, several models at a time."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from contrafact.catalog import Workspace
from contrafact.core.parallel import map_in_order
from contrafact.generators.latents import LatentSet
from contrafact.workflows.progress import Progress
from contrafact.workflows.provenance import Provenance
from contrafact.workflows.recipes import Recipe
from contrafact.workflows.train import train_into

__all__ = ["Retraining", "retrain"]

_LOOK_EVERY_S = 1.0
_TELL_EVERY = 10  # steps


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Retraining:
    """A model to be trained without some recordings.

    Attributes:
        folder: Where the model goes; it is found there the next time.
        provenance: The manifest its recordings are listed in, if it is logged.
    """

    folder: Path
    data: LatentSet
    recipe: Recipe
    seed: int
    left_out: tuple[str, ...]
    provenance: Provenance | None = None

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        data: LatentSet,
        recipe: Recipe,
        *,
        seed: int,
        left_out: Sequence[str],
    ) -> Retraining:
        """Return a retraining that is kept in the workspace's cache."""
        facts = (data.digest, recipe, seed, sorted(left_out))
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:20]
        return cls(
            folder=workspace.cache_dir / "retrained" / name,
            data=data,
            recipe=recipe,
            seed=seed,
            left_out=tuple(sorted(left_out)),
        )

    @property
    def _steps_file(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.steps")

    def run(self, *, n_threads: int = 1) -> None:
        """Train, unless it is done."""
        torch.set_num_threads(n_threads)

        def tell(_: str, step: int, total: int) -> None:
            if step % _TELL_EVERY == 0 or step == total:
                self._steps_file.write_text(str(step))

        train_into(
            self.folder, self.data, self.recipe,
            seed=self.seed, left_out=self.left_out, provenance=self.provenance,
            progress=tell,
        )  # fmt: skip
        torch.set_num_threads(1)

    def n_steps_done(self) -> int:
        """Return how far the training is."""
        if (self.folder / "manifest.json").exists():
            return self.recipe.training.n_steps
        try:
            return int(json.loads(self._steps_file.read_text()))
        except (OSError, ValueError):
            return 0


def _run(retraining: Retraining, *, n_threads: int) -> None:
    retraining.run(n_threads=n_threads)


def retrain(
    retrainings: Sequence[Retraining],
    *,
    n_workers: int,
    progress: Progress,
    stage: str = "retraining",
) -> None:
    """Train models side by side, a core each; what is there is not redone.

    Args:
        retrainings: What to train.
        n_workers: Processes.
        progress: Told about the steps of all of them together.
        stage: What to call it there.
    """
    # The named recordings may be the most similar ones too: one model serves both.
    apart = list({r.folder: r for r in retrainings}.values())
    total = sum(r.recipe.training.n_steps for r in apart)
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(_LOOK_EVERY_S):
            done = sum(r.n_steps_done() for r in apart)
            progress(stage, min(done, total), total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        pending = [r for r in apart if not (r.folder / "manifest.json").exists()]
        # What is trained alone gets all cores.
        n_threads = max(1, n_workers // max(1, len(pending)))
        run = partial(_run, n_threads=n_threads)
        for _ in map_in_order(run, pending, n_workers):
            continue
    finally:
        finished.set()
        watcher.join()
    progress(stage, total, total)
