"""Songs, and a catalog whose artists are paid by their shares in them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from asked import features_of
from torch import Tensor
from world import World

from contrafact.attribution.base import Queries, Scores
from contrafact.attribution.estimators._nulls import null_examples
from contrafact.attribution.estimators._solving import panel_scores
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.evaluation import positive_shares
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.shares import (
    ShareSettings,
    Source,
    influence_of_sources,
    shares_of,
)
from contrafact.attribution.solve import FisherSolve
from contrafact.attribution.store import FeatureStore
from contrafact.generators.latents import LatentSet, LatentWindow

__all__ = ["EVERY", "NAMED", "Market"]

EVERY, NAMED = "every positive share", "shares of those who are named"


class _Remembering(Overlap):
    """The same, which does not work out the weights of a source for every song."""

    @cached_property
    def _known(self) -> dict[str, dict[str, float]]:
        return {}

    def shared_weights(self, parts: Mapping[str, float]) -> dict[str, float]:
        """Return what `Overlap` does."""
        name = repr(parts)
        if name not in self._known:
            self._known[name] = super().shared_weights(parts)
        return self._known[name]


class Market:
    """What artists earn by the shares that a catalog gives them in some songs.

    Args:
        world: Model and corpus.
        index: Of the corpus.
        rows: The songs.
        kept: Where features of songs are kept.
    """

    def __init__(
        self, world: World, index: IndexEstimator, rows: list[int], kept: Path
    ) -> None:
        self.world, self._settings = world, IndexSettings()
        self.ids = list(world.data.recording_ids)
        store = index.store
        self.rows = store.read(slice(0, store.n_windows))
        self.songs = features_of(index, [world.query(r) for r in rows], kept)
        nulls = [
            Queries(batch, ("",))
            for batch, _ in null_examples(world.task, self._settings.n_null)
        ]
        self._nulls = features_of(index, nulls, kept)
        self._error = ShareError.of(index.name, index.settings, "artist")

    def scores(
        self, extra: Tensor | None = None, same_sound: Mapping[str, str] | None = None
    ) -> Scores:
        """Return scores of the songs, with some recordings added to the catalog.

        The Fisher matrix, the recordings that stand for other songs and the sounds
        without a source are met anew. What is added is called `added-0` and so on.
        """
        rows = self.rows if extra is None else torch.cat([self.rows, extra])
        train = self._train(len(rows) - len(self.ids))
        with tempfile.TemporaryDirectory() as folder:
            store = _stored(rows, Path(folder))
            solve = FisherSolve.of(store, ridge=self._settings.ridge)
            products = solve.products(self.songs)[:, None] / len(rows)
            null = solve.products(self._nulls).mean(1) / len(rows)
            panel = panel_scores(store, solve, train, self._settings.n_panel)
            counts = torch.ones(len(rows), dtype=torch.long)
            hat = solve.hat(torch.arange(len(rows)), counts)
        ids, trust = train.recording_ids, self._settings.overlap
        overlap = _Remembering(ids, hat, counts, trust, same_sound or {})
        return Scores(
            values=products.mean((1, 2)), recording_ids=ids, replicates=products,
            panel=panel, overlap=overlap, null=null,
        )  # fmt: skip

    def of(self, artist: str) -> list[int]:
        """Return the places of an artist's recordings."""
        return [i for i, r in enumerate(self.ids) if self.world.artist[r] == artist]

    def incomes(
        self, scores: Scores, artist: str, *, names: int = 1
    ) -> dict[str, float]:
        """Return what part of all songs' money an artist gets, by the rule of pay.

        Args:
            scores: What is added to the catalog is the artist's.
            artist: Who.
            names: Under how many names.
        """
        groups = self._groups(scores, artist, names)
        own = {group.id for group in groups[-names:]}
        every = positive_shares(influence_of_sources(scores, groups))
        settings, named = ShareSettings(error=self._error), 0.0
        for song in range(len(self.songs)):
            rows, _ = shares_of(scores, groups, query=song, settings=settings)
            named += sum(row.share for row in rows if row.id in own)
        paid = float(every[:, -names:].sum(1).mean())
        return {EVERY: paid, NAMED: named / len(self.songs)}

    def _train(self, n_added: int) -> LatentSet:
        """Return what an index of the catalog would be of."""
        data = self.world.data
        added = [
            LatentWindow(recording_id=f"added-{i}", start_s=0.0) for i in range(n_added)
        ]
        latents = (*data.latents, *([data.latents[0]] * n_added))
        return LatentSet((*data.windows, *added), latents)

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


def _stored(rows: Tensor, folder: Path) -> FeatureStore:
    """Return features as an index stores them."""
    store = FeatureStore(
        directory=folder,
        n_windows=len(rows),
        n_sets=rows.shape[1],
        n_features=rows.shape[2],
    )
    store.create()
    for shard in store.pending():
        part = store.rows(shard)
        store.write(shard, rows[part[0] : part[-1] + 1])
    return store
