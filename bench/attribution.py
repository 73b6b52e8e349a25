"""Does attribution name the prompted source, and what does it cost?

    python bench/attribution.py --corpus scores
    python bench/attribution.py --corpus planted

Thirty songs are generated from captions that name an artist, thirty from
captions that do not. Every estimator ranks the sources; reported is how often
the prompted collection and artist come first. Where the prompt names nobody
the truth is not known without retraining; the rate says only how often the
source of the caption comes first. Then: does a training recording used as
query rank itself first; do prompts steer; how near are songs to training
recordings; what do index and query cost, in training epochs timed in this run.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from common import RESULTS, Bench, processor_s, rate, say, write_result
from contrafact.attribution.base import Estimator, Queries, Scores
from contrafact.attribution.estimators import ESTIMATORS, make_estimator
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.generators.studio.training import Trainer
from contrafact.workflows.index import index_dir
from contrafact.workflows.recipes import find_recipe


def first_sources(scores: Scores, owner: dict[str, str]) -> list[str]:
    """Return the source with the largest influence, for each query."""
    names = sorted(set(owner.values()))
    weights = torch.zeros(len(scores.recording_ids), len(names))
    for column, name in enumerate(names):
        parts = {r: 1.0 for r in scores.recording_ids if owner[r] == name}
        if scores.overlap is not None:
            parts = scores.overlap.shared_weights(parts)
        for row, recording in enumerate(scores.recording_ids):
            weights[row, column] = parts.get(recording, 0.0)
    return [names[int(i)] for i in (scores.values @ weights).argmax(1)]


def hit_rates(bench: Bench, scores: Scores, sources: list[str]) -> dict[str, object]:
    """Return how often the prompted collection and artist come first."""
    found = {}
    for kind, owner in (("collection", bench.collection), ("artist", bench.artist)):
        firsts = first_sources(scores, owner)
        hits = [f == owner[s] for f, s in zip(firsts, sources, strict=True)]
        found[kind] = rate(hits)
    return found


def ready(bench: Bench, name: str, folder: Path) -> Estimator:
    """Return a fitted estimator."""
    # 2,048 draws, the paper's number, would take a minute a song more.
    settings = {"n_unlearn_draws": 256} if name == "unlearning" else {}
    method = make_estimator(name, **settings)
    if isinstance(method, IndexEstimator):
        return method.open(bench.task, index_dir(bench.workspace, bench.record))
    return method.fit(
        bench.task, folder / name, progress=lambda a, b: say(f"fit {name}", a, b)
    )


def log_mel(bench: Bench, latents: torch.Tensor) -> np.ndarray:
    """Mean and spread of log-mel bands of decoded latents, `(batch, 2 * 40)`."""
    spectra = []
    for row in latents:
        audio = bench.generator.decode(row[None])[0, 0]
        power = torch.stft(
            audio, 1024, 512, window=torch.hann_window(1024), return_complex=True
        ).abs()
        edges = np.unique(np.geomspace(2, 512, 41).astype(int))
        bands = torch.stack([power[a:b].mean(0) for a, b in pairwise(edges)])
        logs = (bands + 1e-4).log()
        spectra.append(torch.cat([logs.mean(1), logs.std(1)]).numpy())
    return np.array(spectra)


def steering(bench: Bench) -> dict[str, object]:
    """Do songs "in the style of A" lie nearest A's recordings?"""
    artists = sorted(set(bench.artist.values()))
    train = log_mel(bench, [x for x in bench.data.latents])  # type: ignore[arg-type]
    spread = train.std(0)
    owner = [bench.artist[r] for r in bench.data.recording_ids]
    centres = np.array(
        [train[[o == a for o in owner]].mean(0) / spread for a in artists]
    )
    rng = np.random.default_rng(0)
    hits, nearest = [], []
    for round_ in range(3):
        chosen = [
            rng.choice([r for r in bench.recordings if bench.artist[r.id] == a])
            for a in artists
        ]
        songs = bench.songs([r.caption for r in chosen], seed=100 + round_)
        found = log_mel(bench, songs.batch.latents) / spread
        distance = np.linalg.norm(found[:, None] - centres[None], axis=2)
        hits += list(distance.argmin(1) == np.arange(len(artists)))
        every = np.linalg.norm(found[:, None] - (train / spread)[None], axis=2)
        nearest += list(every.min(1))
    heldout = log_mel(bench, [row for _, row in bench.heldout(60)]) / spread  # type: ignore[arg-type]
    apart = np.linalg.norm(heldout[:, None] - (train / spread)[None], axis=2)
    among = np.linalg.norm((train / spread)[:, None] - (train / spread)[None], axis=2)
    np.fill_diagonal(among, np.inf)
    ceiling = [
        np.linalg.norm(row / spread - centres, axis=1).argmin() == artists.index(name)
        for row, name in zip(train, owner, strict=True)
    ]
    return {
        "nearest_artist_is_prompted": rate(hits),
        "chance": round(1 / len(artists), 3),
        "training_recordings_nearest_to_their_own_artist": rate(ceiling),
        "distance_to_nearest_training_recording": {
            "songs_median": round(float(np.median(nearest)), 2),
            "heldout_recordings_median": round(float(np.median(apart.min(1))), 2),
            "training_recordings_median": round(float(np.median(among.min(1))), 2),
        },
    }


def cost(bench: Bench, seconds: float, songs: Queries) -> dict[str, object]:
    """Return the build in training epochs and a query in seconds."""
    recipe = find_recipe("quick")
    trainer = Trainer(bench.data, recipe.network, recipe.training)
    steps = len(bench.data) // recipe.training.batch_size
    trainer.run(until=2, on_step=lambda *_: None)
    started = processor_s()
    trainer.run(until=2 + steps, on_step=lambda *_: None)
    epoch = processor_s() - started
    method = ready(bench, "index", Path())
    started = time.perf_counter()
    for row in range(5):
        method.score(songs.select(row))
    query = (time.perf_counter() - started) / 5
    return {
        "epoch_processor_s": round(epoch, 2),
        "build_processor_s": round(seconds, 1),
        "build_in_epochs": round(seconds / epoch, 1),
        "query_s": round(query, 2),
        "query_in_epochs": round(query / epoch, 3),
    }


def self_influence(bench: Bench, count: int) -> dict[str, object]:
    """Does a training recording rank itself first?"""
    step = max(1, len(bench.data) // count)
    rows = list(range(0, len(bench.data), step))[:count]
    captions = tuple(bench.data.windows[r].caption for r in rows)
    scores = ready(bench, "index", Path()).score(
        Queries(bench.data.batch(rows), captions)
    )
    ids = [bench.data.windows[r].recording_id for r in rows]
    best = [scores.recording_ids[int(i)] for i in scores.values.argmax(1)]
    return rate([a == b for a, b in zip(ids, best, strict=True)])


def known(bench: Bench) -> dict[str, object]:
    """Return what an earlier run found for this very model."""
    corpus = bench.workspace.root.name
    path = RESULTS / f"attribution-{corpus}.json"
    facts = {
        "corpus": corpus,
        "n_recordings": len(bench.recordings),
        "model": bench.record.digest,
    }
    if path.exists():
        found: dict[str, object] = json.loads(path.read_text())
        if found["model"] == bench.record.digest:
            return found
    return facts


def main() -> None:
    """Run all and write `bench/results/attribution-CORPUS.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--songs", type=int, default=30)
    parser.add_argument("--unlearning-songs", type=int, default=10)
    parser.add_argument("--estimators", nargs="*", default=list(ESTIMATORS))
    chosen = parser.parse_args()
    bench = Bench(chosen.folder, chosen.corpus)
    seconds = bench.build_index()
    sources = bench.prompts(chosen.songs)
    ids = [r.id for r in sources]
    named = bench.songs([r.caption or "" for r in sources], seed=1)
    unnamed = bench.songs([r.caption_anonymous or "" for r in sources], seed=2)
    result = known(bench)
    result["cost"] = cost(bench, seconds, named)
    for name in sorted(chosen.estimators, key=lambda n: n == "unlearning"):
        print(f"estimator {name}", flush=True)
        if name == "unlearning" and not chosen.unlearning_songs:
            continue
        method = ready(bench, name, chosen.folder / chosen.corpus / "estimators")
        is_slow = name == "unlearning"
        count = chosen.unlearning_songs if is_slow else chosen.songs
        kinds = {"prompt_names_artist": named, "prompt_names_nobody": unnamed}
        if is_slow:
            del kinds["prompt_names_nobody"]
        found: dict[str, object] = {"settings": dict(method.settings)}
        for kind, asked in kinds.items():
            part = Queries(asked.batch.select(slice(0, count)), asked.prompts[:count])
            found[kind] = hit_rates(bench, method.score(part), ids[:count])
        result[name] = found
        write_result(f"attribution-{chosen.corpus}", result)
    if "index" in chosen.estimators:
        result["self_influence_first"] = self_influence(bench, 200)
    if "steering" not in result:
        result["steering"] = steering(bench)
    write_result(f"attribution-{chosen.corpus}", result)


if __name__ == "__main__":
    main()
