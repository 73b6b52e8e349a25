"""The recordings that the matching benchmarks are about.

Rendered ones: works of the `scores` corpus, up to 45 s each instead of its 8 to
10, played by its artists with its one soundfont, so that timbre never tells two
recordings apart. A work may be performed again at another tempo, with another
touch and other timing, by the same ensemble or another: the hardest negatives.
Real ones: every audio file below a folder.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from contrafact.catalog.audio import read_audio
from contrafact.catalog.corpora._notation import NotationError, Note
from contrafact.catalog.corpora._passages import Passage
from contrafact.catalog.corpora._performances import perform, plan_performance
from contrafact.catalog.corpora._repertoire import REPERTOIRE, Ensemble, Pool
from contrafact.catalog.corpora._works import find_music21_corpus, find_works
from contrafact.core.errors import AudioError

__all__ = ["RATE", "Piece", "read_piece", "real_pieces", "rendered_pieces"]

RATE = 16_000
Samples = NDArray[np.float32]
_LONGEST_S, _SHORTEST_S = 45.0, 20.0
_RUN = 8
_SUFFIXES = {".opus", ".ogg", ".flac", ".mp3", ".wav", ".m4a"}


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One recording, as a FLAC file at `RATE`.

    Attributes:
        work: What performances of one work, or copies of one recording, share.
        take: 0, or 1 and more for further performances of the work.
    """

    id: str
    path: Path
    work: str
    take: int = 0


def read_piece(piece: Piece) -> Samples:
    """Return the whole recording at `RATE`, `(time,)`."""
    samples, rate = soundfile.read(piece.path, dtype="float32")
    assert rate == RATE
    return np.asarray(samples, np.float32)


def rendered_pieces(folder: Path, *, n_works: int) -> list[Piece]:
    """Render works, or find them rendered already, pools of the corpus in turn.

    Every work is performed once (take 0); every second work again with other
    timing by the same ensemble (take 1), every fourth also by another ensemble,
    with other timing (take 2) and with the very same timing (take 3).

    Args:
        folder: Where the files are kept.
        n_works: How many works.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces = []
    titles: list[tuple[set[tuple[int, ...]], str]] = []
    for number, (pool, passage) in enumerate(itertools.islice(_works(), n_works)):
        # Collections give some tunes twice, under different titles.
        runs = _runs(passage)
        work = next((w for r, w in titles if _is_one_tune(r, runs)), passage.work)
        titles.append((runs, work))
        for take in (0, 1, 2, 3)[: (1, 2, 1, 4)[number % 4]]:
            name = f"{_short(passage.work)}-{take}"
            path = folder / f"{name}.flac"
            if not path.exists():
                ensemble = _ensemble(pool, number, take)
                taken = _another_take(passage, take) if take in (1, 2) else passage
                _render(path, pool, ensemble, replace(taken, seed=taken.seed + take))
            pieces.append(Piece(id=name, path=path, work=work, take=take))
    return pieces


def _runs(passage: Passage) -> set[tuple[int, ...]]:
    """Return all runs of eight intervals of a part, the same in any key."""
    parts: dict[int, list[int]] = {}
    for note in passage.notes:
        parts.setdefault(note.part, []).append(note.pitch)
    found = set()
    for pitches in parts.values():
        steps = [b - a for a, b in itertools.pairwise(pitches)]
        found |= {tuple(steps[i : i + _RUN]) for i in range(len(steps) - _RUN + 1)}
    return {run for run in found if len(set(run)) > 2}  # no scale, no trill


def _is_one_tune(one: set[tuple[int, ...]], other: set[tuple[int, ...]]) -> bool:
    """Tell whether most runs are common; of other tunes a quarter at most is."""
    return len(one & other) > 0.5 * min(len(one), len(other))


def _ensemble(pool: Pool, number: int, take: int) -> Ensemble:
    if take < 2:
        return pool.ensembles[number % len(pool.ensembles)]
    others = [e for p in REPERTOIRE for e in p.ensembles if p is not pool]
    return others[(number + take) % len(others)]


def real_pieces(audio: Path, folder: Path) -> list[Piece]:
    """Return all audio files below `audio`, decoded once to `folder`.

    Files whose `MANIFEST.csv` gives them one title and collection, or the same
    stem, count as copies of one recording.
    """
    folder.mkdir(parents=True, exist_ok=True)
    titles = _titles(audio)
    pieces = []
    for path in sorted(p for p in audio.rglob("*") if p.suffix.lower() in _SUFFIXES):
        relative = path.relative_to(audio).as_posix()
        kept = folder / f"{_short(relative)}.flac"
        if not kept.exists():
            try:
                sound = read_audio(path, sample_rate=RATE)
            except AudioError:
                continue
            soundfile.write(kept, np.clip(sound.samples[0], -1, 1), RATE)
        work = titles.get(relative) or f"{path.parent}/{path.stem}"
        pieces.append(Piece(id=_short(relative), path=kept, work=work))
    return pieces


def _titles(audio: Path) -> dict[str, str]:
    table = audio / "MANIFEST.csv"
    if not table.exists():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        return {
            row["file"]: row.get("group_id") or f"{row['collection']}/{row['title']}"
            for row in csv.DictReader(file)
        }


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _works() -> Iterator[tuple[Pool, Passage]]:
    """Yield works with the passage to be played, pools in turn."""
    corpus = find_music21_corpus()
    queues = [_passages(corpus, pool) for pool in REPERTOIRE]
    while queues:
        for queue in list(queues):
            found = next(queue, None)
            if found is None:
                queues.remove(queue)
            else:
                yield found


def _passages(corpus: Path, pool: Pool) -> Iterator[tuple[Pool, Passage]]:
    works = find_works(corpus, pool)
    rng = np.random.default_rng([7, *f"{pool.group}/{pool.form}".encode()])
    for i in rng.permutation(len(works)):
        try:
            score = works[i].read()
        except NotationError:
            continue
        if not pool.n_parts[0] <= score.n_parts <= pool.n_parts[1]:
            continue
        quarter_s = 60 / (pool.tempo * rng.uniform(0.93, 1.07))
        notes = tuple(
            Note(n.start * quarter_s, n.length * quarter_s, n.pitch, n.part)
            for n in score.notes
            if n.start * quarter_s < _LONGEST_S - 1
        )
        if len(notes) < 40:
            continue
        end_s = min(_LONGEST_S, max(n.start + n.length for n in notes) + 1)
        if end_s >= _SHORTEST_S:
            yield pool, _passage(works[i].title, notes, end_s, int(rng.integers(2**31)))


def _passage(work: str, notes: tuple[Note, ...], end_s: float, seed: int) -> Passage:
    return Passage(
        work=work,
        notes=notes,
        bars=(1, 1),
        duration_s=end_s,
        key=(0, False),
        metre=(4, 4),
        seed=seed,
    )


def _another_take(passage: Passage, take: int) -> Passage:
    """Return the same notes at another tempo, the timing breathing."""
    rng = np.random.default_rng([passage.seed, take])
    tempo = 1 + 0.01 * rng.choice([-1, 1]) * rng.uniform(1, 7)
    wave_s, depth_s = rng.uniform(4, 9), rng.uniform(0.04, 0.12)
    phase = rng.uniform(0, 2 * np.pi)

    def when(at_s: float) -> float:
        breath = depth_s * np.sin(2 * np.pi * at_s / wave_s + phase)
        return float(max(0.0, at_s * tempo + breath + depth_s))

    notes = []
    for note in passage.notes:
        start = max(0.0, when(note.start) + rng.normal(0, 0.012))
        end = max(start + 0.05, when(note.start + note.length))
        notes.append(Note(start, end - start, note.pitch, note.part))
    end_s = max(n.start + n.length for n in notes) + 1
    return replace(passage, notes=tuple(notes), duration_s=end_s)


def _render(path: Path, pool: Pool, ensemble: Ensemble, passage: Passage) -> None:
    samples = perform(plan_performance(pool, ensemble, passage))
    soundfile.write(path, np.clip(samples, -1, 1), RATE)
