"""The `scores` corpus: public-domain works, played by a General MIDI soundfont.

This module decides how many recordings each artist has; what the works are,
how they are cut and how they sound belongs in the private modules beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contrafact.catalog.corpora._passages import Passage, Passages, draw_passages
from contrafact.catalog.corpora._performances import (
    Performance,
    perform,
    plan_performance,
)
from contrafact.catalog.corpora._repertoire import REPERTOIRE
from contrafact.catalog.corpora._synth import find_soundfont
from contrafact.catalog.corpora._works import find_music21_corpus
from contrafact.catalog.corpora._writing import write_corpus
from contrafact.catalog.corpora.base import CorpusSettings, Progress
from contrafact.core.errors import CorpusError
from contrafact.core.parallel import map_in_order

__all__ = ["ScoresCorpus"]

# Of an even part, in per cent, asked of each artist at first.
_MARGIN = 115
_ARTISTS = [(pool, ensemble) for pool in REPERTOIRE for ensemble in pool.ensembles]


class ScoresCorpus:
    """Real works in nine collections, played by 24 artists."""

    name = "scores"

    def write(
        self,
        directory: Path,
        settings: CorpusSettings,
        *,
        progress: Progress | None = None,
    ) -> Path:
        """Write the corpus; see `Corpus.write`.

        Every artist has nearly the same number of recordings; one that runs out
        of passages leaves its part to the others. Held-out recordings are of
        works that no recording for training comes from.

        Raises:
            CorpusError: Also if fewer recordings are asked for than there are
                artists, or more than the works give.
            StorageError: If the disk is full or not writable.
        """
        find_soundfont()
        train, heldout = _plan(find_music21_corpus(), settings)
        write_corpus(
            {directory: train, directory / "heldout": heldout},
            perform,
            n_workers=settings.n_workers,
            progress=progress,
        )
        return directory / "metadata.csv"


@dataclass(frozen=True, slots=True)
class _Request:
    """What a process is asked to draw from one pool of the repertoire."""

    corpus: Path
    pool: int
    n_train: int
    n_heldout: int
    seed: int


def _plan(
    corpus: Path, settings: CorpusSettings
) -> tuple[list[Performance], list[Performance]]:
    """Return the performances for training, and the held-out ones.

    Each artist is asked for somewhat more than an even part, since others may
    have less; if that does not do, for twice as much, until nobody has more.
    """
    settings.require_artists(len(_ARTISTS))
    wanted = settings.n_recordings, settings.n_heldout
    n_each = [-(-_MARGIN * n // (100 * len(_ARTISTS))) for n in wanted]
    while True:
        drawn = _draw(corpus, n_each, settings)
        if all(map(_is_settled, drawn, wanted, n_each)):
            break
        n_each = [2 * n for n in n_each]
    train = _share_out(drawn[0], wanted[0], "recordings")
    return train, _share_out(drawn[1], wanted[1], "held-out recordings")


def _is_settled(drawn: Passages, n_wanted: int, n_each: int) -> bool:
    """Tell whether there is enough, or no artist has any more."""
    sizes = [len(passages) for passages in drawn]
    return sum(sizes) >= n_wanted or max(sizes) < n_each


def _draw(
    corpus: Path, n_each: list[int], settings: CorpusSettings
) -> tuple[Passages, Passages]:
    """Return the passages of all artists, a list for each."""
    # The scores of the last pools take longest to read, so they come first.
    order = range(len(REPERTOIRE))[::-1]
    requests = [_Request(corpus, i, n_each[0], n_each[1], settings.seed) for i in order]
    results = list(map_in_order(_draw_pool, requests, settings.n_workers))[::-1]
    train = [passages for result, _ in results for passages in result]
    return train, [passages for _, result in results for passages in result]


def _draw_pool(request: _Request) -> tuple[Passages, Passages]:
    return draw_passages(
        request.corpus,
        REPERTOIRE[request.pool],
        n_train=request.n_train,
        n_heldout=request.n_heldout,
        seed=request.seed,
    )


def _share_out(drawn: Passages, total: int, what: str) -> list[Performance]:
    """Take passages from all artists in turn until there are `total`."""
    limit = sum(map(len, drawn))
    if total > limit:
        raise CorpusError(
            f"The works give {limit} {what}, not {total}. Ask for {limit} at most."
        )
    turns = sorted(
        (turn, artist)
        for artist, passages in enumerate(drawn)
        for turn in range(len(passages))
    )
    chosen = sorted((artist, turn) for turn, artist in turns[:total])
    return [_performance(i, drawn[i][turn]) for i, turn in chosen]


def _performance(artist: int, passage: Passage) -> Performance:
    pool, ensemble = _ARTISTS[artist]
    return plan_performance(pool, ensemble, passage)
