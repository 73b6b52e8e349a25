"""Renders and transcribes the music of the version benchmark, once.

What was made lies below the cache folder: audio as FLAC, notes as arrays.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from versions_aspects import Variation, vary
from versions_music import FAMILIES, Piece, arrange, read_midi, render, works_of

from contrafact.core.matches import ASPECTS, Aspect
from contrafact.matching.versions.notes import Notes
from contrafact.matching.versions.transcription import SAMPLE_RATE, transcribe

__all__ = ["Item", "Music"]

N_WORKS, N_VERSIONS, N_DISTRACTORS = 80, 3, 160
RENDERING_S, EXCERPT_S, PAIR_S = 30.0, 20.0, 40.0
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """One rendered recording: its name, the work, and how to hear it."""

    name: str
    work: str
    audio: Path
    notes: Notes
    duration_s: float

    def samples(self) -> NDArray[np.float32]:
        """Return the audio, `(time,)`."""
        return soundfile.read(self.audio, dtype="float32")[0]


class Music:
    """Makes recordings in a cache folder, or finds them there."""

    def __init__(self, audio: Path | None, cache: Path) -> None:
        self.audio = audio
        self.cache = cache / (f"real-{_FORMAT}" if audio else f"scores-{_FORMAT}")
        self.cache.mkdir(parents=True, exist_ok=True)

    def item(
        self,
        name: str,
        work: str,
        make: Callable[[], NDArray[np.float32]],
        *,
        duration_s: float = RENDERING_S,
    ) -> Item:
        """Return the recording of this name; `make` gives its audio at need."""
        stem = f"{zlib.crc32(name.encode()):08x}"
        audio, notes = self.cache / f"{stem}.flac", self.cache / f"{stem}.npz"
        if not audio.exists():
            soundfile.write(audio, make(), SAMPLE_RATE)
        if not notes.exists():
            heard = transcribe(soundfile.read(audio, dtype="float32")[0])
            np.savez(notes, start_s=heard.start_s, end_s=heard.end_s,
                     pitch=heard.pitch, strength=heard.strength)  # fmt: skip
        with np.load(notes) as saved:
            heard = Notes(**saved)
        return Item(
            name=name, work=work, audio=audio, notes=heard, duration_s=duration_s
        )

    def pieces(self) -> list[Piece]:
        """Return the works in a drawn order, those for the queries first."""
        saved = self.cache / "pieces.npz"
        if not saved.exists():
            found = works_of(self.audio)
            np.savez(saved, **{f"{i:04}|{p.title}": p.rows
                               for i, p in enumerate(found)})  # fmt: skip
        with np.load(saved) as file:
            pieces = [Piece(name.partition("|")[2], file[name]) for name in file.files]
        order = np.random.default_rng(4).permutation(len(pieces))
        return [pieces[i] for i in order]

    def versions(self, first: int = 0, last: int = N_WORKS) -> list[Item]:
        """Return `N_VERSIONS` recordings of each of the works [first, last)."""
        return [self._version(piece, change)
                for piece in self.pieces()[first:last]
                for change in range(N_VERSIONS)]  # fmt: skip

    def distractors(self, n_most: int = N_DISTRACTORS) -> list[Item]:
        """Return one recording each of works that have no versions."""
        others = self.pieces()[N_WORKS : N_WORKS + n_most]
        return [self._version(p, i % 3, "d") for i, p in enumerate(others)]

    def _version(self, piece: Piece, change: int, kind: str = "v") -> Item:
        name = f"{kind}{change} {piece.title}"

        def make() -> NDArray[np.float32]:
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            family = (zlib.crc32(piece.title.encode()) + 3 * change) % len(FAMILIES)
            played = arrange(piece, rng, change)
            played.rows[:, :2] -= rng.uniform(0, 4) if change else 0.0
            played = Piece(piece.title, played.rows[played.rows[:, 0] >= 0])
            return render(played, rng, duration_s=RENDERING_S, family=family)

        return self.item(name, piece.title, make)

    def variations(self, pieces: list[Piece]) -> list[tuple[Item, Aspect, Variation]]:
        """Return music that keeps one aspect of each piece, played and heard."""
        found = []
        for piece, aspect in product(pieces, ASPECTS):
            seed = zlib.crc32(f"{aspect} {piece.title}".encode())
            rng = np.random.default_rng(seed)
            varied = vary(piece, aspect, rng, duration_s=RENDERING_S)
            if varied is None:
                continue

            def make(
                varied: Variation = varied,
                rng: np.random.Generator = rng,
                family: int = seed % len(FAMILIES),
            ) -> NDArray[np.float32]:
                return render(varied.piece, rng, duration_s=RENDERING_S, family=family)

            item = self.item(f"{aspect} {piece.title}", piece.title, make)
            found.append((item, aspect, varied))
        return found

    def pairs(self) -> list[tuple[Item, Item]]:
        """Return performance and sequenced score of each piano work, in two sounds."""
        folders = (
            sorted((self.audio / "giantmidi_pairs").iterdir()) if self.audio else []
        )
        return [
            (
                self._played(folder, "transcribed-performance.mid", 0),
                self._played(folder, "sequenced.mid", 9),
            )
            for folder in folders
        ]

    def _played(self, folder: Path, file: str, family: int) -> Item:
        def make() -> NDArray[np.float32]:
            rows = read_midi(folder / file)
            rows[:, :2] -= rows[0, 0]
            rng = np.random.default_rng(zlib.crc32(folder.name.encode()))
            piece = Piece(folder.name, rows[rows[:, 0] < PAIR_S])
            return render(piece, rng, duration_s=PAIR_S, family=family)

        name = f"{file} {folder.name}"
        return self.item(name, folder.name, make, duration_s=PAIR_S)
