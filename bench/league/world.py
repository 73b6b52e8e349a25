"""The committed model and its corpus, put together again on this machine.

The corpus is rendered anew, the model is the one whose songs the truth was
measured on, taken from `ground_truth/results`. Another machine's arithmetic gives
latents that differ in the last digits; more than that is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from queries import QuerySet

from common import copy_folder, say
from contrafact.attribution.base import AttributionTask, Queries
from contrafact.attribution.shares import Source
from contrafact.catalog import Workspace
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.core.errors import ConfigError
from contrafact.generators import Generator
from contrafact.workflows.index import encoding_of
from contrafact.workflows.ingest import ingest
from contrafact.workflows.latents import corpus_latents
from contrafact.workflows.models import ModelRecord, find_model, open_model, trained_on
from contrafact.workflows.sources import artist_names

__all__ = ["TRUTH", "World"]

TRUTH = Path(__file__).parents[1] / "ground_truth" / "results"
_MODEL = "ground-truth"
_TOLERANCE = 0.02  # of a latent, whose deviation is about 1; the table keeps 11 bits


class World:
    """A workspace with the committed model, its corpus and the committed queries.

    Args:
        folder: Where workspaces are kept.
        corpus: Name of the truth: that of its corpus, and of the recipe of training
            where that is another than the usual one.

    Raises:
        ConfigError: If there is no ground truth of this corpus, or the corpus that
            this machine renders is another one.
    """

    def __init__(self, folder: Path, corpus: str) -> None:
        torch.set_num_threads(1)
        self.source = TRUTH / corpus
        if not (self.source / "truth.parquet").exists():
            known = ", ".join(
                sorted(p.parent.name for p in TRUTH.glob("*/truth.parquet"))
            )
            raise ConfigError(
                f"There is no ground truth of the corpus {corpus!r}; there is of: "
                f"{known}. Make it with `make ground-truth`."
            )
        facts = json.loads((self.source / "manifest.json").read_text())
        self.workspace = _workspace(
            folder / facts["corpus"], facts["corpus"], len(facts["recordings"])
        )
        self.recipe: str = facts["recipe"]
        name = _MODEL if corpus == facts["corpus"] else f"{_MODEL}-{corpus}"
        model = self.workspace.models_dir / name
        if not model.exists():
            copy_folder(self.source / "model", model)
        self.record: ModelRecord = find_model(self.workspace, name)
        self.generator: Generator = open_model(self.record)
        recordings = trained_on(self.workspace, self.record)
        self.data = corpus_latents(
            self.workspace,
            recordings,
            encoding_of(self.generator),
            max_tokens=self.generator.max_tokens,
            tell=lambda done, total: say("encoding", done, total),
        )
        self.artist = artist_names(self.workspace, recordings)
        self.collection = {r.id: r.group or "" for r in recordings}
        self.queries = QuerySet.load(self.source)
        self.require_same(facts["recordings"])

    @property
    def task(self) -> AttributionTask:
        """What is attributed."""
        return AttributionTask(self.generator, self.data)

    def require_same(self, recordings: Sequence[str]) -> None:
        """Raise unless corpus and committed training queries are the same music."""
        place = {w.recording_id: i for i, w in enumerate(self.data.windows)}
        apart = max(
            float(
                (asked.batch.latents[0] - self.data.latents[place[source]]).abs().max()
            )
            for asked, source in self._training_queries()
        )
        if list(recordings) != list(self.data.recording_ids) or apart > _TOLERANCE:
            raise ConfigError(
                "The corpus rendered here is not the one that the truth was measured "
                f"on: latents differ by up to {apart:.3g}. Install the versions that "
                f"{self.source / 'manifest.json'} names, or make the truth anew."
            )

    def _training_queries(self) -> list[tuple[Queries, str]]:
        rows = self.queries.rows(("training",))
        return [(self.query(row), self.queries.queries[row].source) for row in rows]

    def query(self, row: int) -> Queries:
        """Return one of the committed queries, as long as it is."""
        length = int(self.queries.mask[row].sum())
        part = QuerySet(
            (self.queries.queries[row],),
            self.queries.latents[row : row + 1, :, :length],
            self.queries.mask[row : row + 1, :length],
        )
        return part.asked()

    def asked(self, rows: Sequence[int]) -> Queries:
        """Return several of the committed queries, all as long as the longest."""
        some = list(rows)
        part = QuerySet(
            tuple(self.queries.queries[row] for row in some),
            self.queries.latents[some],
            self.queries.mask[some],
        )
        return part.asked()

    def groups(self, kind: str, names: Sequence[str]) -> list[Source]:
        """Return the sources of a kind, `collection` or `artist`, in this order."""
        owner = {"collection": self.collection, "artist": self.artist}[kind]
        ids = self.data.recording_ids
        return [
            Source(id=n, name=n, parts={r: 1.0 for r in ids if owner[r] == n})
            for n in names
        ]


def _workspace(folder: Path, corpus: str, n_recordings: int) -> Workspace:
    """Return a workspace whose catalog holds the corpus, rendered if need be."""
    workspace = Workspace.init(folder)
    with workspace.catalog() as catalog:
        is_there = len(catalog.recordings()) >= n_recordings
    if not is_there:
        settings = CorpusSettings(n_recordings=n_recordings)
        table = find_corpus(corpus).write(folder / "corpus", settings)
        ingest(workspace, [folder / "corpus"], metadata=table)
    return workspace
