"""How right is attribution? Every estimator against models that were retrained.

    contrafact bench attribution --json
    python bench/league --estimators index similarity random d-trak

Reads the committed ground truth, whole or begun, and says how many models it stands
on. Scores are computed anew on this machine with the committed model; fits are kept
in `--folder`. Every figure is of the reporting halves of queries and subsets, with
a 90 % interval over both; a figure without enough truth is left out and says why.
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
import torch
from coverage import covered
from fit import errors_of
from measure import (
    Scored,
    ceiling,
    epoch_processor_s,
    group_figures,
    kinds_of,
    lds,
    scored,
    seeds_against_each_other,
)
from numpy.typing import NDArray
from peers import PEERS
from truth import GENERATED, LeagueTruth
from world import TRUTH, World

from common import RESULTS
from contrafact.attribution.base import Scores
from contrafact.attribution.shares import Source, sizes_of
from contrafact.core.errors import ContrafactError

ROOT = Path(__file__).parents[2]
DEFAULT = ("index", "similarity", "random")
GROUPS = ("collection", "artist")
SHIPPED = "scores"
"""The truth whose errors of shares the program widens its intervals by."""

_SETTINGS: dict[str, dict[str, Any]] = {
    # In this process alone, so that the processor seconds are those of the work.
    "index": {"n_workers": 1},
    # 2,048 draws, the paper's number, would take a minute a query more.
    "unlearning": {"n_unlearn_draws": 256},
    "unlearning-ekfac": {"n_unlearn_draws": 256},
}


def main() -> None:
    """Measure and print; write `bench/results/league-CORPUS.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--estimators", nargs="*", default=list(DEFAULT))
    parser.add_argument(
        "--queries", choices=("generated", "all"), default="generated",
        help="songs alone, or held-out and training recordings, too",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    chosen = parser.parse_args()
    target = RESULTS / f"league-{chosen.corpus}.json"
    if chosen.keep:
        require_rows(target, chosen.estimators)
    started = time.monotonic()
    try:
        result = league(chosen.folder, chosen.corpus, chosen.estimators, chosen.queries)
    except ContrafactError as error:
        sys.exit(f"Error: {error}")
    result["elapsed_s"] = round(time.monotonic() - started, 1)
    errors = result.pop("share_errors")
    text = json.dumps(result, indent=1)
    if chosen.keep:
        if chosen.corpus == SHIPPED:
            keep_errors(chosen.corpus, errors)
        target.write_text(text + "\n")
    print(text if chosen.json else table(result))


def require_rows(target: Path, names: list[str]) -> None:
    """Stop before rows that are there would be replaced by fewer."""
    there = json.loads(target.read_text())["estimators"] if target.exists() else {}
    lost = [name for name in there if name not in names]
    every = " ".join(dict.fromkeys([*there, *names]))
    if lost:
        sys.exit(
            f"Error: {target.name} has rows of {', '.join(lost)}, which this run would "
            f"drop. Name all: --estimators {every}, or delete the file first."
        )


def keep_errors(corpus: str, errors: dict[str, Any]) -> None:
    """Write what widens the intervals that the program prints."""
    document = {
        "command": "python bench/league --keep",
        "measured_on": f"{corpus}, songs of the choosing half, by kind of source",
        "estimators": errors,
    }
    path = ROOT / "src" / "contrafact" / "attribution" / "share_error.json"
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def league(folder: Path, corpus: str, names: list[str], queries: str) -> dict[str, Any]:
    """Return every figure of the estimators named."""
    world = World(folder, corpus)
    truth = LeagueTruth.read(TRUTH / corpus)
    remembered = truth.rise_when_left_out(TRUTH / corpus)
    asked = GENERATED if queries == "generated" else tuple(dict.fromkeys(truth.kinds))
    truth, rows = truth.only(asked)
    kinds = kinds_of(truth)
    epoch = epoch_processor_s(world)
    kept = folder / f"{corpus}-league"
    groups = {kind: truth_figures(truth, world, kind) for kind in GROUPS}
    estimators: dict[str, Any] = {}
    coverage: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    default: Scored | None = None
    for name in names:
        found = scored(world, name, kept / name, rows, **_SETTINGS.get(name, {}))
        default = found if name == "index" else default
        estimators[name] = row(truth, found, epoch, default)
        for kind in GROUPS:
            figures = group_figures(truth, world, found.scores, kind)
            if figures is not None:
                groups[kind]["estimators"][name] = figures
        if name.partition("-")[0] not in PEERS:
            errors |= share_errors_of(truth, world, name, found)
        if name == "index":
            coverage = {k: covered(truth, world, found, k) for k in GROUPS}
    return {
        "queries": queries,
        "corpus": corpus,
        "model": world.record.digest,
        "runs": truth.runs,
        "loss_on_songs_by_seed": losses_by_seed(truth),
        "rise_of_a_recording_left_out": round(remembered, 4),
        "epoch_processor_s": round(epoch, 2),
        "ceiling": {k: ceiling(truth, some) for k, some in kinds.items()},
        "estimators": estimators,
        "groups": groups,
        "coverage": coverage,
        "share_errors": errors,
        "abstention": abstention(corpus),
    }


def share_errors_of(
    truth: LeagueTruth, world: World, name: str, found: Scored
) -> dict[str, Any]:
    """Return what intervals are widened by, by name; nothing without the truth."""
    known = {kind: errors_of(truth, world, found.scores, kind) for kind in GROUPS}
    kinds = {k: e.document() for k, e in known.items() if e is not None}
    if len(kinds) < len(GROUPS):
        return {}
    return {name: {"settings": found.settings, "kinds": kinds}}


def row(
    truth: LeagueTruth, found: Scored, epoch: float, default: Scored | None
) -> dict[str, Any]:
    """Return the row of one estimator, and by how much the default is better."""
    by_kind = {k: lds(truth, found.scores, some) for k, some in kinds_of(truth).items()}
    songs, result = by_kind["generated"], {}
    if default is not None and default is not found:
        better = lds(truth, default.scores, GENERATED, less=found.scores)
        result = {"lds_of_index_minus_this": better}
    return result | {
        "lds": songs.get("mean"),
        "lds_interval": songs.get("interval_90"),
        "lds_by_kind": by_kind,
        "build_epochs": None
        if found.build_processor_s is None
        else round(found.build_processor_s / epoch, 1),
        "query_s": round(found.query_s, 3),
        "bytes_per_recording": round(found.bytes_per_recording),
    }


def truth_figures(truth: LeagueTruth, world: World, kind: str) -> dict[str, Any]:
    """Return what is known of leaving out each source, before any estimator."""
    sources = truth.sources(kind)
    if sources is None:
        done = len({n for k, n, _ in truth.losses if k == kind})
        owners = len(set(truth.facts[f"{kind}s"]))
        reason = f"{done} of {owners} {kind}s were left out and retrained without"
        return {"omitted": reason, "estimators": {}}
    sizes = sizes_among(truth, world.groups(kind, sources.names))
    return {
        "n_sources": len(sources.names),
        "seeds": list(sources.seeds),
        "n_seeds": len(sources.by_seed),
        "seed_against_seed": seeds_against_each_other(truth, sources, sizes),
        "estimators": {},
    }


def losses_by_seed(truth: LeagueTruth) -> dict[str, float]:
    """Return the mean loss on songs of the models that lack nothing, by seed."""
    rows = [row for row, kind in enumerate(truth.kinds) if kind in GENERATED]
    return {
        str(seed): round(float(loss[rows].mean()), 4)
        for (kind, _, seed), loss in sorted(truth.losses.items())
        if kind == "full"
    }


def sizes_among(truth: LeagueTruth, groups: list[Source]) -> NDArray[np.float64]:
    """Return what part of the recordings each source has."""
    ids = tuple(truth.facts["recordings"])
    return sizes_of(Scores(torch.zeros(1, len(ids)), ids), groups)


def abstention(corpus: str) -> dict[str, Any]:
    """Return the committed figures of `abstention.py`, or where they come from."""
    path = RESULTS / f"abstention-{corpus}.json"
    if not path.exists():
        return {"omitted": "not measured yet: python bench/league/abstention.py"}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def table(result: dict[str, Any]) -> str:
    """Return the figures as lines to read."""
    lines = [f"Models retrained: {result['runs']}", ""]
    for name, found in result["estimators"].items():
        songs = found["lds_by_kind"]["generated"]
        text = songs.get("omitted") or f"{songs['mean']:.3f} {songs['interval_90']}"
        lines.append(
            f"{name}: LDS {text}; build {found['build_epochs']} epochs, "
            f"query {found['query_s']} s, {found['bytes_per_recording']} B a recording"
        )
        for kind, group in result["groups"].items():
            for asked in ("named", "unnamed"):
                figures = group["estimators"].get(name, {}).get(asked)
                if figures:
                    lines.append(
                        f"  {kind}, {asked}: "
                        + ", ".join(f"{k} {v['mean']:.3f}" for k, v in figures.items())
                    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
