"""How often is somebody named where nobody should be, and a song left unanswered?

    python bench/league/abstention.py --audio DIR

Asked are songs that no artist of the corpus shaped, of families that calibrated
nothing, and the committed songs of the reporting half. `--audio` names a folder of
recordings from elsewhere with a `MANIFEST.csv`; without it that family is left out.
The false names are counted at the default level, 0.9; 5 % of them are allowed. As
`attribute` does, nobody is named for a song that the model hardly knows; what that
changes stands beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

from asked import features_of, fitted_index, least_known
from null_queries import null_queries
from truth import LeagueTruth
from world import TRUTH, World

from common import RESULTS, rate
from contrafact.attribution.base import Scores
from contrafact.attribution.familiarity import learned_parts
from contrafact.attribution.hubs import hub_overlap
from contrafact.attribution.shares import ShareSettings, Source, shares_of
from contrafact.core.results import SourceShare

KINDS = ("artist", "collection")


def main() -> None:
    """Measure, print, and with `--keep` write `bench/results`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    world = World(chosen.folder, chosen.corpus)
    index = fitted_index(world, chosen.folder, chosen.corpus)
    truth = LeagueTruth.read(TRUTH / chosen.corpus)
    families = null_queries(world, chosen.folder, chosen.count, chosen.audio)
    kept = chosen.folder / f"{chosen.corpus}-league"
    rows = {
        k: [int(r) for r in truth.rows((k,), "reporting")] for k in ("named", "unnamed")
    }
    families |= {k: [world.query(r) for r in some] for k, some in rows.items()}
    seed, least = world.record.seed, least_known(world)
    asked = {
        name: Asked(
            index.scores_of(features_of(index, queries, kept)),
            [learned_parts(world.task, q, seed=seed)[0] >= least for q in queries],
        )
        for name, queries in families.items()
    }
    found = {
        "level": 0.9,
        "command": "python bench/league/abstention.py --audio DIR --keep",
        "hub_overlap": round(hub_overlap(asked["named"].scores) or 0.0, 4),
        "least_learned": round(least, 4),
        "known": {name: rate(some.is_known) for name, some in asked.items()},
        "by": {kind: by_kind(world, truth, asked, rows, kind) for kind in KINDS},
    }
    text = json.dumps(found, indent=1)
    if chosen.keep:
        path = RESULTS / f"abstention-{chosen.corpus}.json"
        path.write_text(text + "\n")
    print(text)


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries of a family: their scores, and whether the model knows each."""

    scores: Scores
    is_known: list[bool]


def by_kind(
    world: World,
    truth: LeagueTruth,
    asked: dict[str, Asked],
    rows: dict[str, list[int]],
    kind: str,
) -> dict[str, Any]:
    """Return false names on each null family, and answers on songs, by one kind."""
    owner = {"artist": world.artist, "collection": world.collection}[kind]
    groups = world.groups(kind, sorted(set(owner.values())))

    def false_names(*, is_gated: bool) -> dict[str, Any]:
        hits = {
            family: [bool(x) for x in named(some, groups, is_gated=is_gated)]
            for family, some in asked.items()
            if family not in rows
        }
        every = [hit for found in hits.values() for hit in found]
        return {family: rate(found) for family, found in hits.items()} | {
            "all": rate(every)
        }

    return {
        "named_falsely": false_names(is_gated=True),
        "named_falsely_if_every_song_were_known": false_names(is_gated=False)["all"],
        "songs": {
            k: answers(world, truth, named(asked[k], groups), rows[k], groups)
            for k in rows
        },
    }


def named(
    asked: Asked, groups: list[Source], *, is_gated: bool = True
) -> list[list[SourceShare]]:
    """Return the sources that are named for each query, best first."""
    every = [
        shares_of(
            asked.scores,
            groups,
            query=i,
            settings=ShareSettings(is_known=is_known or not is_gated),
        )[0]
        for i, is_known in enumerate(asked.is_known)
    ]
    return [[row for row in rows if row.significant] for rows in every]


def answers(
    world: World,
    truth: LeagueTruth,
    found: list[list[SourceShare]],
    rows: list[int],
    groups: list[Source],
) -> dict[str, Any]:
    """Return how often songs are answered, and with the prompted source first.

    Also where two trainings agree on the first collection: what can be attributed.
    """
    answered = [bool(names) for names in found]
    result: dict[str, Any] = {"answered": rate(answered)}
    right = [
        names[0].id
        == next(g.id for g in groups if world.queries.queries[row].source in g.parts)
        for names, row in zip(found, rows, strict=True)
        if names
    ]
    if right:
        result["prompted_source_first_when_answered"] = rate(right)
    collections = truth.sources("collection")
    if collections is not None and len(collections.by_seed) > 1:
        firsts = collections.by_seed[:, rows].argmax(-1)
        agree = (firsts == firsts[0]).all(0)
        both = [a for a, is_same in zip(answered, agree, strict=True) if is_same]
        if both:
            result["answered_where_seeds_agree"] = rate(both)
    return result


if __name__ == "__main__":
    main()
