"""Which way of unlearning a group is best? Settings tried on the choosing half.

    python bench/league/group_search.py --keep

Every collection is unlearned with every setting below; figures are of the songs of the
choosing half, at fewer noise draws than the reported ones. `own` and `others` are the
mean rise of a song's loss without the collection that matters most to it, and without
the rest, in multiples of what training without them does. The first by share error is
the default of `GroupUnlearningSettings`; `groups.py` reports it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from fit import fitted_shares
from measure import comparisons, share_error
from numpy.typing import NDArray
from truth import GENERATED, LeagueTruth
from unlearned import Unlearned
from world import TRUTH, World

from common import mean_interval, write_result
from contrafact.attribution.group_unlearning import GroupUnlearningSettings

Array = NDArray[np.float64]

N_DRAWS = 16
UNBOUNDED = 1e9
_USUAL = GroupUnlearningSettings(
    n_draws=N_DRAWS, learning_rate=2e-3, forgetting=0.3, stop_at=1.4, n_steps=60
)
TRIES = {
    "led by noise, unbounded": replace(_USUAL, by_clean=False, stop_at=UNBOUNDED),
    "led by noise": replace(_USUAL, by_clean=False),
    "led by clean latents": _USUAL,
    "led by clean latents, weight 1": replace(_USUAL, forgetting=1.0),
    "led by clean latents, weight 1, to 1.2 times": replace(
        _USUAL, forgetting=1.0, stop_at=1.2
    ),
    "led by clean latents, weight 1, rate 1e-3": replace(
        _USUAL, forgetting=1.0, learning_rate=1e-3
    ),
    "led by clean latents, to 1.2 times": replace(_USUAL, stop_at=1.2),
    "not led, the rest trained on": replace(_USUAL, forgetting=0.0, n_steps=30),
}


def rise_ratios(found: Array, real: Array) -> dict[str, float]:
    """Return rises in multiples of the true ones: of the first source, and others."""
    place = np.arange(len(real)), real.argmax(1)
    own, true = found[place].sum(), real[place].sum()
    others = (found.sum() - own) / (real.sum() - true)
    return {"own": round(float(own / true), 2), "others": round(float(others), 2)}


def left_out_rise(world: World, corpus: str, kind: str) -> dict[str, Any]:
    """Return by what part the loss of recordings rises without their own source.

    Of those of the choosing half that were asked about; what `stop_at` was set by.
    """
    truth = LeagueTruth.read(TRUTH / corpus)
    sources = truth.sources(kind)
    if sources is None:
        return {"omitted": f"not every {kind} was left out and retrained without"}
    owner = {"collection": world.collection, "artist": world.artist}[kind]
    full = np.mean([loss for (k, _, _), loss in truth.losses.items() if k == "full"], 0)
    rises = []
    for row in truth.rows(("training",), "choosing"):
        own = owner[world.queries.queries[row].source]
        rises.append(sources.mean[row, sources.names.index(own)] / full[row])
    return mean_interval(rises)


def figures(world: World, folder: Path, corpus: str, names: list[str]) -> Any:
    """Return what each setting gives on the choosing half."""
    truth, kept = LeagueTruth.read(TRUTH / corpus).only(GENERATED)
    sources = truth.sources("collection")
    if sources is None:
        sys.exit("Not every collection was left out and retrained without.")
    groups = world.groups("collection", sources.names)
    sizes = np.array([len(group.parts) for group in groups], dtype=np.float64)
    rows = truth.rows(GENERATED, "choosing")
    result = {}
    for name in names:
        unlearned = Unlearned(world, folder / f"{corpus}-groups", TRIES[name])
        found = np.zeros((len(kept), len(groups)))
        found[rows] = unlearned.rises(groups, [kept[row] for row in rows])
        every = comparisons(truth, found, sources.others, GENERATED, "choosing")
        shares = fitted_shares(truth, found, sources, sizes / sizes.sum())
        every["share_error_unfitted"] = every["share_error"]
        every["share_error"] = share_error(shares[rows], sources.others[:, rows])
        ratio = rise_ratios(found[rows], sources.mean[rows])
        each = unlearned.cost(groups)
        result[name] = every | {"rise_ratio": ratio, "processor_s_a_group": each}
        print(json.dumps({name: _plain(result[name])}), flush=True)
    return result


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    return {k: v.get("mean", v) if isinstance(v, dict) else v for k, v in found.items()}


def main() -> None:
    """Print; write `bench/results/group-search-CORPUS.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--tries", nargs="*", choices=TRIES, default=list(TRIES))
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    chosen = parser.parse_args()
    world = World(chosen.folder, chosen.corpus)
    found = figures(world, chosen.folder, chosen.corpus, chosen.tries)
    facts: dict[str, Any] = {"command": "python bench/league/group_search.py --keep"}
    facts["left_out_rise"] = {
        kind: left_out_rise(world, chosen.corpus, kind)
        for kind in ("collection", "artist")
    }
    print(json.dumps(facts["left_out_rise"]))
    if chosen.keep:
        write_result(f"group-search-{chosen.corpus}", facts | {"tries": found})


if __name__ == "__main__":
    main()
