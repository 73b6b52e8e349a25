"""What was found of queries, kept beside what was fitted; and what the model knows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from world import World

from common import processor_s, say
from contrafact.attribution.base import Estimator, Queries, Scores
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.familiarity import (
    learned_parts,
    least_learned,
    panel_queries,
)
from contrafact.workflows.index import N_PANEL

__all__ = ["features_of", "fitted_index", "kept_scores", "least_known"]


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
        path = kept / f"{_digest(query)}.safetensors"
        if not path.exists():
            part = path.with_suffix(".part")
            save_file({"features": index.features(query).half()}, part)
            part.rename(path)
        found.append(load_file(path)["features"].float())
        if len(queries) > 1:
            say("queries", done, len(queries))
    return torch.cat(found)


def kept_scores(
    method: Estimator, queries: Queries, folder: Path
) -> tuple[Scores, float]:
    """Return the scores of queries asked together, and the processor seconds it took.

    Kept where the estimator was fitted, which refuses another model, corpus or
    setting. After a change to the estimator itself, delete the folder.
    """
    path = folder / "asked" / f"{_digest(queries)}.safetensors"
    if not path.exists():
        started = processor_s()
        found = method.score(queries)
        every = {name: getattr(found, name) for name in _TENSORS}
        tensors = {k: v.contiguous() for k, v in every.items() if v is not None}
        tensors["seconds"] = torch.tensor(processor_s() - started, dtype=torch.float64)
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        save_file(tensors | {"ids": _text(found.recording_ids)}, part)
        part.rename(path)
    tensors = load_file(path)
    ids = tuple(bytes(tensors.pop("ids").tolist()).decode().split("\n"))
    seconds = float(tensors.pop("seconds"))
    return Scores(recording_ids=ids, **tensors), seconds


_TENSORS = ("values", "replicates", "panel", "null")


def _text(lines: Sequence[str]) -> Tensor:
    return torch.frombuffer(bytearray("\n".join(lines).encode()), dtype=torch.uint8)


def _digest(queries: Queries) -> str:
    said = repr(queries.prompts).encode()
    whole = queries.batch.latents.numpy().tobytes() + said
    return hashlib.sha256(whole).hexdigest()[:24]


def least_known(world: World) -> float:
    """Return what `index build` writes down: below it a song is not known."""
    panel = panel_queries(world.task, N_PANEL)
    return least_learned(learned_parts(world.task, panel, seed=world.record.seed))
