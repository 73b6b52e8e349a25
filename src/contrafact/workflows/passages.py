"""The passages of the top recordings, and of the song, that matched most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from contrafact.attribution.base import Queries
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.attribution.gradients import LayerGradients
from contrafact.attribution.passages import best_stretch, influence_by_token
from contrafact.core.results import Passage, SourceShare

if TYPE_CHECKING:
    from contrafact.workflows.attribute import Asked

__all__ = ["find_passages"]

_PASSAGE_S = 2.5
_N_DRAWS = 16


def find_passages(
    asked: Asked,
    method: IndexEstimator,
    shares: Sequence[SourceShare],
    artists: Mapping[str, str],
    *,
    at_most: int = 5,
) -> tuple[Passage, ...]:
    """Return, for the most influential recordings, the passages that matched.

    In the song: where its gradient goes with the recording's. In the
    recording: where its gradient goes with the song's.
    """
    finder = _Finder(asked, method)
    best = sorted(shares, key=lambda s: -s.influence)[:at_most]
    return tuple(
        finder.passage(share, artists[share.id])
        for share in best
        if share.influence > 0
    )


class _Finder:
    """Holds the song's direction while recordings are compared with it."""

    def __init__(self, asked: Asked, method: IndexEstimator) -> None:
        self.asked, self.method = asked, method
        self.token_s = 1 / asked.generator.token_rate_hz
        self.length = max(1, round(_PASSAGE_S / self.token_s))
        self.directions = [
            method.direction(asked.queries.select(i)) for i in range(len(asked.queries))
        ]

    def passage(self, share: SourceShare, artist: str) -> Passage:
        windows = self.asked.data.windows
        rows = [i for i, w in enumerate(windows) if w.recording_id == share.id]
        pairs = [(q, row) for q in range(len(self.directions)) for row in rows]
        # The pair of windows in which the recording's stretch matters most.
        found = [(self._in_recording(q, row), q, row) for q, row in pairs]
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
        )

    def _in_recording(self, query: int, row: int) -> tuple[int, int, float]:
        train = self._train(row)
        return self._stretch(train, self.directions[query])

    def _in_query(self, query: int, row: int) -> tuple[int, int, float]:
        direction = self.method.direction(self._train(row))
        return self._stretch(self.asked.queries.select(query), direction)

    def _train(self, row: int) -> Queries:
        caption = self.asked.data.windows[row].caption
        return Queries(self.asked.data.batch([row]), (caption,))

    def _stretch(
        self, example: Queries, direction: LayerGradients
    ) -> tuple[int, int, float]:
        n_tokens = example.batch.n_tokens
        batch = example.batch
        trimmed = type(batch)(
            batch.latents[..., : n_tokens[0]], batch.mask[:, : n_tokens[0]]
        )
        said = self.asked.generator.condition(example.prompts, n_tokens=n_tokens)
        with self.method.checkpoint():
            values = influence_by_token(
                self.asked.generator,
                trimmed,
                said,
                self.method.draws(_N_DRAWS),
                direction,
            )
        return best_stretch(values, self.length)
