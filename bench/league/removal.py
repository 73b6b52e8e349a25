"""Do the recordings named first matter most? Leave them out, and train again.

    python bench/league/removal.py --minutes 60     # trains; goes on where it was
    python bench/league/removal.py --keep           # figures of what is trained

For each of twenty songs of the reporting half, half of them from prompts that name
the source, a model is trained without the 4 % of recordings that an estimator puts
first. Its effect is the rise of that song's loss over the model of the same seed
trained on everything. Beside the estimators stand 4 % drawn at random, the same for
every song, and what the recordings first for one song do to the other songs: a
control for recordings that matter to any song.

What was left out is written to `removals.json` before anything is trained, so that
neither a later estimator nor another machine's last digits change what was asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import pyarrow.parquet as pq
import torch
from measure import plain, scored
from numpy.typing import NDArray
from plan import Run
from runs import N_STRATA, prepare, run_path, train_and_measure
from table import collect, restore
from torch import Tensor
from truth import GENERATED, LeagueTruth
from world import TRUTH, World

from common import write_result
from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import resampled
from contrafact.core.parallel import map_in_order
from contrafact.workflows.recipes import find_recipe

Array = NDArray[np.float64]

ESTIMATORS = ("index", "similarity")
N_SONGS = 20
N_RANDOM = 4
PART = 0.04
SEEDS = (0, 1)


def chosen_songs(truth: LeagueTruth) -> list[int]:
    """Return which queries are asked, by place: named and unnamed alternate."""
    each = [truth.rows((kind,), "reporting")[: N_SONGS // 2] for kind in GENERATED]
    return [int(row) for pair in zip(*each, strict=True) for row in pair]


def first_of(scores: Scores, row: Tensor, n: int) -> list[int]:
    """Return the places of the `n` recordings that matter most together.

    Where it is known what recordings teach alike, each is chosen for what it adds to
    those before it, as `attribute --verify` does; otherwise by its score alone.
    """
    if scores.overlap is None:
        return sorted(torch.argsort(-row, stable=True)[:n].tolist())
    place = {r: i for i, r in enumerate(scores.recording_ids)}
    return sorted(place[r] for r in scores.overlap.leave_out_most(row, n))


def ask(world: World, kept: Path, songs: list[int]) -> dict[str, Any]:
    """Return what each estimator puts first for each song, and random sets."""
    total = len(world.data.recording_ids)
    n = round(PART * total)
    sets: dict[str, dict[str, list[int]]] = {}
    for name in ESTIMATORS:
        scores = scored(world, name, kept / name, songs).scores
        rows = zip(songs, scores.values, strict=True)
        sets[name] = {str(song): first_of(scores, row, n) for song, row in rows}
    rng = np.random.default_rng([0, 4])
    drawn = [sorted(rng.permutation(total)[:n].tolist()) for _ in range(N_RANDOM)]
    sets["random"] = {str(i): some for i, some in enumerate(drawn)}
    return {"part": PART, "songs": songs, "left_out": sets}


def make_runs(asked: dict[str, Any]) -> list[Run]:
    """Return every run: one seed of all songs first, then the next."""
    sets = asked["left_out"]
    found = []
    for seed in SEEDS:
        names = [("random", name) for name in sets["random"]]
        for song in asked["songs"]:
            names += [(name, str(song)) for name in sets if name != "random"]
        found += [
            Run(kind=f"without-{kind}", name=name, seed=seed,
                left_out=tuple(sets[kind][name]))
            for kind, name in names
        ]  # fmt: skip
    return found


def train(
    world: World, folder: Path, table: Path, runs: list[Run], n_workers: int
) -> Any:
    """Train what is missing; yield how many are done after each."""
    folder.mkdir(exist_ok=True, parents=True)
    restore(folder, runs, table)
    pending = [run for run in runs if not run_path(folder, run).exists()]
    given = (world.data, find_recipe("quick"), world.queries, folder)
    for _ in map_in_order(
        train_and_measure, pending, n_workers, prepare=prepare, given=given
    ):
        yield collect(folder, runs, table)


def rises_of(table: Path, truth: LeagueTruth) -> dict[tuple[str, str], Array]:
    """Return rises as parts of the full model's loss, mean over seeds.

    Returns:
        By kind and name, `(n_query,)`.
    """
    every: dict[tuple[str, str], list[Array]] = {}
    for row in pq.read_table(table).to_pylist():
        losses = np.array(row["losses"], dtype=np.float64).reshape(-1, N_STRATA).mean(1)
        full = truth.losses["full", "all", row["seed"]]
        kind = row["kind"].removeprefix("without-")
        every.setdefault((kind, row["name"]), []).append(losses / full - 1)
    return {key: np.mean(found, axis=0) for key, found in every.items()}


def figures(table: Path, truth: LeagueTruth, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the mean effects on the songs, their ratios, and intervals."""
    rises = rises_of(table, truth)
    sets = asked["left_out"]
    methods = [name for name in sets if name != "random"]
    songs = [s for s in asked["songs"] if all((m, str(s)) in rises for m in methods)]
    if not songs:
        raise SystemExit("No song is done with every method yet. Go on with --minutes.")
    effects = {m: np.array([rises[m, str(s)][s] for s in songs]) for m in methods}
    random = [found for (kind, _), found in rises.items() if kind == "random"]
    effects["random"] = np.mean(random, axis=0)[songs]
    first = methods[0]
    result: dict[str, Any] = {
        "n_songs": len(songs),
        "n_models": pq.read_metadata(table).num_rows,
        "part_left_out": asked["part"],
        "rise": {name: _mean(found) for name, found in effects.items()},
        "other_songs": {m: _others(rises, m, songs) for m in methods},
    }
    result["times"] = {
        f"{first} over {other}": _ratio(effects[first], effects[other])
        for other in effects
        if other != first
    }
    wins = {
        other: _mean((effects[first] > effects[other]).astype(float))
        for other in effects
        if other != first
    }
    return result | {"songs_where_larger": wins}


def _others(
    rises: dict[tuple[str, str], Array], method: str, songs: list[int]
) -> dict[str, Any]:
    """Return what the recordings first for one song do to the others."""
    if len(songs) < 2:
        return {"omitted": "there is no other song yet"}
    found = []
    for song in songs:
        rest = [other for other in songs if other != song]
        found.append(float(np.mean([rises[method, str(o)][song] for o in rest])))
    return _mean(np.array(found))


def _mean(values: Array) -> dict[str, Any]:
    figure = resampled(lambda q, _: values[q], n_queries=len(values), n_subsets=1)
    return plain(figure) | {"n_subsets": 1}


def _ratio(ours: Array, theirs: Array) -> dict[str, Any]:
    """Return the ratio of two means over the same songs, resampled together.

    There is none to what is not told from nothing.
    """
    if _mean(theirs)["interval_90"][0] <= 0:
        return {"omitted": "what it is compared with is not told from nothing"}
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(ours), (2000, len(ours)))
    ratios = ours[drawn].mean(1) / theirs[drawn].mean(1)
    low, high = np.quantile(ratios, [0.05, 0.95])
    mean = float(ours.mean() / theirs.mean())
    return {
        "mean": round(mean, 3),
        "interval_90": [round(float(low), 3), round(float(high), 3)],
    }


def main() -> None:
    """Train what is missing, or write `bench/results/removal-CORPUS.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="train for about as long")
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    chosen = parser.parse_args()
    source = TRUTH / chosen.corpus
    truth = LeagueTruth.read(source)
    plan, table = source / "removals.json", source / "removals.parquet"
    if chosen.minutes is not None:
        world = World(chosen.folder, chosen.corpus)
        if not plan.exists():
            kept = chosen.folder / f"{chosen.corpus}-league"
            asked = ask(world, kept, chosen_songs(truth))
            plan.write_text(json.dumps(asked) + "\n")
        runs = make_runs(json.loads(plan.read_text()))
        folder = chosen.folder / f"{chosen.corpus}-removal"
        until = time.monotonic() + 60 * chosen.minutes
        going = train(world, folder, table, runs, chosen.workers)
        for done in going:
            print(f"{done} of {len(runs)} models", flush=True)
            if time.monotonic() > until:
                going.close()
                break
    if not table.exists():
        sys.exit(f"Nothing is trained yet ({table}). Train with --minutes first.")
    result = figures(table, truth, json.loads(plan.read_text()))
    print(json.dumps(result, indent=1))
    if chosen.keep:
        write_result(f"removal-{chosen.corpus}", result)


if __name__ == "__main__":
    main()
