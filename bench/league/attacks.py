"""What does gaming the catalog gain? Copies, outliers, many names, and twins.

    python bench/league/attacks.py --keep

An artist's income is the sum of its shares over the committed songs of the
reporting half. It is worked out before and after the artist did something to the
catalog; the index's features of what is added are put beside the others, the Fisher
matrix and everything after it is made anew. The model is not trained again: this
measures what the *attribution* pays for an attack, not what a model learns from it.

- `copies`: every recording of the artist is in the catalog five times.
- `near copies`: every recording once more, at half the loudness and with noise 26 dB
  beneath it; with and without what fingerprints say of it.
- `outliers`: 22 sounds without a source are put among the artist's recordings.
- `split`: the artist's recordings under as many names as there are recordings; once
  as if every positive share were paid, once as those of sources that are named.
- `twins`: one recording twice; how the pair's influence compares with the one's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from asked import features_of, fitted_index
from near_copies import NearCopies
from torch import Tensor
from truth import GENERATED, LeagueTruth
from world import TRUTH, World

from common import RESULTS, mean_interval, say
from contrafact.attribution.base import Queries, Scores
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.evaluation import positive_shares
from contrafact.attribution.null_signals import null_signals
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.shares import Source, influence_of_sources, shares_of
from contrafact.attribution.solve import FisherSolve
from contrafact.attribution.store import FeatureStore
from contrafact.generators import LatentBatch

N_COPIES = 4
N_OUTLIERS = 22


class Market:
    """Songs, and a catalog whose artists are paid by their shares in them."""

    def __init__(
        self, world: World, index: IndexEstimator, rows: list[int], kept: Path
    ) -> None:
        self.world, self.settings = world, IndexSettings()
        self.ids = list(world.data.recording_ids)
        store = index.store
        self.rows = store.read(slice(0, store.n_windows))
        queries = [world.query(r) for r in rows]
        features = features_of(index, queries, kept)
        self.songs = features
        self.usual = index.scores_of(features)
        self.index = index

    def scores(
        self, extra: Tensor | None = None, same_sound: Mapping[str, str] | None = None
    ) -> Scores:
        """Return scores of the songs, with some recordings added to the catalog."""
        rows = self.rows if extra is None else torch.cat([self.rows, extra])
        ids = self.ids + [f"added-{i}" for i in range(len(rows) - len(self.ids))]
        with tempfile.TemporaryDirectory() as folder:
            store = FeatureStore(
                directory=Path(folder),
                n_windows=len(rows),
                n_sets=rows.shape[1],
                n_features=rows.shape[2],
            )
            store.create()
            for shard in store.pending():
                part = store.rows(shard)
                store.write(shard, rows[part[0] : part[-1] + 1])
            solve = FisherSolve.of(store, ridge=self.settings.ridge)
            products = solve.products(self.songs).mean(1)
            counts = torch.ones(len(ids), dtype=torch.long)
            hat = solve.hat(torch.arange(len(ids)), counts)
        overlap = Overlap(
            tuple(ids), hat, counts, self.settings.overlap, same_sound or {}
        )
        return Scores(products / len(rows), tuple(ids), overlap=overlap)

    def of(self, artist: str) -> list[int]:
        """Return the places of an artist's recordings."""
        return [i for i, r in enumerate(self.ids) if self.world.artist[r] == artist]

    def income(self, scores: Scores, artist: str, *, names: int = 1) -> float:
        """Return the artist's mean share, under one name or as many as recordings."""
        groups = self._groups(scores, artist, names)
        shares = positive_shares(influence_of_sources(scores, groups))
        return float(shares[:, -names:].sum(1).mean())

    def named_income(self, artist: str, *, names: int) -> float:
        """Return the mean of the artist's shares that are significant: what is paid."""
        groups = self._groups(self.usual, artist, names)
        own = {g.id for g in groups[-names:]}
        total = 0.0
        for song in range(len(self.songs)):
            rows, _ = shares_of(self.usual, groups, query=song)
            total += sum(row.share for row in rows if row.id in own)
        return total / len(self.songs)

    def _groups(self, scores: Scores, artist: str, names: int) -> list[Source]:
        """Return all artists, the attacker under so many names at the end."""
        owner = {r: self.world.artist[r] for r in self.ids}
        own = [r for r in scores.recording_ids if owner.get(r, artist) == artist]
        others = sorted({a for a in owner.values() if a != artist})
        groups = [
            Source(id=a, name=a, parts={r: 1.0 for r in self.ids if owner[r] == a})
            for a in others
        ]
        for i in range(names):
            parts = dict.fromkeys(own[i::names], 1.0)
            groups.append(Source(id=f"own-{i}", name=artist, parts=parts))
        return groups


def main() -> None:
    """Measure, print, and with `--keep` write `bench/results`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--attackers", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    world = World(chosen.folder, chosen.corpus)
    index = fitted_index(world, chosen.folder, chosen.corpus)
    rows = LeagueTruth.read(TRUTH / chosen.corpus).rows(GENERATED, "reporting")
    kept = chosen.folder / f"{chosen.corpus}-league"
    market = Market(world, index, [int(r) for r in rows], kept)
    artists = sorted(set(world.artist.values()))
    attackers = artists[:: max(1, len(artists) // chosen.attackers)]
    near = NearCopies(world, index, attackers)
    found = {
        "command": "python bench/league/attacks.py --keep",
        "n_songs": len(rows),
        "attackers": attackers,
        "gain": gains(market, attackers, near),
        "near_copies_found_by_sound": round(near.found, 4),
        "twins": twins(market),
    }
    text = json.dumps(found, indent=1)
    if chosen.keep:
        path = RESULTS / f"attacks-{chosen.corpus}.json"
        path.write_text(text + "\n")
    print(text)


def gains(market: Market, attackers: list[str], near: NearCopies) -> dict[str, Any]:
    """Return by what part each attack raises the income of those who try it."""
    before, strange = market.scores(), outliers(market)
    found: dict[str, list[float]] = {
        "copies": [], "near copies": [], "near copies, not listened for": [],
        "outliers": [], "split": [], "split, paid when named": [],
    }  # fmt: skip
    for done, artist in enumerate(attackers, start=1):
        usual = market.income(before, artist)
        own = market.rows[market.of(artist)]
        copied = market.scores(own.repeat(N_COPIES, 1, 1))
        noisy = market.scores(strange)
        again, same_sound = near.of(artist)
        after = {
            "near copies": market.income(market.scores(again, same_sound), artist),
            "near copies, not listened for": market.income(
                market.scores(again), artist
            ),
            "copies": market.income(copied, artist),
            "outliers": market.income(noisy, artist),
            "split": market.income(before, artist, names=len(own)),
        }
        for attack, income in after.items():
            found[attack].append(income / usual - 1)
        paid = market.named_income(artist, names=1)
        if paid > 0:
            split = market.named_income(artist, names=len(own))
            found["split, paid when named"].append(split / paid - 1)
        say("attackers", done, len(attackers))
    return {
        attack: mean_interval(values) | {"largest": round(max(values), 4)}
        for attack, values in found.items()
        if values
    }


def outliers(market: Market) -> Tensor:
    """Return features of sounds without a source, without a caption."""
    generator = market.world.generator
    sounds = null_signals(
        N_OUTLIERS, n_samples=8 * generator.sample_rate,
        sample_rate=generator.sample_rate, seed=77,
    )  # fmt: skip
    rows = []
    for done, sound in enumerate(sounds, start=1):
        latents = generator.encode(sound[None, None])
        asked = Queries(LatentBatch.stack([latents[0]]), ("",))
        rows.append(market.index.features(asked))
        say("outliers", done, len(sounds))
    return torch.cat(rows)


def twins(market: Market) -> dict[str, Any]:
    """Return what becomes of each song's first recording when it has a twin."""
    alone = market.scores()
    pair, each = [], []
    for song in range(0, len(market.songs), 3):
        first = int(alone.values[song].argmax())
        name = alone.recording_ids[first]
        both = market.scores(market.rows[first : first + 1])
        sources = {
            "one": Source(id="1", name="1", parts={name: 1.0}),
            "pair": Source(id="2", name="2", parts={name: 1.0, "added-0": 1.0}),
        }
        before = influence_of_sources(alone, [sources["one"]])[song, 0]
        after = influence_of_sources(both, list(sources.values()))[song]
        each.append(float(after[0] / before))
        pair.append(float(after[1] / before))
    return {
        "influence_of_the_pair_over_the_one": mean_interval(pair),
        "influence_of_each_twin_over_the_one": mean_interval(each),
        "smallest_pair": round(float(np.min(pair)), 4),
    }


if __name__ == "__main__":
    main()
