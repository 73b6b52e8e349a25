"""Is the answer the same when the song was saved, sped up or cut?

    python bench/league/robustness.py --songs 16 --keep

Asked are committed songs of the reporting half: as latents, as their sound encoded
again, and after a codec, a change of pitch or tempo, and a cut. Compared are the
influences of all artists with those of the latents: Spearman's correlation, and
whether the first artist is the same. First the song is taken as it comes; then at the
pitch, of those two semitones around, at which the model knows it best, as
`contrafact attribute --pitch-range 2` does. Influences are compared whether or not the
model knows the song well enough for names; how often it does is counted.
Transformations are those of `bench/matching/transforms.py`, the way back is the
program's own.
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
from asked import features_of, fitted_index, least_known
from numpy.typing import NDArray
from transforms import codec, pitch, stretch
from truth import LeagueTruth
from world import TRUTH, World

from common import mean_interval, rate, say, write_result
from contrafact.attribution.base import Queries
from contrafact.attribution.draws import losses_at
from contrafact.attribution.evaluation import rank_correlations, same_first
from contrafact.attribution.familiarity import learned_parts
from contrafact.attribution.shares import influence_of_sources
from contrafact.catalog.audio import Audio
from contrafact.catalog.pitch import change_pitch
from contrafact.generators import LatentBatch

Samples = NDArray[np.float32]

Change = Callable[[Samples], Samples]

CHANGES: dict[str, tuple[Change, float]] = {
    "wav": (lambda x: x, 0.0),
    "mp3_64k": (lambda x: codec(x, "mp3", 64_000), 0.0),
    "pitch_up_1": (lambda x: pitch(x, 1.0), 1.0),
    "pitch_down_1": (lambda x: pitch(x, -1.0), -1.0),
    "pitch_up_2": (lambda x: pitch(x, 2.0), 2.0),
    "pitch_down_2": (lambda x: pitch(x, -2.0), -2.0),
    "faster_5": (lambda x: stretch(x, 1.05), 0.0),
    "slower_5": (lambda x: stretch(x, 1 / 1.05), 0.0),
    "trimmed": (lambda x: x[len(x) // 8 : -len(x) // 8], 0.0),
}
"""What is done to the sound, and by how many semitones that makes it higher."""

PITCHES = (0.0, 1.0, -1.0, 2.0, -2.0)
_N_DRAWS = 16


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
    rows = _spread(truth.rows(("unnamed", "named"), "reporting"), chosen.songs)
    kept = chosen.folder / f"{chosen.corpus}-league"
    groups = world.groups("artist", sorted(set(world.artist.values())))

    def influence(queries: list[Queries]) -> NDArray[np.float64]:
        scores = index.scores_of(features_of(index, queries, kept))
        return influence_of_sources(scores, groups)

    least = least_known(world)

    def figures(queries: list[Queries]) -> dict[str, object]:
        parts = [learned_parts(world.task, q, seed=world.record.seed) for q in queries]
        known = rate([part >= least for [part] in parts])
        return _alike(influence(queries), clean) | {"known": known}

    clean = influence([world.query(r) for r in rows])
    command = f"python bench/league/robustness.py --songs {len(rows)} --keep"
    found: dict[str, object] = {"command": command, "n_songs": len(rows)}
    for name, (change, semitones) in CHANGES.items():
        sounds = [change(_sound(world, r)) for r in rows]
        asked = [world.query(r).prompts for r in rows]
        plain = [_encoded(world, *given) for given in zip(sounds, asked, strict=True)]
        best = [_best_known(world, *given) for given in zip(sounds, asked, strict=True)]
        found[name] = {
            "as_it_comes": figures(plain),
            "searched": figures([query for query, _ in best]),
            "right_pitch": rate([moved == semitones for _, moved in best]),
        }
        say(name, 1, 1)
    if chosen.keep:
        write_result(f"robustness-{chosen.corpus}", found)
    else:
        print(json.dumps(found, indent=1))


def _spread(every: NDArray[np.intp], count: int) -> list[int]:
    """Return some of the queries, as far apart as may be."""
    return [int(r) for r in every[:: max(1, len(every) // count)][:count]]


def _alike(found: NDArray[np.float64], clean: NDArray[np.float64]) -> dict[str, object]:
    """Return how far influences agree with those of the untouched songs."""
    return {
        "spearman_of_artists": mean_interval(rank_correlations(found, clean).tolist()),
        "same_first_artist": rate(same_first(found, clean).astype(bool).tolist()),
    }


def _sound(world: World, row: int) -> Samples:
    """Return the sound of a committed song, `(time,)`."""
    sound = world.generator.decode(world.query(row).batch.latents)
    found: Samples = sound[0, 0].numpy()
    return found


def _encoded(
    world: World, sound: Samples, prompts: tuple[str, ...], *, pitch: float = 0.0
) -> Queries:
    """Return a song of this sound, made `pitch` semitones lower."""
    generator = world.generator
    whole = Audio(samples=sound[None], sample_rate=generator.sample_rate)
    lower = torch.from_numpy(change_pitch(whole, -pitch).samples)
    latents = generator.encode(lower.clamp(-1, 1)[None])[0]
    return Queries(LatentBatch.stack([latents[:, : generator.max_tokens]]), prompts)


def _best_known(
    world: World, sound: Samples, prompts: tuple[str, ...]
) -> tuple[Queries, float]:
    """Return the song at the pitch of the lowest loss, and that pitch."""
    draws = world.task.draws(_N_DRAWS)
    tried = []
    for moved in PITCHES:
        asked = _encoded(world, sound, prompts, pitch=moved)
        said = world.generator.condition(prompts, n_tokens=asked.batch.n_tokens)
        loss = losses_at(world.generator, asked.batch, said, draws).mean()
        tried.append((float(loss), asked, moved))
    _, asked, moved = min(tried, key=lambda item: item[0])
    return asked, moved


if __name__ == "__main__":
    main()
