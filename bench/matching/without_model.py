"""What is likeness worth? Evidence without the model against what the model says.

    python bench/matching/without_model.py     # with --fit, writes the map anew

On the studio model of the ground truth both are known for its generated songs: what
each song resembles in the corpus, by layer, and what shaped it. That is by how much its
loss rose when the model was trained again without each collection. The map from
likeness to shares is fitted to it on the songs of even place within their kind and
measured on the others. The same map is then held against the rises without each
artist, and against the shares of artists by the estimator `index`.

Works and recordings are looked for among the first recordings of each artist
(`--per-artist`), since hearing the notes of all takes longest. Scores of the
index are kept in the folder of the league's benchmark, and taken from there.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "ground_truth"))
sys.path.insert(0, str(Path(__file__).parents[1] / "league"))

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.stats import spearmanr
from truth import GENERATED, Half, LeagueTruth
from world import TRUTH, World

from common import mean_interval, say, write_result
from contrafact.attribution.base import Scores
from contrafact.attribution.estimators import make_estimator
from contrafact.attribution.shares import influence_of_sources
from contrafact.catalog import Workspace
from contrafact.matching.studio_map import (
    FEATURES,
    MAP_FILE,
    expected_shares,
    fit_weights,
)
from contrafact.workflows.listening import Heard, Listening, evidence_in
from contrafact.workflows.match_indexes import (
    RATE,
    MatchIndexes,
    open_indexes,
    resampled,
)
from contrafact.workflows.stores import add_to_store
from contrafact.workflows.without_model import features_of

CORPUS = "scores"
HALVES: tuple[Half, Half] = ("choosing", "reporting")
Array = NDArray[np.float64]
Features = dict[str, tuple[float, ...]]


def indexes_of(world: World, folder: Path, per_artist: int) -> MatchIndexes:
    """Return match indexes of the first recordings of each artist."""
    store = Workspace.init(folder / f"{CORPUS}-evidence-{per_artist}")
    with world.workspace.catalog() as catalog:
        recordings = catalog.recordings()
    taken: dict[str, int] = {}
    chosen = []
    for recording in recordings:
        artist = world.artist[recording.id]
        taken[artist] = taken.get(artist, 0) + 1
        if taken[artist] <= per_artist:
            chosen.append(recording)
    with store.catalog() as catalog:
        known = {r.id for r in catalog.recordings()}
    add_to_store(world.workspace, store, [r for r in chosen if r.id not in known])
    return open_indexes(store, say)


def song_of(world: World, row: int) -> Heard:
    """Return a committed song as audio."""
    latents = world.query(row).batch.latents
    with torch.no_grad():
        audio = world.generator.decode(latents)[0].mean(0).numpy()
    samples = resampled(audio.astype(np.float32), world.generator.sample_rate, RATE)
    return Heard(
        samples=samples, start_s=0.0, duration_s=len(samples) / RATE, notices=()
    )


def likeness(
    world: World, indexes: MatchIndexes, row: int, owners: dict[str, dict[str, str]]
) -> dict[str, Features]:
    """Return the features of each source, for each kind; kept between runs."""
    place = world.workspace.root.with_name(f"{CORPUS}-evidence-features")
    kept = place / f"{indexes.digest[:12]}-{row}.json"
    if kept.exists():
        found: dict[str, Features] = json.loads(kept.read_text())
        return found
    features = _likeness(world, indexes, row, owners)
    say(f"likeness of {row}", 1, 1)
    place.mkdir(exist_ok=True)
    kept.write_text(json.dumps(features))
    return features


def _likeness(
    world: World, indexes: MatchIndexes, row: int, owners: dict[str, dict[str, str]]
) -> dict[str, Features]:
    heard = song_of(world, row)
    how = Listening()
    found = evidence_in(heard, indexes, how, file=str(row))
    n = len(indexes.recording_ids)
    ranked = indexes.versions.identify(heard.samples, max_p=1.0, n_best=n)
    style = indexes.style.similarities(heard.samples)
    return {kind: features_of(found, ranked, style, o) for kind, o in owners.items()}


def scores_of(world: World, rows: list[int], folder: Path) -> Scores:
    """Return the scores of songs by the index, kept from one run to the next."""
    place = folder / f"{CORPUS}-league" / "index"
    method = make_estimator("index").fit(
        world.task, place, progress=lambda a, b: say("index", a, b)
    )
    parts: list[torch.Tensor] = []
    last: Scores | None = None
    for number, row in enumerate(rows):
        kept = (
            folder
            / f"{CORPUS}-evidence-scores"
            / f"{method.digest()[:12]}-{row}.safetensors"
        )
        if not kept.exists():
            last = method.score(world.query(row))
            kept.parent.mkdir(exist_ok=True)
            save_file({"values": last.values.contiguous()}, kept)
        parts.append(load_file(kept)["values"])
        say("white-box scores", number + 1, len(rows))
    last = last or method.score(world.query(rows[0]))
    return Scores(torch.cat(parts), last.recording_ids, None, last.panel, last.overlap)


def shares_of_songs(world: World, scores: Scores, names: list[str]) -> Array:
    """Return the positive influence of each artist over that of all, by song."""
    influence = influence_of_sources(scores, world.groups("artist", names))
    positive = np.maximum(influence, 0.0)
    return positive / positive.sum(1, keepdims=True)


def rank(one: Array, other: Array) -> float:
    """Return Spearman's rank correlation; 0 if either is the same for all."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def table(found: list[Features], names: list[str]) -> Array:
    """Return features as `(n_songs, n_sources, n_features)`."""
    return np.array([[song[name] for name in names] for song in found])


def expected(features: Array, weights: Array) -> Array:
    """Return the expected shares of songs, `(n_songs, n_sources)`."""
    rows = []
    for song in features:
        named = {str(i): tuple(row) for i, row in enumerate(song)}
        rows.append(list(expected_shares(named, weights).values()))
    return np.array(rows)


def measured(features: Array, shares: Array, weights: Array) -> dict[str, Any]:
    """Return how well likeness tells the shares of songs it was not fitted on."""
    guess = expected(features, weights)
    uniform = 1 / shares.shape[1]
    by_layer = {
        name: mean_interval(
            [rank(f[:, i], s) for f, s in zip(features, shares, strict=True)]
        )
        for i, name in enumerate(FEATURES)
    }
    return {
        "rank_correlation": mean_interval(
            [rank(g, s) for g, s in zip(guess, shares, strict=True)]
        ),
        "mean_error": mean_interval(list(np.abs(guess - shares).mean(1))),
        "uniform_error": mean_interval(list(np.abs(uniform - shares).mean(1))),
        "same_first": mean_interval(
            [
                float(g.argmax() == s.argmax())
                for g, s in zip(guess, shares, strict=True)
            ]
        ),
        "rank_correlation_of_each_layer_alone": by_layer,
    }


def main() -> None:
    """Fit or read the map, measure it, and write `results/without-model.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--audio", type=Path, help="not used: truth is known of one")
    parser.add_argument("--per-artist", type=int, default=4)
    parser.add_argument("--songs", type=int, default=60, help="half of them to fit on")
    parser.add_argument("--fit", action="store_true", help="write the map anew")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    world, truth = World(chosen.folder, CORPUS), LeagueTruth.read(TRUTH / CORPUS)
    indexes = indexes_of(world, chosen.folder, chosen.per_artist)
    ids = indexes.recording_ids
    kinds = {"artist": world.artist, "collection": world.collection}
    owners = {kind: {i: owner[i] for i in ids} for kind, owner in kinds.items()}
    rows = {half: songs_of(truth, half, chosen.songs // 2) for half in HALVES}
    every, n = [*rows["choosing"], *rows["reporting"]], len(rows["choosing"])
    found = [likeness(world, indexes, row, owners) for row in every]
    truths = {
        "retraining, by collection": risen(truth, every, "collection"),
        "retraining, by artist": risen(truth, every, "artist"),
        "index, by artist": scored(world, every, chosen.folder),
    }
    tables = {
        against: (table([song[kind] for song in found], names), shares)
        for against, (kind, names, shares) in truths.items()
    }
    features, shares = next(iter(tables.values()))
    weights = weights_of(features[:n], shares[:n], is_fit=chosen.fit)
    figures = {
        against: {"n_sources": shares.shape[1]}
        | measured(features[n:], shares[n:], weights)
        for against, (features, shares) in tables.items()
    }
    result = {
        **described(weights, n_recordings=len(ids), n_songs=n),
        # What the map was fitted to stands for itself, and comes with the package.
        **figures.pop("retraining, by collection"),
    }
    if chosen.fit:
        MAP_FILE.write_text(json.dumps(result, indent=1) + "\n")
    write_result("without-model", result | {"others": figures})


def described(weights: Array, *, n_recordings: int, n_songs: int) -> dict[str, Any]:
    """Return what the map is, and of what."""
    return {
        "truth": "retraining",
        "sources": "collection",
        "weights": dict(zip(FEATURES, np.round(weights, 4).tolist(), strict=True)),
        "n_recordings": n_recordings,
        "n_songs_fitted_on": n_songs,
    }


def risen(
    truth: LeagueTruth, rows: list[int], kind: str
) -> tuple[str, list[str], Array]:
    """Return what retraining says: the part of each source in all rises."""
    sources = truth.sources(kind)
    if sources is None:
        sys.exit(f"The models without each {kind} are not all trained yet.")
    rises = np.maximum(sources.mean[rows], 1e-9)
    return kind, list(sources.names), rises / rises.sum(1, keepdims=True)


def scored(world: World, rows: list[int], folder: Path) -> tuple[str, list[str], Array]:
    """Return what the model says by `index`: the part of each artist in it."""
    names = sorted(set(world.artist.values()))
    scores = scores_of(world, rows, folder)
    return "artist", names, shares_of_songs(world, scores, names)


def weights_of(features: Array, shares: Array, *, is_fit: bool) -> Array:
    """Return weights fitted on songs, or those that come with the package."""
    if is_fit:
        return fit_weights(list(zip(features, shares, strict=True)))
    kept = json.loads(MAP_FILE.read_text())["weights"]
    return np.array([kept[name] for name in FEATURES])


def songs_of(truth: LeagueTruth, half: Half, n: int) -> list[int]:
    """Return songs of one half, as many of each kind."""
    kinds = [truth.rows((kind,), half)[: n // len(GENERATED)] for kind in GENERATED]
    return [int(row) for rows in kinds for row in rows]


if __name__ == "__main__":
    main()
