"""The scores of one estimator, and what they cost: fitted, or opened, and asked."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from asked import features_of, kept_scores
from peer import PeerEstimator
from peers import make_peer
from replayed import MetagradientEstimator, MetagradientSettings
from world import World

from common import processor_s, say
from contrafact.attribution.base import Estimator, Queries, Scores
from contrafact.attribution.estimators import make_estimator
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.generators.studio.training import Trainer
from contrafact.workflows.recipes import find_recipe

__all__ = ["Scored", "epoch_processor_s", "joined", "scored"]

_COST = "cost.json"
_N_TIMED = 5  # queries whose processor seconds are taken
_KEPT = {
    # Songs that are asked at once: a pass over the catalog serves all of them, or one.
    "unlearning": 1,
    "unlearning-ekfac": 1,
    "mucs": 1,
    "gradient-cosine": 1,
    "trak": 1,
    "d-trak": 1,
    "das": 1,
    "metagradient": 1,
    "ek-fac": 15,
    "cg": 15,
}
"""Estimators whose scores are kept: a query costs them a second, or minutes."""
_CONSTANT = {
    "manifest.json",
    "factors.safetensors",
    "components.safetensors",
    "solve.safetensors",
    "cost.json",
    "kronfluence",
}


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores of all queries, and what they cost.

    Attributes:
        settings: Of the estimator.
        build_processor_s: None if the build was killed once and went on.
        bytes_per_recording: Of the files that grow with the catalog.
    """

    scores: Scores
    build_processor_s: float | None
    query_s: float
    bytes_per_recording: float
    settings: dict[str, Any]


def scored(
    world: World, name: str, folder: Path, rows: list[int], **settings: Any
) -> Scored:
    """Fit an estimator, or open what was fitted, and score some of the queries."""
    is_begun = folder.exists() and not (folder / _COST).exists()
    started = processor_s()
    peer = make_peer(name)
    if name == MetagradientEstimator.name:
        method: Any = MetagradientEstimator(MetagradientSettings(recipe=world.recipe))
    else:
        method = peer or make_estimator(name, **settings)
    method = method.fit(world.task, folder, progress=lambda a, b: say(name, a, b))
    # What a run that was killed spent on it is not known.
    cost = None if is_begun else processor_s() - started
    spent = _build_cost(folder / _COST, cost)
    if peer is not None:
        return _scored_together(peer, world, folder, rows, spent)
    if name in _KEPT:
        return _scored_once(method, world, folder, rows, spent)
    parts = []
    for done, row in enumerate(rows, start=1):
        parts.append(_score(method, world.query(row), folder.parent))
        say(f"{name}: query", done, len(rows))
    started = time.process_time()
    for row in rows[:_N_TIMED]:
        method.score(world.query(row))
    return Scored(
        joined(parts),
        spent,
        (time.process_time() - started) / len(rows[:_N_TIMED]),
        _bytes_per_recording(folder, world),
        dict(method.settings),
    )


def _scored_together(
    peer: PeerEstimator,
    world: World,
    folder: Path,
    rows: list[int],
    spent: float | None,
) -> Scored:
    """Score all queries in one call: every call costs a pass over the catalog.

    What a package measures once and what it measures for every call are not always
    apart; all of it that is not `fit` counts for the queries. The scores are kept.
    """
    settings = dict(peer.settings)
    kept = folder / f"asked-{hashlib.sha256(repr(rows).encode()).hexdigest()[:12]}.npz"
    if not kept.exists():
        started = processor_s()
        found = peer.score(world.asked(rows)).values.numpy()
        each = (processor_s() - started) / len(rows)
        np.savez(kept, values=found, query_s=each)
    with np.load(kept) as known:
        values, each = torch.from_numpy(known["values"]), float(known["query_s"])
    scores = Scores(values=values, recording_ids=world.data.recording_ids)
    return Scored(scores, spent, each, _bytes_per_recording(folder, world), settings)


def _scored_once(
    method: Estimator,
    world: World,
    folder: Path,
    rows: list[int],
    spent: float | None,
) -> Scored:
    """Score queries and keep what was found, so that a killed run goes on."""
    parts, took, at_once = [], 0.0, _KEPT[method.name]
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        asked = world.query(some[0]) if len(some) == 1 else world.asked(some)
        part, seconds = kept_scores(method, asked, folder)
        parts.append(part)
        took += seconds
        say(f"{method.name}: query", start + len(some), len(rows))
    size = _bytes_per_recording(folder, world)
    return Scored(joined(parts), spent, took / len(rows), size, dict(method.settings))


def _bytes_per_recording(folder: Path, world: World) -> float:
    """Return the size of the files that grow with the catalog."""
    grown = [
        p
        for p in folder.rglob("*")
        # Of kronfluence there are factors only, which are of the model.
        if p.is_file()
        and not _CONSTANT & set(p.relative_to(folder).parts)
        and p.suffix != ".npz"
        and p.parent.name != "asked"
    ]
    return sum(p.stat().st_size for p in grown) / len(world.data.recording_ids)


def _score(method: Estimator, query: Queries, kept: Path) -> Scores:
    """Score a query; what an index takes of it is kept for the other benchmarks."""
    if isinstance(method, IndexEstimator):
        return method.scores_of(features_of(method, [query], kept))
    return method.score(query)


def _build_cost(path: Path, spent: float | None) -> float | None:
    """Return what the fit cost; what is opened again cost what it cost at first."""
    if not path.exists():
        path.write_text(json.dumps({"processor_s": spent}))
    found: float | None = json.loads(path.read_text())["processor_s"]
    return found


def joined(parts: list[Scores]) -> Scores:
    """Return the scores of several queries as one."""
    first, replicates = parts[0], None
    if first.replicates is not None:
        replicates = torch.cat(
            [p.replicates for p in parts if p.replicates is not None]
        )
    return Scores(
        values=torch.cat([p.values for p in parts]),
        recording_ids=first.recording_ids,
        replicates=replicates,
        panel=first.panel,
        overlap=first.overlap,
        null=first.null,
    )


def epoch_processor_s(world: World) -> float:
    """Return the processor seconds of one epoch of training on this corpus."""
    recipe = find_recipe("quick")
    trainer = Trainer(world.data, recipe.network, recipe.training)
    steps = max(1, len(world.data) // recipe.training.batch_size)
    trainer.run(until=2, on_step=lambda *_: None)
    started = processor_s()
    trainer.run(until=2 + steps, on_step=lambda *_: None)
    return processor_s() - started
