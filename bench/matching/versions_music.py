"""The music of the version benchmark: written works, and renderings of them.

A rendering keeps the work and changes what performers change: instruments, key,
tempo and its rubato, timing, ornaments, voices left out, chords broken or
thinned, octaves. Everything is drawn from the seed of work and rendering.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.corpora._musicxml import read_musicxml
from contrafact.catalog.corpora._notation import NotationError
from contrafact.catalog.corpora._synth import N_CHANNELS, PlayedNote, play
from contrafact.catalog.corpora._works import find_music21_corpus
from contrafact.catalog.corpora._writing import finish

__all__ = ["Piece", "arrange", "read_midi", "render", "works_of"]

PASSAGE_S = 44.0  # of a work, at its own tempo
FAMILIES = (
    (0, 0, 0, 0),  # grand piano
    (40, 41, 42, 43),  # strings
    (73, 71, 68, 70),  # woodwind
    (56, 60, 57, 58),  # brass
    (24, 25, 24, 32),  # guitars
    (19, 19, 19, 19),  # church organ
    (11, 12, 46, 8),  # mallets and harp
    (4, 5, 88, 38),  # electric pianos, pad, synthetic bass
    (52, 53, 52, 52),  # voices
    (6, 6, 6, 6),  # harpsichord
)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A written work in seconds at its own tempo: rows start, end, pitch, part."""

    title: str
    rows: NDArray[np.float64]


def works_of(audio: Path | None) -> list[Piece]:
    """Return passages of works with at least two voices, in an order of their own.

    From the music21 corpus, and from the scores of the folder `audio` if there is
    one. A work gives one passage, and movements of a cycle are works.
    """
    sources: list[Iterator[Piece]] = [_music21()]
    if audio is not None:
        sources += [_lieder(audio), _midi(audio / "freedoom_midi")]
    return [piece for source in sources for piece in source]


def _music21() -> Iterator[Piece]:
    corpus = find_music21_corpus()
    for folder, step in (
        ("bach", 6), ("monteverdi", 4), ("haydn", 2), ("mozart", 2), ("beethoven", 3),
        ("trecento", 8), ("schumann_robert", 1), ("schubert", 1), ("joplin", 1),
        ("corelli", 1), ("weber", 1), ("palestrina", 40),
    ):  # fmt: skip
        paths = sorted(p for p in (corpus / folder).rglob("*.mxl"))[::step]
        yield from _scores(paths)


def _lieder(audio: Path) -> Iterator[Piece]:
    yield from _scores(sorted((audio / "openscore_lieder").glob("*.mxl")))


def _scores(paths: list[Path]) -> Iterator[Piece]:
    for path in paths:
        try:
            score = read_musicxml(path)
        except NotationError:
            continue
        bpm = score.tempos[0][1] if score.tempos else 96.0
        beat = 60 / float(np.clip(bpm, 60, 140))
        rows = np.array([(n.start, n.start + n.length, n.pitch, n.part)
                         for n in score.notes])  # fmt: skip
        rows[:, :2] *= beat
        yield from _passage(f"{path.parent.name}/{path.stem}", rows)


def _midi(folder: Path) -> Iterator[Piece]:
    for path in sorted(folder.glob("*.mid")):
        yield from _passage(f"{folder.name}/{path.stem}", read_midi(path))


def read_midi(path: Path) -> NDArray[np.float64]:
    """Return the notes of a MIDI file as rows start, end, pitch, part; no drums."""
    import pretty_midi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        midi = pretty_midi.PrettyMIDI(str(path))
    instruments = [i for i in midi.instruments if not i.is_drum and i.notes]
    rows = [(n.start, n.end, n.pitch, part)
            for part, i in enumerate(instruments) for n in i.notes]  # fmt: skip
    return np.array(sorted(rows), np.float64).reshape(-1, 4)


def _passage(title: str, rows: NDArray[np.float64]) -> Iterator[Piece]:
    """Yield the passage of a work, if there is enough music in it.

    It begins where a few seconds of an introduction would be over.
    """
    if not len(rows):
        return
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    length = rows[:, 1].max()
    start = rows[0, 0] + max(0.0, min(8.0, length - PASSAGE_S - 1))
    rows = rows[(rows[:, 0] >= start) & (rows[:, 0] < start + PASSAGE_S)]
    if not len(rows):
        return
    rows = rows - np.array([start, start, 0, 0])
    n_onsets = len(np.unique(rows[:, 0].round(2)))
    sounding = (rows[:, 1] - rows[:, 0]).sum() / PASSAGE_S
    if rows[-1, 0] > 0.6 * PASSAGE_S and n_onsets > 40 and sounding > 1.5:
        yield Piece(title, rows)


def arrange(piece: Piece, rng: np.random.Generator, change: int) -> Piece:
    """Return another performance: 0 as written, 1 freely, 2 more freely.

    The first has only another key and the timing of a player.
    """
    rows = piece.rows.copy()
    if change >= 1:
        rows = _thinned(rows, rng, keep=0.75 if change == 1 else 0.5)
        rows = _ornamented(rows, rng, rate=0.1 * change)
    if change == 2:
        rows = _broken(rows, rng)
        rows = _octaves(rows, rng)
    rows[:, 2] += rng.integers(-5, 7)
    factor = np.exp(rng.uniform(-0.28, 0.28)) if change else 1.0
    rows[:, :2] = _rubato(rows[:, :2] * factor, rng, depth=0.06 * change)
    rows[:, :2] += rng.normal(0, 0.012, (len(rows), 1))
    rows[:, :2] = np.maximum(rows[:, :2], 0)
    rows[:, 1] = np.maximum(rows[:, 1], rows[:, 0] + 0.05)
    return Piece(piece.title, rows[np.argsort(rows[:, 0], kind="stable")])


def top_and_bottom(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 1 for notes highest at their onset, -1 for lowest, 0 for others."""
    role = np.zeros(len(rows), np.int64)
    for i, (start, _, pitch, _) in enumerate(rows):
        sounding = (rows[:, 0] <= start + 0.03) & (rows[:, 1] > start + 0.03)
        pitches = rows[sounding, 2]
        if len(pitches):
            role[i] = 1 if pitch >= pitches.max() else -int(pitch <= pitches.min())
    return role


def _thinned(
    rows: NDArray[np.float64], rng: np.random.Generator, *, keep: float
) -> NDArray[np.float64]:
    """Leave out inner notes, a part as a whole with one chance in two."""
    role = top_and_bottom(rows)
    parts = np.unique(rows[:, 3])
    inner = [p for p in parts if np.mean(role[rows[:, 3] == p] == 0) > 0.6]
    dropped = rng.choice(inner) if inner and rng.random() < 0.5 else -1
    stays = (role != 0) | (rng.random(len(rows)) < keep)
    return rows[stays & ~((rows[:, 3] == dropped) & (role == 0))]


def _ornamented(
    rows: NDArray[np.float64], rng: np.random.Generator, *, rate: float
) -> NDArray[np.float64]:
    """Add mordents and grace notes to some of the long upper notes."""
    added = []
    role = top_and_bottom(rows)
    for i in np.flatnonzero((role == 1) & (rows[:, 1] - rows[:, 0] > 0.3)):
        if rng.random() >= rate:
            continue
        start, end, pitch, part = rows[i]
        step = rng.choice([1, 2, -1, -2])
        if rng.random() < 0.5:
            added.append((max(start - 0.09, 0), start, pitch + step, part))
        else:
            added.append((start + 0.1, start + 0.2, pitch + step, part))
            added.append((start + 0.2, end, pitch, part))
            rows[i, 1] = start + 0.1
    return np.concatenate([rows, np.array(added).reshape(-1, 4)])


def _broken(rows: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Break chords upwards, each note some hundredths after the one below."""
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    gap = rng.uniform(0.03, 0.07)
    chord = np.cumsum(np.diff(rows[:, 0], prepend=rows[0, 0]) > 0.02)
    rows = rows[np.lexsort((rows[:, 2], chord))]
    chord.sort()
    place = np.arange(len(rows)) - np.searchsorted(chord, chord)
    delayed = rows[:, 0] + gap * np.minimum(place, 3)
    rows[:, 0] = np.maximum(rows[:, 0], np.minimum(delayed, rows[:, 1] - 0.05))
    return rows


def _octaves(
    rows: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Move the lowest notes, or all but the highest, by an octave."""
    role = top_and_bottom(rows)
    moved = role == -1 if rng.random() < 0.5 else role != 1
    rows[moved, 2] += 12 if np.median(rows[:, 2]) < 58 else -12
    rows[:, 2] = np.clip(rows[:, 2], 28, 100)
    return rows


def _rubato(
    times: NDArray[np.float64], rng: np.random.Generator, *, depth: float
) -> NDArray[np.float64]:
    """Let the tempo swing by `depth` about itself, with two periods."""
    warped = times.copy()
    for period in rng.uniform((5, 14), (9, 30)):
        phase = rng.uniform(0, 2 * np.pi)
        swing = depth * period / (2 * np.pi)
        warped += swing * (np.sin(2 * np.pi * times / period + phase) - np.sin(phase))
    return np.maximum(warped, 0)


def render(
    piece: Piece, rng: np.random.Generator, *, duration_s: float, family: int
) -> NDArray[np.float32]:
    """Return the audio of a piece on the instruments of a family."""
    parts = {part: i for i, part in enumerate(np.unique(piece.rows[:, 3]))}
    order = rng.permutation(4) if rng.random() < 0.3 else np.arange(4)
    programs = [FAMILIES[family][order[i % 4]] for i in range(N_CHANNELS)]
    notes = [
        PlayedNote(start, end, int(np.clip(pitch, 24, 103)),
                   parts[part] % N_CHANNELS, int(rng.integers(76, 104)))
        for start, end, pitch, part in piece.rows
    ]  # fmt: skip
    return finish(play(notes, programs, duration_s))


Renderer = Callable[[Piece, np.random.Generator], NDArray[np.float32]]
