"""Which account of a group is best: sums, a correction, or unlearning it whole?

    python bench/league/groups.py --keep

Truth is the rise of a song's loss when the model is trained without a collection, or
without an artist. Compared with it: the sum of the scores of the group's recordings;
the same with what they teach alike put right in part, as the program does, and in
full (`attribution/overlap.py`); and unlearning of each group in low-rank adapters
(`attribution/group_unlearning.py`). Every figure is printed for the choosing half,
which settings were chosen on (`group_search.py`), and the reporting one.
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
from fit import fitted_shares
from group_search import rise_ratios
from measure import comparisons, scored, seeds_against_each_other, share_error
from numpy.typing import NDArray
from truth import GENERATED, Half, LeagueTruth, Sources
from unlearned import Unlearned
from world import TRUTH, World

from common import mean_interval, write_result
from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import positive_shares, share_errors
from contrafact.attribution.group_unlearning import GroupUnlearningSettings
from contrafact.attribution.shares import influence_of_sources, sizes_of

Array = NDArray[np.float64]

KINDS = ("collection", "artist")
HALVES: tuple[Half, ...] = ("choosing", "reporting")
DEFAULT = "index, in part"


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


def together(found: dict[str, Array]) -> dict[str, Array]:
    """Return the mean of the shares of both, halfway."""
    pair = found[DEFAULT], found["unlearning"]
    return {"index and unlearning": sum(positive_shares(one) for one in pair) / 2}


def by_half(truth: LeagueTruth, found: Array, sources: Sources, shares: Array) -> Any:
    """Return every comparison by kind of song and half, shares fitted as printed."""
    result: dict[str, Any] = {}
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


def compared(
    truth: LeagueTruth, found: dict[str, Array], sources: Sources, sizes: Array
) -> dict[str, Any]:
    """Return the figures of every account, and how its errors differ from the default.

    Differences are of the same songs of the choosing half, of both kinds.
    """
    shares = {k: fitted_shares(truth, v, sources, sizes) for k, v in found.items()}
    rows = truth.rows(GENERATED, "choosing")
    errors = {
        name: share_errors(one[rows], sources.others[:, rows]).mean(0)
        for name, one in shares.items()
    }
    result = {}
    for name, values in found.items():
        result[name] = by_half(truth, values, sources, shares[name])
        result[name]["error_less_default"] = mean_interval(
            list(errors[name] - errors[DEFAULT])
        )
        if name == "unlearning":
            result[name]["rise_ratio"] = {
                half: rise_ratios(values[some], sources.mean[some])
                for half in HALVES
                for some in [truth.rows(GENERATED, half)]
            }
    return result


class Accounts:
    """What the league keeps, scored once for every kind of group.

    Args:
        folder: Where workspaces are kept.
        corpus: Of the truth.
    """

    def __init__(self, folder: Path, corpus: str) -> None:
        self._world = World(folder, corpus)
        self._truth, self._rows = LeagueTruth.read(TRUTH / corpus).only(GENERATED)
        self._scores = {
            name: scored(
                self._world, name, folder / f"{corpus}-league" / name, self._rows
            ).scores
            for name in ("index", "similarity", "captions")
        }
        place = folder / f"{corpus}-groups"
        self._unlearned = Unlearned(self._world, place, GroupUnlearningSettings())

    def figures(self, kind: str, *, unlearn: bool) -> dict[str, Any]:
        """Return every figure of one kind of group, of unlearning them if wanted."""
        sources = self._truth.sources(kind)
        if sources is None:
            return {"omitted": f"not every {kind} was left out and retrained without"}
        groups = self._world.groups(kind, sources.names)
        sizes = sizes_of(self._scores["index"], groups)
        found: dict[str, Array] = {}
        for name, scores in self._scores.items():
            some = summed(self._world, scores, kind, sources.names)
            found |= {f"{name}, {how}": values for how, values in some.items()}
        if unlearn:
            found["unlearning"] = self._unlearned.rises(groups, self._rows)
            found |= together(found)
        return {
            "n_groups": len(sources.names),
            "n_seeds": len(sources.by_seed),
            "seed_against_seed": seeds_against_each_other(self._truth, sources, sizes),
            "processor_s_a_group": self._unlearned.cost(groups),
            "methods": compared(self._truth, found, sources, sizes),
        }


def table(result: dict[str, Any]) -> str:
    """Return the figures as lines to read."""
    lines = []
    for kind, found in result.items():
        lines.append(f"{kind}: " + found.get("omitted", ""))
        for name, one in found.get("methods", {}).items():
            less = one["error_less_default"]
            lines.append(
                f"  {name}: share error less the default's, choosing "
                f"{less['mean']:.4f} {less['interval_90']} {one.get('rise_ratio', '')}"
            )
            for asked in GENERATED:
                text = "  ".join(
                    f"{half}: "
                    + ", ".join(f"{k} {v['mean']:.3f}" for k, v in x.items())
                    for half, x in one[asked].items()
                )
                lines.append(f"    {asked}  {text}")
    return "\n".join(lines)


def main() -> None:
    """Print; write `bench/results/groups-CORPUS.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--unlearn", nargs="*", choices=KINDS, default=list(KINDS),
        help="kinds of groups that are unlearned, too",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    chosen = parser.parse_args()
    started = time.monotonic()
    accounts = Accounts(chosen.folder, chosen.corpus)
    result = {
        kind: accounts.figures(kind, unlearn=kind in chosen.unlearn)
        for kind in chosen.kinds
    }
    print(json.dumps(result, indent=1) if chosen.json else table(result))
    if chosen.keep:
        took = round(time.monotonic() - started, 1)
        write_result(f"groups-{chosen.corpus}", {"elapsed_s": took, **result})


if __name__ == "__main__":
    main()
