"""What does gaming the catalog gain? Copies, outliers, many names, and twins.

    python bench/league/attacks.py --keep

An artist's income is the artist's part of the money of the committed songs of the
reporting half, each of which has as much. It is worked out before and after the artist
did something to the catalog, by two rules: every positive share is paid, or the shares
that `attribute` prints, which are of sources that are named. The index's features of
what is added are put beside the others, the Fisher matrix and everything after it is
made anew. The model is not trained again: this measures what the *attribution* pays for
an attack, not what a model learns from it.

- `copies`: every recording of the artist is in the catalog five times.
- `near copies`: every recording once more, at half the loudness and with noise 26 dB
  beneath it; with and without what fingerprints say of it.
- `outliers`: 22 sounds without a source are put among the artist's recordings.
- `split`: the artist's recordings under as many names as there are recordings.
- `twins`: one recording twice; how the pair's influence compares with the one's.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from asked import features_of, fitted_index
from market import EVERY, NAMED, Market
from near_copies import NearCopies
from torch import Tensor
from truth import GENERATED, LeagueTruth
from world import TRUTH, World

from common import RESULTS, mean_interval, say
from contrafact.attribution.base import Queries
from contrafact.attribution.null_signals import null_signals
from contrafact.attribution.shares import Source, influence_of_sources
from contrafact.generators import LatentBatch

N_COPIES = 4
N_OUTLIERS = 22
MOST = 0.2  # gain that an attack may bring


def main() -> None:
    """Measure, print, and with `--keep` write `bench/results`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--attackers", type=int, default=8)
    parser.add_argument("--half", choices=("choosing", "reporting"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    half = chosen.half or "reporting"
    world = World(chosen.folder, chosen.corpus)
    index = fitted_index(world, chosen.folder, chosen.corpus)
    rows = LeagueTruth.read(TRUTH / chosen.corpus).rows(GENERATED, half)
    kept = chosen.folder / f"{chosen.corpus}-league"
    market = Market(world, index, [int(r) for r in rows], kept)
    artists = sorted(set(world.artist.values()))
    attackers = artists[:: max(1, len(artists) // chosen.attackers)]
    near = NearCopies(world, index, attackers, kept)
    found = {
        "command": "python bench/league/attacks.py --keep",
        "half": half,
        "n_songs": len(rows),
        "attackers": attackers,
        "attacks": gains(market, attackers, near, outliers(market, kept, index)),
        "near_copies_found_by_sound": round(near.found, 4),
        "twins": twins(market),
    }
    text = json.dumps(found, indent=1)
    if chosen.keep:
        path = RESULTS / f"attacks-{chosen.corpus}.json"
        path.write_text(text + "\n")
    print(text)


def gains(
    market: Market, attackers: list[str], near: NearCopies, strange: Tensor
) -> dict[str, Any]:
    """Return what each attack brings those who try it, by the rule of pay."""
    before, noisy = market.scores(), market.scores(strange)
    usual: list[dict[str, float]] = []
    after: dict[str, list[dict[str, float]]] = {}
    for done, artist in enumerate(attackers, start=1):
        own = market.rows[market.of(artist)]
        again, same_sound = near.of(artist)
        attacked = {
            "copies": (market.scores(own.repeat(N_COPIES, 1, 1)), 1),
            "near copies": (market.scores(again, same_sound), 1),
            "near copies, not listened for": (market.scores(again), 1),
            "outliers": (noisy, 1),
            "split": (before, len(own)),
        }
        usual.append(market.incomes(before, artist))
        for attack, (scores, names) in attacked.items():
            found = market.incomes(scores, artist, names=names)
            after.setdefault(attack, []).append(found)
        say("attackers", done, len(attackers))
    return {
        attack: {
            rule: compared([u[rule] for u in usual], [one[rule] for one in some])
            for rule in (EVERY, NAMED)
        }
        for attack, some in after.items()
    }


def compared(before: list[float], after: list[float]) -> dict[str, Any]:
    """Return gains in absolute income and in parts of what was earned.

    Args:
        before: Each attacker's part of all songs' money.
        after: The same once the catalog was attacked.

    Returns:
        `points`: percentage points of all songs' money that an attacker gains;
        `part`: what all attackers gain together in parts of what they had; `n_over`
        of those who had something gain more than a fifth, the most `largest`; and
        of `n_without` who had nothing, `n_from_nothing` then have something.
    """
    had = [(b, a) for b, a in zip(before, after, strict=True) if b > 0]
    got = [a for b, a in zip(before, after, strict=True) if b == 0]
    parts = [a / b - 1 for b, a in had]
    points = [100 * (a - b) for b, a in zip(before, after, strict=True)]
    return {
        "before": mean_interval([100 * b for b in before]),
        "points": mean_interval(points) | {"largest": round(max(points), 3)},
        "part": round(sum(after) / sum(before) - 1, 4) if parts else None,
        "mean_part": mean_interval(parts) if parts else None,
        "largest": round(max(parts), 4) if parts else None,
        "n_over": sum(part > MOST for part in parts),
        "n_without": len(got),
        "n_from_nothing": sum(a > 0 for a in got),
        "by_attacker": [
            [round(100 * b, 4), round(100 * a, 4)]
            for b, a in zip(before, after, strict=True)
        ],
    }


def outliers(market: Market, kept: Path, index: Any) -> Tensor:
    """Return features of sounds without a source, without a caption."""
    generator = market.world.generator
    sounds = null_signals(
        N_OUTLIERS, n_samples=8 * generator.sample_rate,
        sample_rate=generator.sample_rate, seed=77,
    )  # fmt: skip
    latents = [generator.encode(sound[None, None])[0] for sound in sounds]
    asked = [Queries(LatentBatch.stack([one]), ("",)) for one in latents]
    return features_of(index, asked, kept)


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
