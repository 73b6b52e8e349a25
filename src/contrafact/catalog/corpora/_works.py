"""Finds the works of a pool in the music21 corpus, each under one title.

The corpus is located without importing music21. Reading a work's notes is put
off until somebody asks.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contrafact.catalog.corpora._abc import AbcTune, read_tune, split_tunes
from contrafact.catalog.corpora._musicxml import read_musicxml
from contrafact.catalog.corpora._notation import Score
from contrafact.catalog.corpora._repertoire import Pool
from contrafact.core.errors import CorpusError

__all__ = ["WrittenWork", "find_music21_corpus", "find_works", "tune_title"]

_SPELT = (("opus", "op. "), ("no", " no. "), ("/movement", ", movement "))


@dataclass(frozen=True, slots=True)
class WrittenWork:
    """A work that may be read: its title with its source, and where it is."""

    title: str
    origin: Path | AbcTune

    def read(self) -> Score:
        """Return its score.

        Raises:
            NotationError: If it cannot be read or its edition reserves rights.
        """
        if isinstance(self.origin, AbcTune):
            return read_tune(self.origin)
        return read_musicxml(self.origin)


def find_music21_corpus() -> Path:
    """Return the folder of the corpus that music21 carries, without importing it.

    Raises:
        CorpusError: If music21 is missing.
    """
    spec = importlib.util.find_spec("music21")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / "corpus").is_dir():
            return path
    raise CorpusError("The works come with music21: pip install music21")


def find_works(corpus: Path, pool: Pool) -> list[WrittenWork]:
    """Return the pool's works, each title once, in the order of the files.

    A tune book often gives several settings of a tune; only the first is taken,
    so that no work is found under two titles in training and held out.
    """
    works: dict[str, WrittenWork] = {}
    for path in sorted(corpus.glob(pool.paths)):
        found = _tunes(path, pool) if path.suffix == ".abc" else _piece(path, pool)
        for work in found:
            works.setdefault(work.title.casefold(), work)
    return list(works.values())


def _piece(path: Path, pool: Pool) -> Iterator[WrittenWork]:
    if match := re.search(pool.pattern, path.as_posix()):
        groups = [_spelt(group or "") for group in match.groups()]
        yield WrittenWork(f"{pool.title.format(*groups)} ({pool.source})", path)


def _spelt(group: str) -> str:
    """Return a part of a path as a title has it: 'opus18' as 'op. 18'."""
    for raw, spelt in _SPELT:
        group = group.replace(raw, spelt)
    return group


def _tunes(path: Path, pool: Pool) -> Iterator[WrittenWork]:
    for tune in split_tunes(path.read_text(encoding="utf-8", errors="replace")):
        raw = tune.first("T")
        form = tune.first("R") or raw
        if raw and re.search(pool.pattern, form, re.IGNORECASE):
            yield WrittenWork(f"{tune_title(raw)} ({pool.title})", tune)


def tune_title(raw: str) -> str:
    """Return a tune's title in title case, its article first, its form left out.

    Example:
        >>> tune_title("KERRY COBBLER, THE -- JIG.")
        'The Kerry Cobbler'
        >>> tune_title("T:Paddy O'carrol's - Jig")
        "Paddy O'Carrol's"
    """
    text = re.sub(r"^T:\s*|\s+--?\s.*$|;", "", raw).strip(" .")
    if match := re.fullmatch(r"(.*), (The|A|An|Da)", text, re.IGNORECASE):
        text = f"{match[2]} {match[1]}"
    text = " ".join(word.capitalize() for word in text.split())
    return re.sub(r"\b(O'|Mc)([a-z])", lambda m: m[1] + m[2].upper(), text)
