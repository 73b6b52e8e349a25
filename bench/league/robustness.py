"""Is the answer the same when the song was saved, sped up or cut?

    python bench/league/robustness.py --keep

Asked are committed songs of the reporting half: as latents, as their sound encoded
again, and after a codec, a change of pitch or tempo, and a cut. Compared are the
influences of all artists with those of the latents: Spearman's correlation, and
whether the first artist is the same. Nothing is searched over; the song is taken as
it comes. Transformations are those of `bench/matching/transforms.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "matching"))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from asked import features_of, fitted_index
from numpy.typing import NDArray
from transforms import codec, pitch, stretch
from truth import LeagueTruth
from world import TRUTH, World

from common import RESULTS, mean_interval, rate
from contrafact.attribution.base import Queries
from contrafact.attribution.evaluation import rank_correlations, same_first
from contrafact.attribution.shares import influence_of_sources
from contrafact.generators import LatentBatch

Samples = NDArray[np.float32]

CHANGES: dict[str, Callable[[Samples], Samples]] = {
    "wav": lambda x: x,
    "mp3_64k": lambda x: codec(x, "mp3", 64_000),
    "pitch_up_1": lambda x: pitch(x, 1.0),
    "pitch_down_1": lambda x: pitch(x, -1.0),
    "faster_5": lambda x: stretch(x, 1.05),
    "slower_5": lambda x: stretch(x, 1 / 1.05),
    "trimmed": lambda x: x[len(x) // 8 : -len(x) // 8],
}


def main() -> None:
    """Measure, print, and with `--keep` write `bench/results`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--songs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    world = World(chosen.folder, chosen.corpus)
    index = fitted_index(world, chosen.folder, chosen.corpus)
    truth = LeagueTruth.read(TRUTH / chosen.corpus)
    every = [int(r) for r in truth.rows(("unnamed", "named"), "reporting")]
    rows = every[:: max(1, len(every) // chosen.songs)][: chosen.songs]
    kept = chosen.folder / f"{chosen.corpus}-league"
    groups = world.groups("artist", sorted(set(world.artist.values())))

    def influence(queries: list[Queries]) -> NDArray[np.float64]:
        features = features_of(index, queries, kept)
        return influence_of_sources(index.scores_of(features), groups)

    clean = influence([world.query(r) for r in rows])
    found: dict[str, object] = {
        "command": "python bench/league/robustness.py --keep",
        "n_songs": len(rows),
    }
    for name, change in CHANGES.items():
        changed = influence([_changed(world, r, change) for r in rows])
        alike = rank_correlations(changed, clean)
        found[name] = {
            "spearman_of_artists": mean_interval(alike.tolist()),
            "same_first_artist": rate(same_first(changed, clean).astype(bool).tolist()),
        }
    text = json.dumps(found, indent=1)
    if chosen.keep:
        (RESULTS / f"robustness-{chosen.corpus}.json").write_text(text + "\n")
    print(text)


def _changed(world: World, row: int, change: Callable[[Samples], Samples]) -> Queries:
    """Return a song after something was done to its sound."""
    asked = world.query(row)
    sound = world.generator.decode(asked.batch.latents)[0, 0].numpy()
    altered = torch.from_numpy(np.ascontiguousarray(change(sound), np.float32))
    latents = world.generator.encode(altered.clamp(-1, 1)[None, None])[0]
    latents = latents[:, : world.generator.max_tokens]
    return Queries(LatentBatch.stack([latents]), asked.prompts)


if __name__ == "__main__":
    main()
