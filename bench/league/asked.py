"""Gradients of queries, kept beside the index, and whether the model knows them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from world import World

from common import say
from contrafact.attribution.base import Queries
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.familiarity import (
    learned_parts,
    least_learned,
    panel_queries,
)
from contrafact.workflows.index import N_PANEL

__all__ = ["features_of", "fitted_index", "least_known"]


def fitted_index(
    world: World, folder: Path, corpus: str, *, name: str = "index", **settings: Any
) -> IndexEstimator:
    """Return the index of the league, built if it is not there.

    Args:
        world: Model and corpus.
        folder: Where workspaces are kept.
        corpus: Its name.
        name: Of the index, another for other settings.
        settings: Other than the default ones.
    """
    index = IndexEstimator(IndexSettings(n_workers=1, **settings))
    place = folder / f"{corpus}-league" / name
    return index.fit(world.task, place, progress=lambda a, b: say("index", a, b))


def features_of(
    index: IndexEstimator, queries: Sequence[Queries], folder: Path
) -> Tensor:
    """Return the features of queries, `(n_query, n_sets, n_features)`.

    Kept by the digests of index and query: nothing stale is ever read.
    """
    kept = folder / f"features-{index.digest()[:12]}"
    kept.mkdir(parents=True, exist_ok=True)
    found = []
    for done, query in enumerate(queries, start=1):
        latents = query.batch.latents.numpy().tobytes() + repr(query.prompts).encode()
        path = kept / f"{hashlib.sha256(latents).hexdigest()[:24]}.safetensors"
        if not path.exists():
            part = path.with_suffix(".part")
            save_file({"features": index.features(query).half()}, part)
            part.rename(path)
        found.append(load_file(path)["features"].float())
        if len(queries) > 1:
            say("queries", done, len(queries))
    return torch.cat(found)


def least_known(world: World) -> float:
    """Return what `index build` writes down: below it a song is not known."""
    panel = panel_queries(world.task, N_PANEL)
    return least_learned(learned_parts(world.task, panel, seed=world.record.seed))
