"""Corpora: music that contrafact can make, to train on and to measure with.

A corpus is listed in `CORPORA`; a package from outside adds its own under the
entry point group `contrafact.corpora`, as an object of the protocol `Corpus`.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import cast

from contrafact.catalog.corpora.base import Corpus, CorpusSettings, Progress
from contrafact.catalog.corpora.planted import PlantedCorpus
from contrafact.catalog.corpora.scores import ScoresCorpus
from contrafact.core.errors import CorpusError

__all__ = [
    "CORPORA",
    "ENTRY_POINT_GROUP",
    "Corpus",
    "CorpusSettings",
    "Progress",
    "find_corpus",
]

ENTRY_POINT_GROUP = "contrafact.corpora"

CORPORA: dict[str, Corpus] = {"scores": ScoresCorpus(), "planted": PlantedCorpus()}
"""The corpora that contrafact brings, by name."""


def find_corpus(name: str) -> Corpus:
    """Return the corpus of this name, from `CORPORA` or from outside.

    Raises:
        CorpusError: If there is none.

    Example:
        >>> find_corpus("scores").name
        'scores'
    """
    if name in CORPORA:
        return CORPORA[name]
    outside = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if name in outside:
        return cast(Corpus, outside[name].load())
    known = ", ".join(sorted({*CORPORA, *outside}))
    raise CorpusError(f"There is no corpus {name!r}. Known corpora: {known}.")
