"""What else could the default be? Ideas tried on both halves of the songs.

    python bench/league/ideas.py --keep

Beside `search.py`, which varies what is done with gradients that were taken once: other
gradients (checkpoint, preconditioner, damping, balance of the noise levels, twice the
draws), means over checkpoints and over models that were trained with other seeds, and
combinations whose weights are fitted on the choosing half of songs and subsets. Every
index is kept in `--folder`, so that a killed run goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from asked import features_of
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.optimize import nnls
from scoring import scored
from search import figures_by_half, scores_with, solved
from truth import GENERATED, LeagueTruth
from world import TRUTH, World

from common import RESULTS, say
from contrafact.attribution.base import AttributionTask, Scores
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.shares import influence_of_sources, sizes_of
from contrafact.generators import Generator
from contrafact.generators.studio.generator import StudioGenerator, shipped_codec
from contrafact.generators.studio.training import Trainer
from contrafact.workflows.recipes import find_recipe

Array = NDArray[np.float64]

SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "finished model": {"checkpoint": "final"},
    "diagonal Fisher": {"preconditioner": "diagonal"},
    "noise levels as they are": {"is_balanced": False},
    "damping 0.5": {"damping": 0.5},
    "damping 50": {"damping": 50.0},
    "16 draws": {"n_draws": 16},
    "ridge 10": {"ridge": 10.0},
}
PARTS = (0.25, 0.5, 0.75)
"""Of the training: where checkpoints are taken."""
RIDGES = (0.3, 1.0, 3.0)
"""Asked of gradients of the squared output, which D-TRAK takes in place of the loss."""
SEEDS = (1001, 1002)
"""Of further trainings; none that the truth was measured with."""


class Tried:
    """What all ideas are measured on."""

    def __init__(self, folder: Path, corpus: str) -> None:
        self.world = World(folder, corpus)
        self.truth, self.rows = LeagueTruth.read(TRUTH / corpus).only(GENERATED)
        self.kept = folder / f"{corpus}-league"
        self._known: dict[str, Scores] = {}

    def index(self, name: str) -> Scores:
        """Return the scores of an index with the settings of this name."""
        if name not in self._known:
            place = "index" if name == "as it is" else f"idea-{name.replace(' ', '-')}"
            self._known[name] = self._asked(
                self.world.generator, place, SETTINGS[name], seed=0
            )
        return self._known[name]

    def trained_otherwise(self, seed: int, part: float = 0.5) -> Scores:
        """Return the scores of an index of another training, as far as it went.

        Args:
            seed: Of the training, and of the index's noise draws.
            part: What part of the training's steps are done.
        """
        name = f"seed-{seed}" if part == 0.5 else f"seed-{seed}-to-{part}"
        if name not in self._known:
            other = trained_in_part(self.world, self.kept / name, seed, part)
            final = {"checkpoint": "final"}
            self._known[name] = self._asked(other, f"idea-{name}", final, seed=seed)
        return self._known[name]

    def of_output(self, checkpoint: str, ridge: float) -> Scores:
        """Return the scores of gradients of the squared output, all numbers kept."""
        world, name = self.world, f"idea-squared-output-{checkpoint}"
        task = AttributionTask(
            world.generator, world.data, measurement="squared_output"
        )
        settings = IndexSettings(n_workers=1, n_components=0, checkpoint=checkpoint)
        index = IndexEstimator(settings)
        index.fit(task, self.kept / name, progress=lambda a, b: say(name, a, b))
        asked = features_of(index, [world.query(r) for r in self.rows], self.kept)
        rows = index.store.read(slice(0, len(world.data)))
        values, hat = solved(asked, rows, ridge)
        return scores_with(values, hat, world.data.recording_ids, settings.overlap)

    def black_box(self, name: str) -> Scores:
        """Return the scores of an estimator that does not ask the model."""
        return scored(self.world, name, self.kept / name, self.rows).scores

    def _asked(
        self, generator: Generator, place: str, settings: dict[str, Any], *, seed: int
    ) -> Scores:
        task = AttributionTask(generator, self.world.data, seed=seed)
        index = IndexEstimator(IndexSettings(n_workers=1, **settings))
        index.fit(task, self.kept / place, progress=lambda a, b: say(place, a, b))
        asked = [self.world.query(row) for row in self.rows]
        return index.scores_of(features_of(index, asked, self.kept))


def trained_in_part(
    world: World, path: Path, seed: int, part: float
) -> StudioGenerator:
    """Return a model of the same recipe and corpus, trained for a part of the steps."""
    recipe = find_recipe("quick")
    trainer = Trainer(world.data, recipe.network, replace(recipe.training, seed=seed))
    file = path.with_name(f"{path.name}.safetensors")
    if not file.exists():
        n_steps = round(part * recipe.training.n_steps)
        trainer.run(
            until=n_steps, on_step=lambda step, _: say(path.name, step, n_steps)
        )
        save_file({k: v.contiguous() for k, v in trainer.weights().items()}, file)
    trainer.network.load_state_dict(load_file(file))
    return StudioGenerator(
        trainer.network, shipped_codec(), name=path.name,
        is_fast=recipe.training.is_fast,
    )  # fmt: skip


def mean_of(parts: Sequence[Scores], weights: Sequence[float] | None = None) -> Scores:
    """Return scores added up, each song's brought to one length before.

    What recordings teach alike (`overlap`) is the first one's.
    """
    use = weights if weights is not None else [1 / len(parts)] * len(parts)
    lengths = [p.values.norm(dim=1, keepdim=True).clamp_min(1e-12) for p in parts]
    values = sum(w * p.values / n for w, p, n in zip(use, parts, lengths, strict=True))
    return replace(parts[0], values=values, replicates=None, panel=None, null=None)


def fitted_weights(truth: LeagueTruth, parts: Sequence[Scores]) -> Array:
    """Return weights, none negative, by which parts predict the choosing half best.

    Least squares on what the subsets of the choosing half do to its songs, each song's
    losses and predictions having mean 0 and deviation 1.
    """
    names = truth.subsets("half", "choosing")
    rows = truth.rows(GENERATED, "choosing")
    left_out = truth.left_out_matrix("half", names)
    measured = standard(truth.subset_losses("half", names)[rows])
    columns = []
    for part in parts:
        values = part.values.double().numpy()[rows]
        length = np.linalg.norm(values, axis=1, keepdims=True).clip(1e-12)
        predicted = values / length @ left_out.T
        columns.append((predicted - predicted.mean(1, keepdims=True)).ravel())
    found: Array = nnls(np.array(columns).T, measured.ravel())[0]
    return found


def standard(values: Array) -> Array:
    """Return rows with mean 0 and deviation 1."""
    centred = values - values.mean(1, keepdims=True)
    result: Array = centred / centred.std(1, keepdims=True).clip(1e-12)
    return result


def draws_apart(scores: Scores) -> list[Scores]:
    """Return the scores of each noise draw."""
    assert scores.replicates is not None
    each = scores.replicates.mean(1).unbind(1)
    return [replace(scores, values=one, replicates=None) for one in each]


def tries(bench: Tried) -> Iterator[tuple[str, Scores, dict[str, Any]]]:
    """Yield the name and scores of each idea, and the weights where it has some."""
    for name in SETTINGS:
        yield name, bench.index(name), {}
    for checkpoint in ("middle", "final"):
        for ridge in RIDGES:
            name = f"squared output, {checkpoint} checkpoint, ridge {ridge:g}"
            yield name, bench.of_output(checkpoint, ridge), {}
    default, final = bench.index("as it is"), bench.index("finished model")
    yield "mean of middle and finished model", mean_of([default, final]), {}
    steps = [bench.trained_otherwise(0, part) for part in PARTS]
    name = "checkpoints at a quarter, half and three quarters, by learning rate"
    yield name, mean_of(steps, [rate_left(part) for part in PARTS]), {}
    others = [bench.trained_otherwise(seed) for seed in SEEDS]
    yield "another training's middle", others[0], {}
    for count in range(1, len(SEEDS) + 1):
        name = f"mean over {count + 1} trainings"
        yield name, mean_of([default, *others[:count]]), {}
    yield fitted(bench, "noise draws weighed by a fit", draws_apart(default))
    parts = {
        "as it is": default, "finished model": final,
        "ridge 10": bench.index("ridge 10"),
        "similarity": bench.black_box("similarity"),
        "captions": bench.black_box("captions"),
    }  # fmt: skip
    yield fitted(bench, f"fitted sum of {', '.join(parts)}", list(parts.values()))


def rate_left(part: float) -> float:
    """Return what the cosine leaves of the learning rate after a part of training."""
    return 0.5 * (1 + math.cos(math.pi * part))


def fitted(
    bench: Tried, name: str, parts: list[Scores]
) -> tuple[str, Scores, dict[str, Any]]:
    """Return the sum of parts with weights fitted on the choosing half."""
    weights = fitted_weights(bench.truth, parts)
    shown = {"weights": [round(float(w / weights.sum()), 3) for w in weights]}
    return name, mean_of(parts, weights.tolist()), shown


def main() -> None:
    """Try all, print, and with `--keep` write `bench/results`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    bench = Tried(chosen.folder, chosen.corpus)
    sources = bench.truth.sources("collection")
    if sources is None:
        sys.exit("The truth does not yet leave out every collection.")
    groups = bench.world.groups("collection", sources.names)
    rows: list[dict[str, Any]] = []
    for name, scores, facts in tries(bench):
        found, sizes = influence_of_sources(scores, groups), sizes_of(scores, groups)
        figures = figures_by_half(bench.truth, scores, found, sources, sizes)
        rows.append({"settings": name} | facts | figures)
    document = {"command": "python bench/league/ideas.py --keep", "tries": rows}
    text = json.dumps(document, indent=1)
    if chosen.keep:
        (RESULTS / f"ideas-{chosen.corpus}.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
