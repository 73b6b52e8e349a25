"""Approximate unlearning: a bridge until the successor is there, never removal.

A few steps raise the model's loss on what was withdrawn and hold it on what
was kept. What the withdrawn recordings taught is hidden by that, not removed:
the weights were made from them, and audits find it (arXiv 2606.16110).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contrafact.catalog import write_json
from contrafact.core.errors import TrainingError
from contrafact.generators import Generator
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.generator import StudioGenerator
from contrafact.generators.studio.training import generator_for
from contrafact.workflows.models import MANIFEST, ModelRecord
from contrafact.workflows.progress import Progress
from contrafact.workflows.provenance import READ_LOG
from contrafact.workflows.train import exclusive

__all__ = ["LABEL", "BridgeSettings", "make_bridge"]

LABEL = (
    "approximate unlearning, not removal: the weights were made from what was "
    "withdrawn, and the release stays contaminated"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """How a model is made to forget.

    Attributes:
        n_steps: At most; it ends before when `rise` is reached.
        rise: Part by which the loss on the withdrawn recordings shall rise.
        forget_weight: Of the loss that is raised, beside that which is held.
    """

    n_steps: int = 40
    batch_size: int = 8
    learning_rate: float = 2e-4
    rise: float = 0.1
    forget_weight: float = 0.5
    seed: int = 0


def make_bridge(
    target: Path,
    record: ModelRecord,
    generator: StudioGenerator,
    *,
    withdrawn: LatentSet,
    kept: LatentSet,
    settings: BridgeSettings,
    progress: Progress,
) -> None:
    """Make a model that was made to forget, in a folder; what is there stays.

    Args:
        target: Folder of the model.
        record: The model it is made from.
        generator: That model, loaded; it is changed.
        withdrawn: What it shall forget.
        kept: What it shall still know.
        settings: How.
        progress: Told after every step.

    Raises:
        TrainingError: If the loss is not finite.

    References:
        Kurmanji et al., "Towards unbounded machine unlearning", NeurIPS 2023:
        the loss of the kept less that of the forgotten (NegGrad+).
    """
    with exclusive(target):
        if (target / MANIFEST).exists():
            return
        done = _forget(generator, withdrawn, kept, settings, progress)
        part = target.with_name(f".{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        generator.save(part)
        shutil.copyfile(record.directory / READ_LOG, part / READ_LOG)
        facts = json.loads((record.directory / MANIFEST).read_text(encoding="utf-8"))
        bridge = {"label": LABEL, "from": record.digest, **done}
        facts |= {"model": generator.digest, "final_loss": None, "bridge": bridge}
        write_json(part / MANIFEST, facts)
        part.rename(target)


def _forget(
    generator: Generator,
    withdrawn: LatentSet,
    kept: LatentSet,
    settings: BridgeSettings,
    progress: Progress,
) -> dict[str, Any]:
    trained = [p for p in generator.parameters().values() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=settings.learning_rate)
    first = float(_loss(generator, withdrawn, settings, step=0).detach())
    n_done = 0
    for step in range(settings.n_steps):
        forget = _loss(generator, withdrawn, settings, step=step)
        hold = _loss(generator, kept, settings, step=step)
        if not torch.isfinite(forget + hold):
            raise TrainingError("The loss of the bridge is not finite; leave it out.")
        # At the same draws as at first, so that a rise is one and no chance.
        now = float(_loss(generator, withdrawn, settings, step=0).detach())
        if now >= (1 + settings.rise) * first:
            break
        optimiser.zero_grad()
        (hold - settings.forget_weight * forget).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        n_done = step + 1
        progress("bridge", n_done, settings.n_steps)
    return {"n_steps": n_done, "settings": _plain(settings)}


def _loss(
    generator: Generator, data: LatentSet, settings: BridgeSettings, *, step: int
) -> Tensor:
    rng = generator_for(settings.seed, "bridge", step)
    n = min(settings.batch_size, len(data))
    rows = torch.randperm(len(data), generator=rng)[:n].tolist()
    batch = data.batch(rows)
    captions = [data.windows[row].caption for row in rows]
    said = generator.condition(captions, n_tokens=batch.n_tokens)
    times = torch.rand(n, generator=rng)
    noise = torch.randn(batch.latents.shape, generator=rng)
    return generator.loss(batch, said, times=times, noise=noise).mean()


def _plain(settings: BridgeSettings) -> Mapping[str, Any]:
    return {
        name: getattr(settings, name) for name in BridgeSettings.__dataclass_fields__
    }
