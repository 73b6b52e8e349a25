"""What is asked of every model: songs, held-out recordings, training recordings.

Made once from the model trained on everything, and kept beside the results:
another machine's arithmetic may give other songs, and truth measured on one
song says nothing of another.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from common import Bench
from contrafact.attribution.base import Queries
from contrafact.catalog.atomic import write_bytes
from contrafact.generators import LatentBatch

__all__ = ["KINDS", "Query", "QuerySet", "make_queries"]

KINDS = ("named", "unnamed", "heldout", "training")
"""Songs whose prompt names the source; songs whose prompt does not; recordings of
works never trained on; recordings trained on."""

N_SONGS, N_HELDOUT, N_TRAINING = 30, 30, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query.

    Attributes:
        kind: One of `KINDS`.
        prompt: What the model is told.
        source: The training recording whose caption the prompt is, or that it
            is; "" if none.
    """

    kind: str
    prompt: str
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class QuerySet:
    """All queries of a corpus, with their latents `(n_query, channel, time)`."""

    queries: tuple[Query, ...]
    latents: torch.Tensor
    mask: torch.Tensor

    def asked(self, kinds: tuple[str, ...] = KINDS) -> Queries:
        """Return the queries of some kinds, as estimators take them."""
        rows = self.rows(kinds)
        batch = LatentBatch(self.latents[rows], self.mask[rows])
        return Queries(batch, tuple(self.queries[r].prompt for r in rows))

    def rows(self, kinds: tuple[str, ...] = KINDS) -> list[int]:
        """Return where the queries of some kinds stand."""
        return [i for i, q in enumerate(self.queries) if q.kind in kinds]

    def save(self, folder: Path) -> None:
        """Write `queries.json` and `queries.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [asdict(q) for q in self.queries]
        tensors = {"latents": self.latents.half(), "mask": self.mask.byte()}
        write_bytes(folder / "queries.safetensors", save(tensors))
        # Last: with it, the queries are made.
        text = json.dumps(rows, indent=1) + "\n"
        write_bytes(folder / "queries.json", text.encode())

    @classmethod
    def load(cls, folder: Path) -> QuerySet:
        """Read what `save` wrote."""
        rows = json.loads((folder / "queries.json").read_text())
        tensors = load_file(folder / "queries.safetensors")
        queries = tuple(Query(**row) for row in rows)
        return cls(queries, tensors["latents"].float(), tensors["mask"].bool())


def make_queries(bench: Bench, folder: Path) -> QuerySet:
    """Make all queries of a corpus, or read those that were made."""
    if (folder / "queries.json").exists():
        return QuerySet.load(folder)
    sources = bench.prompts(N_SONGS, seed=21)
    queries: list[Query] = []
    latents: list[torch.Tensor] = []
    said: dict[str, Callable[[int], str]] = {
        "named": lambda i: sources[i].caption or "",
        "unnamed": lambda i: sources[i].caption_anonymous or "",
    }
    for seed, (kind, caption) in enumerate(said.items()):
        prompts = [caption(i) for i in range(N_SONGS)]
        songs = bench.songs(prompts, seed=201 + seed)
        latents += list(songs.batch.latents)
        queries += [
            Query(kind=kind, prompt=p, source=r.id)
            for p, r in zip(prompts, sources, strict=True)
        ]
    for prompt, row in bench.heldout(N_HELDOUT):
        queries.append(Query(kind="heldout", prompt=prompt, source=""))
        latents.append(row)
    for row in range(0, len(bench.data), len(bench.data) // N_TRAINING)[:N_TRAINING]:
        window = bench.data.windows[row]
        said_of = window.caption
        queries.append(
            Query(kind="training", prompt=said_of, source=window.recording_id)
        )
        latents.append(bench.data.latents[row])
    found = QuerySet(tuple(queries), *_padded(latents))
    found.save(folder)
    return QuerySet.load(folder)


def _padded(latents: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(row.shape[1] for row in latents)
    padded = torch.zeros(len(latents), latents[0].shape[0], longest)
    mask = torch.zeros(len(latents), longest, dtype=torch.bool)
    for i, row in enumerate(latents):
        padded[i, :, : row.shape[1]] = row
        mask[i, : row.shape[1]] = True
    return padded, mask
