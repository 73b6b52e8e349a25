"""What the benchmarks share: workspaces, prompts, intervals, results."""

from __future__ import annotations

import csv
import json
import math
import random
import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contrafact.attribution.base import AttributionTask, Queries
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.catalog import Workspace, read_audio
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.core.entities import Recording
from contrafact.generators import Generator, LatentBatch
from contrafact.rights.corpora import write_corpus_consents
from contrafact.workflows.index import build_index, index_dir, training_set
from contrafact.workflows.ingest import ingest
from contrafact.workflows.models import ModelRecord, open_model, trained_on
from contrafact.workflows.progress import silent
from contrafact.workflows.sources import artist_names
from contrafact.workflows.train import train

RESULTS = Path(__file__).parent / "results"
SAMPLING = {"n_steps": 40, "guidance": 2.0}


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder, whole or not at all."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    shutil.copytree(source, part)
    part.rename(target)


class Bench:
    """A workspace with a trained, indexed model on a built-in corpus."""

    def __init__(
        self,
        folder: Path,
        corpus: str,
        n_recordings: int = 512,
        *,
        recipe: str = "quick",
    ) -> None:
        """Make the workspace, or use what is there."""
        torch.set_num_threads(1)
        self.workspace = Workspace.init(folder / corpus)
        settings = CorpusSettings(n_recordings=n_recordings)
        source = folder / corpus / "corpus"
        table = find_corpus(corpus).write(source, settings)
        write_corpus_consents(corpus, source)
        ingest(self.workspace, [source], metadata=table)
        self.record: ModelRecord = train(self.workspace, recipe=recipe, progress=say)
        self.generator: Generator = open_model(self.record)
        self.data = training_set(self.workspace, self.record, self.generator, silent)
        self.recordings: list[Recording] = trained_on(self.workspace, self.record)
        self.artist = artist_names(self.workspace, self.recordings)
        self.collection = {r.id: r.group or "" for r in self.recordings}

    @property
    def task(self) -> AttributionTask:
        """What is attributed."""
        return AttributionTask(self.generator, self.data)

    def build_index(self) -> float:
        """Build the index anew in this process; return processor seconds it took."""
        folder = index_dir(self.workspace, self.record)
        shutil.rmtree(folder, ignore_errors=True)
        started = processor_s()
        alone = IndexEstimator(IndexSettings(n_workers=1))
        alone.fit(self.task, folder, progress=lambda a, b: say("indexing", a, b))
        seconds = processor_s() - started
        build_index(self.workspace, model=self.record.id, progress=say)
        return seconds

    def prompts(self, count: int, *, seed: int = 0) -> list[Recording]:
        """Return recordings whose captions prompt songs, artists in turn."""
        rng = random.Random(seed)
        artists = sorted(set(self.artist.values()))
        return [
            rng.choice(
                [
                    r
                    for r in self.recordings
                    if self.artist[r.id] == artists[i % len(artists)]
                ]
            )
            for i in range(count)
        ]

    def heldout(self, count: int) -> list[tuple[str, torch.Tensor]]:
        """Captions and latents of recordings of works that were never trained on."""
        corpus = self.workspace.root.name
        folder = self.workspace.root.parent / f"{corpus}-heldout"
        settings = CorpusSettings(n_recordings=len(self.recordings), n_heldout=count)
        find_corpus(corpus).write(folder, settings)
        with next((folder / "heldout").glob("*.csv")).open(newline="") as file:
            rows = list(csv.DictReader(file))
        found = []
        for row in rows[:count]:
            path = folder / "heldout" / row["file"]
            audio = read_audio(path, sample_rate=self.generator.sample_rate)
            encoded = self.generator.encode(torch.from_numpy(audio.samples)[None])[0]
            found.append((row["caption"], encoded[:, : self.generator.max_tokens]))
        return found

    def songs(
        self, captions: Sequence[str], *, seed: int, n_tokens: int = 64
    ) -> Queries:
        """Generate songs, as their audio encoded again: what a user would ask."""
        batch = self.generator.sample(
            list(captions), n_tokens=[n_tokens] * len(captions), seed=seed, **SAMPLING
        )
        audio = self.generator.decode(batch.latents)
        peak = audio.abs().amax((1, 2), keepdim=True).clamp_min(1.0)
        return Queries(
            LatentBatch(self.generator.encode(audio / peak), batch.mask),
            tuple(captions),
        )


def processor_s() -> float:
    """Return processor seconds of this process alone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say(stage: str, done: int, total: int) -> None:
    """Print progress now and then."""
    if done == total or done % max(1, total // 10) == 0:
        print(f"  {stage}: {done} of {total}", file=sys.stderr, flush=True)


def wilson(hits: int, count: int) -> list[float]:
    """Return the 90 % Wilson interval of a rate."""
    z = 1.6449
    rate = hits / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    half /= 1 + z * z / count
    return [round(max(0.0, centre - half), 3), round(min(1.0, centre + half), 3)]


def rate(hits: Sequence[bool]) -> dict[str, Any]:
    """Return a rate with its interval."""
    count = len(hits)
    return {
        "rate": round(sum(hits) / count, 3),
        "interval_90": wilson(sum(hits), count),
        "n": count,
    }


def mean_interval(values: Sequence[float], *, seed: int = 0) -> dict[str, Any]:
    """Return a mean with its 90 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    draws = rng.choice(np.asarray(values), (4000, len(values))).mean(1)
    low, high = np.quantile(draws, [0.05, 0.95])
    return {
        "mean": round(float(np.mean(values)), 5),
        "interval_90": [round(float(low), 5), round(float(high), 5)],
        "n": len(values),
    }


def write_result(name: str, document: Any) -> None:
    """Write `bench/results/NAME.json` and print it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(document, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)
