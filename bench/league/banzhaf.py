"""Shares of artists from models trained on random halves of them: Banzhaf's shares.

    python bench/league/banzhaf.py --corpus scores-brief --keep

Leaving one artist out of all asks what is lost where every other is still there. Where
two can replace each other, neither is missed. Banzhaf's value asks what an artist adds
to a random half of the others, on average over all halves; it is the artist's weight in
the linear function that fits the losses of all halves best. Here it is fitted to as
many halves as were trained, with a ridge that predicts halves left out of the fit
best, the same for all songs. Intervals come from drawing halves anew. How far two fits
to separate parts of the halves agree is the ceiling.

Estimated influence is held against it, by artist, for songs of the reporting half.

References:
    Wang and Jia, "Data Banzhaf", AISTATS 2023; Ilyas et al., "Datamodels", ICML 2022.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from measure import compared, scored
from numpy.typing import NDArray
from truth import GENERATED, LeagueTruth
from world import TRUTH, World

from common import RESULTS
from contrafact.attribution.evaluation import (
    positive_shares,
)
from contrafact.attribution.shares import influence_of_sources

Array = NDArray[np.float64]

RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # times the number of halves
N_RESAMPLES = 200
LEVEL = 0.9
FEWEST = 24  # halves; with fewer, weights say little


def main() -> None:
    """Fit, compare, print, and with `--keep` write `bench/results`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="scores-brief")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--estimators", nargs="*", default=["index", "similarity"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    world = World(chosen.folder, chosen.corpus)
    truth, rows = LeagueTruth.read(TRUTH / chosen.corpus).only(GENERATED)
    names, is_out = artists_left_out(truth)
    if len(is_out) < FEWEST:
        sys.exit(f"{len(is_out)} halves of the artists are trained; {FEWEST} needed.")
    losses = truth.subset_losses("artist-half", halves_of(truth)).T
    ridge = best_ridge(is_out, losses)
    real = weights(is_out, losses, ridge)
    document = {
        "command": f"python bench/league/banzhaf.py --corpus {chosen.corpus} --keep",
        "n_halves": len(is_out),
        "n_artists": len(names),
        "ridge": ridge,
        "explained_of_halves_left_out": round(explained(is_out, losses, ridge), 4),
        "interval_width": round(mean_width(is_out, losses, ridge), 4),
        "parts_against_each_other": compared(truth, *parts(is_out, losses, ridge)),
        "estimators": {},
    }
    groups = world.groups("artist", names)
    for name in chosen.estimators:
        place = chosen.folder / f"{chosen.corpus}-league" / name
        found = scored(world, name, place, rows)
        influence = influence_of_sources(found.scores, groups)
        document["estimators"][name] = compared(truth, influence, real)
    text = json.dumps(document, indent=1)
    if chosen.keep:
        (RESULTS / f"banzhaf-{chosen.corpus}.json").write_text(text + "\n")
    print(text)


def halves_of(truth: LeagueTruth) -> list[str]:
    """Return the numbers of the halves of artists that are trained."""
    return sorted({n for k, n, _ in truth.losses if k == "artist-half"}, key=int)


def artists_left_out(truth: LeagueTruth) -> tuple[list[str], Array]:
    """Return all artists, and who was left out of each half, `(n_half, n_artist)`."""
    owner = truth.facts["artists"]
    names = sorted(set(owner))
    gone = [
        {owner[i] for i in truth.left_out["artist-half", number]}
        for number in halves_of(truth)
    ]
    return names, np.array([[float(name in some) for name in names] for some in gone])


def weights(is_out: Array, losses: Array, ridge: float) -> Array:
    """Return by how much leaving out each artist raises losses, `(n_query, n_artist)`.

    Args:
        is_out: `(n_half, n_artist)`, 1 where an artist was left out.
        losses: `(n_half, n_query)`.
        ridge: Times the number of halves.
    """
    x = is_out - is_out.mean(0)
    penalty = ridge * len(x) * np.eye(x.shape[1])
    # Centred columns take no notice of what all losses have in common.
    found: Array = np.linalg.solve(x.T @ x + penalty, x.T @ losses).T
    return found


def best_ridge(is_out: Array, losses: Array) -> float:
    """Return the ridge whose fit predicts halves left out of it best."""
    return max(RIDGES, key=lambda ridge: explained(is_out, losses, ridge))


def explained(is_out: Array, losses: Array, ridge: float) -> float:
    """Return what part of the variance of each half's losses the others predict."""
    n = len(is_out)
    off = np.zeros(losses.shape)
    plain_off = np.zeros(losses.shape)
    for i in range(n):
        kept = np.arange(n) != i
        x, y = is_out[kept], losses[kept]
        found = weights(x, y, ridge)
        off[i] = losses[i] - (y.mean(0) + found @ (is_out[i] - x.mean(0)))
        plain_off[i] = losses[i] - y.mean(0)
    return 1 - float((off**2).sum() / (plain_off**2).sum())


def parts(is_out: Array, losses: Array, ridge: float) -> tuple[Array, Array]:
    """Return the weights that two separate parts of the halves give."""
    first, second = (weights(is_out[k::2], losses[k::2], ridge) for k in range(2))
    return first, second


def mean_width(is_out: Array, losses: Array, ridge: float) -> float:
    """Return how wide the interval of a share is, on average."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(N_RESAMPLES):
        some = rng.choice(len(is_out), len(is_out))
        drawn.append(positive_shares(weights(is_out[some], losses[some], ridge)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return float((high - low).mean())


if __name__ == "__main__":
    main()
