"""The passages of the top recordings, and of the song, that matched most.

A recording of hours has thousands of windows. Where there are many, the stored
features say which windows matter most for the song, and only those are looked
into step by step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from contrafact.attribution.base import Example, Queries
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.gradients import LayerGradients
from contrafact.attribution.passages import (
    best_stretch,
    influence_by_token,
    influence_map,
)
from contrafact.core.results import HeatMap, Passage, SourceShare
from contrafact.core.units import Digest
from contrafact.generators.latents import LatentSet

if TYPE_CHECKING:
    from contrafact.workflows.asked import Asked

__all__ = ["find_passages"]

_PASSAGE_S = 2.5
_SPAN_S = 0.5  # of a heat map
_N_DRAWS = 16
_MOST_PAIRS = 32  # of windows looked into step by step, a recording
_MOST_DIRECTIONS = 8  # held in memory, each as large as the model

_Pair = tuple[int, int]
"""A window of the song and a window of the corpus."""


def find_passages(
    asked: Asked,
    method: IndexEstimator,
    shares: Sequence[SourceShare],
    *,
    artists: Mapping[str, str],
    directory: Path,
    at_most: int = 5,
) -> tuple[tuple[Passage, ...], Mapping[str, float]]:
    """Return, for the most influential recordings, the passages that matched.

    In the song: where its gradient goes with the recording's. In the
    recording: where its gradient goes with the song's.

    Args:
        asked: The song, its model and its corpus.
        method: The index, opened.
        shares: Shares of recordings, in any order.
        artists: Names of the artists, by recording.
        directory: Where the index is.
        at_most: Recordings to find passages of.

    Returns:
        The passages, most influential recording first, and what part of the
        influence of all of them each layer has.
    """
    finder = _Finder(asked, method, directory)
    best = sorted(shares, key=lambda s: -s.influence)[:at_most]
    found = tuple(
        finder.passage(share, artists[share.id])
        for share in best
        if share.influence > 0
    )
    return found, finder.by_layer


class _WindowSet(LatentSet):
    """A corpus whose every window counts as a recording of its own."""

    __slots__ = ("_digest",)
    _digest: Digest

    @classmethod
    def of(cls, data: LatentSet) -> _WindowSet:
        """Return the same corpus, in so far as an index is concerned."""
        windows = (replace(w, recording_id=str(i)) for i, w in enumerate(data.windows))
        apart = cls(tuple(windows), data.latents)
        object.__setattr__(apart, "_digest", data.digest)
        return apart

    @property
    def digest(self) -> Digest:
        """That of the corpus it was made of: the index was built for that."""
        return self._digest


class _Finder:
    """Holds the song's directions while recordings are compared with it."""

    def __init__(self, asked: Asked, method: IndexEstimator, directory: Path) -> None:
        self.asked, self.method, self._directory = asked, method, directory
        self.token_s = 1 / asked.generator.token_rate_hz
        self.length = max(1, round(_PASSAGE_S / self.token_s))
        self._directions: dict[int, LayerGradients] = {}
        self._scores: Tensor | None = None
        self.by_layer: dict[str, float] = {}

    def passage(self, share: SourceShare, artist: str) -> Passage:
        windows = self.asked.data.windows
        rows = [i for i, w in enumerate(windows) if w.recording_id == share.id]
        # The pair of windows in which the recording's stretch matters most.
        found = [(self._in_recording(q, row), q, row) for q, row in self._pairs(rows)]
        (start, end, _), query, row = max(found, key=lambda item: item[0][2])
        at = self._in_query(query, row)
        return Passage(
            recording_id=share.id,
            title=share.name,
            artist=artist,
            query_start_s=(sum(self.asked.lengths[:query]) + at[0]) * self.token_s,
            query_end_s=(sum(self.asked.lengths[:query]) + at[1]) * self.token_s,
            recording_start_s=windows[row].start_s + start * self.token_s,
            recording_end_s=windows[row].start_s + end * self.token_s,
            influence=share.influence,
            heat_map=self._heat_map(query, row),
        )

    def _heat_map(self, query: int, row: int) -> HeatMap:
        """Return influence between spans of a window of the song and one of ours."""
        length = max(1, round(_SPAN_S / self.token_s))
        with self.method.checkpoint():
            found = influence_map(
                self.asked.generator,
                self._example(self.asked.queries.select(query)),
                self._example(self._train(row)),
                draws=self.method.draws(_N_DRAWS),
                natural=self.method.natural,
                n_tokens=length,
            )
        for name, part in found.by_layer.items():
            self.by_layer[name] = self.by_layer.get(name, 0.0) + part
        return HeatMap(
            # Six digits are more than there is to see.
            values=tuple(
                tuple(float(f"{x:.6g}") for x in row) for row in found.values.tolist()
            ),
            query_start_s=sum(self.asked.lengths[:query]) * self.token_s,
            recording_start_s=self.asked.data.windows[row].start_s,
            span_s=length * self.token_s,
        )

    def _pairs(self, rows: Sequence[int]) -> list[_Pair]:
        """Return the pairs to look into: all, or those with the highest scores."""
        pairs = [(q, row) for q in range(len(self.asked.queries)) for row in rows]
        if len(pairs) <= _MOST_PAIRS:
            return pairs
        scores = self._window_scores()
        best = sorted(pairs, key=lambda pair: -float(scores[pair]))
        return sorted(best[:_MOST_PAIRS])

    def _window_scores(self) -> Tensor:
        """Return the score of every window for every window of the song."""
        if self._scores is None:
            apart = replace(self.asked.task, train=_WindowSet.of(self.asked.data))
            index = IndexEstimator(IndexSettings(**self.method.settings))
            opened = index.open(apart, self._directory)
            self._scores = opened.score(self.asked.queries).values
        return self._scores

    def _direction(self, query: int) -> LayerGradients:
        if query not in self._directions:
            if len(self._directions) == _MOST_DIRECTIONS:
                del self._directions[next(iter(self._directions))]
            song = self.asked.queries.select(query)
            self._directions[query] = self.method.direction(song)
        return self._directions[query]

    def _in_recording(self, query: int, row: int) -> tuple[int, int, float]:
        return self._stretch(self._train(row), self._direction(query))

    def _in_query(self, query: int, row: int) -> tuple[int, int, float]:
        direction = self.method.direction(self._train(row))
        return self._stretch(self.asked.queries.select(query), direction)

    def _train(self, row: int) -> Queries:
        caption = self.asked.data.windows[row].caption
        return Queries(self.asked.data.batch([row]), (caption,))

    def _example(self, asked: Queries) -> Example:
        """Return one example without padding, and its conditioning."""
        n_tokens, batch = asked.batch.n_tokens, asked.batch
        trimmed = type(batch)(
            batch.latents[..., : n_tokens[0]], batch.mask[:, : n_tokens[0]]
        )
        return trimmed, self.asked.generator.condition(asked.prompts, n_tokens=n_tokens)

    def _stretch(
        self, example: Queries, direction: LayerGradients
    ) -> tuple[int, int, float]:
        with self.method.checkpoint():
            values = influence_by_token(
                self.asked.generator,
                *self._example(example),
                self.method.draws(_N_DRAWS),
                direction,
            )
        return best_stretch(values, self.length)
