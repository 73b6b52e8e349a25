"""Which account of a group is best: sums, a correction, or unlearning it whole?

    python bench/league/groups.py --keep

Truth is the rise of a song's loss when the model is trained without a collection, or
without an artist. Compared with it: the sum of the scores of the group's recordings;
the same with what they teach alike put right in part, as the program does, and in
full (`attribution/overlap.py`); and unlearning of each group in low-rank adapters
(`attribution/group_unlearning.py`), against the model and against one that was
trained on as long without unlearning anything. Every figure is printed for the
choosing half, which settings and the default were chosen on, and the reporting one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from fit import fitted_shares
from measure import comparisons, scored, seeds_against_each_other, share_error
from numpy.typing import NDArray
from truth import GENERATED, Half, LeagueTruth, Sources
from world import TRUTH, World

from common import processor_s, say, write_result
from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import positive_shares
from contrafact.attribution.group_unlearning import GroupUnlearning
from contrafact.attribution.shares import influence_of_sources, sizes_of

Array = NDArray[np.float64]

KINDS = ("collection", "artist")
HALVES: tuple[Half, ...] = ("choosing", "reporting")
EVERYTHING = "everything"  # the group that holds nothing: trained on, not unlearned


def summed(
    world: World, scores: Scores, kind: str, names: tuple[str, ...]
) -> dict[str, Array]:
    """Return influences from the scores of recordings, by how they are joined."""
    groups = world.groups(kind, names)
    joined = {"sums": replace(scores, overlap=None)}
    if scores.overlap is not None:
        joined["in part"] = scores
        joined["in full"] = replace(scores, overlap=replace(scores.overlap, trust=1.0))
    return {how: influence_of_sources(some, groups) for how, some in joined.items()}


def unlearned(
    world: World, folder: Path, kind: str, names: tuple[str, ...], rows: list[int]
) -> tuple[dict[str, Array], float]:  # fmt: skip
    """Return influences by unlearning groups, and processor seconds for each."""
    groups: dict[str, list[str]] = {
        group.name: list(group.parts) for group in world.groups(kind, names)
    }
    method, started = GroupUnlearning(), processor_s()
    method.fit(
        world.task, folder, {EVERYTHING: [], **groups},
        progress=lambda a, b: say(f"unlearning {kind}s", a, b),
    )  # fmt: skip
    each = (processor_s() - started) / (len(groups) + 1)
    rises = torch.cat([method.influence(world.query(row)) for row in rows]).numpy()
    left = rises[:, 1:] - rises[:, :1]
    return {"against the model": rises[:, 1:], "against training on": left}, each


def together(found: dict[str, Array]) -> dict[str, Array]:
    """Return the mean of the shares of both, halfway."""
    pair = found["index, in part"], found["unlearning, against the model"]
    return {"index and unlearning": sum(positive_shares(one) for one in pair) / 2}


def by_half(
    truth: LeagueTruth, found: Array, sources: Sources, sizes: Array
) -> dict[str, Any]:
    """Return every comparison by kind of song and half, shares fitted as printed."""
    shares, result = fitted_shares(truth, found, sources, sizes), {}
    for kind in GENERATED:
        result[kind] = {
            half: comparisons(truth, found, sources.others, (kind,), half)
            for half in HALVES
        }
        for half in HALVES:
            rows = truth.rows((kind,), half)
            error = share_error(shares[rows], sources.others[:, rows])
            result[kind][half]["share_error"] = error
    return result


def figures(folder: Path, corpus: str, kind: str) -> dict[str, Any]:
    """Return every figure of one kind of group."""
    world = World(folder, corpus)
    truth, rows = LeagueTruth.read(TRUTH / corpus).only(GENERATED)
    sources = truth.sources(kind)
    if sources is None:
        return {"omitted": f"not every {kind} was left out and retrained without"}
    kept = folder / f"{corpus}-league"
    found: dict[str, Array] = {}
    sizes = np.zeros(len(sources.names))
    for name in ("index", "similarity", "captions"):
        scores = scored(world, name, kept / name, rows).scores
        sizes = sizes_of(scores, world.groups(kind, sources.names))
        some = summed(world, scores, kind, sources.names)
        found |= {f"{name}, {how}": values for how, values in some.items()}
    place = folder / f"{corpus}-groups"
    some, each = unlearned(world, place, kind, sources.names, rows)
    found |= {f"unlearning, {how}": values for how, values in some.items()}
    found |= together(found)
    return {
        "n_groups": len(sources.names),
        "n_seeds": len(sources.by_seed),
        "seed_against_seed": seeds_against_each_other(truth, sources, sizes),
        "processor_s_a_group": round(each, 1),
        "methods": {k: by_half(truth, v, sources, sizes) for k, v in found.items()},
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as lines to read."""
    lines = []
    for kind, found in result.items():
        lines.append(f"{kind}: " + found.get("omitted", ""))
        for name, by_kind in found.get("methods", {}).items():
            for asked, halves in by_kind.items():
                text = "  ".join(
                    f"{half}: "
                    + ", ".join(f"{k} {v['mean']:.3f}" for k, v in x.items())
                    for half, x in halves.items()
                )
                lines.append(f"  {name}, {asked}  {text}")
    return "\n".join(lines)


def main() -> None:
    """Print; write `bench/results/groups-CORPUS.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    chosen = parser.parse_args()
    started = time.monotonic()
    result = {
        kind: figures(chosen.folder, chosen.corpus, kind) for kind in chosen.kinds
    }
    print(json.dumps(result, indent=1) if chosen.json else table(result))
    if chosen.keep:
        took = round(time.monotonic() - started, 1)
        write_result(f"groups-{chosen.corpus}", {"elapsed_s": took, **result})


if __name__ == "__main__":
    main()
