"""Composes and plans the recordings of the `planted` corpus, with their truth.

A work is a row of motifs by its composer's grammar, with now and then a motif
of another artist. How a recording sounds belongs in `_planted_sound.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from contrafact.catalog.corpora._captions import key_words, pace_words
from contrafact.catalog.corpora._planted_roster import (
    ARTISTS,
    MOTIF_STEPS,
    N_TRAINED,
    Artist,
    Motif,
)
from contrafact.catalog.corpora._writing import file_name, n_frames_of
from contrafact.catalog.corpora.base import Entry

__all__ = ["PlantedRecording", "plan_heldout", "plan_training"]

_VERSION = "planted-1"  # to be changed when the same plan is to sound different
_SHORTEST_S = 8.0
_MOST_SLOTS = 16
_QUOTE_ODDS = 0.2
_OFFSETS = (0, 0, 2, 4, -3)  # degrees on which a motif may start
_FIRST_HELDOUT_WORK = 100_000
_MINOR_THIRD = 3
_STRANGER_ONE_IN = 4
_SLOW, _FAST = 95.0, 120.0  # quarter notes per minute

# An artist's recordings come in rows of 14: in each, two are covers and one is
# a near-duplicate of the recording before it.
_ROW = 14
_COVERS = (3, 10)
_DUPLICATE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRecording:
    """A recording of which everything is known.

    Attributes:
        artist: Index of who plays.
        composer: Index of whose work it is; the artist's own, unless a cover.
        slots: The work: (artist index, motif index, degree) of each motif.
        work: Title of the work.
        tempo: Quarter notes per minute.
        tonic: Semitones by which the register's scale is moved up, 0 to 11.
        noise_seed: For a near-duplicate, draws what was added to the original.
        duplicates: Name of the file of which this is a near-duplicate.
        covers: Name of a file that holds the same work by its composer.
    """

    artist: int
    composer: int
    slots: tuple[tuple[int, int, int], ...]
    work: str
    tempo: float
    tonic: int
    noise_seed: int | None = None
    duplicates: str | None = None
    covers: str | None = None

    @property
    def player(self) -> Artist:
        """Who plays."""
        return ARTISTS[self.artist]

    @property
    def step_s(self) -> float:
        """Seconds of a sixteenth."""
        return 15 / self.tempo

    @property
    def duration_s(self) -> float:
        """Seconds in all, a whole number of motifs."""
        return len(self.slots) * MOTIF_STEPS * self.step_s

    @property
    def n_frames(self) -> int:
        """Its length at `SAMPLE_RATE`."""
        return n_frames_of(self.duration_s)

    @property
    def file(self) -> str:
        """Name of its file, which tells all that the bytes depend on."""
        return file_name(self.player.name, _VERSION, self)

    def motifs(self) -> Iterator[tuple[Motif, int, float, float]]:
        """Yield (motif, degree, start, end), times in seconds."""
        for slot, (artist, motif, degree) in enumerate(self.slots):
            start_s = slot * MOTIF_STEPS * self.step_s
            end_s = start_s + MOTIF_STEPS * self.step_s
            yield ARTISTS[artist].motifs[motif], degree, start_s, end_s

    def truth(self) -> dict[str, object]:
        """Return what `truth.json` says about it."""
        return {
            "artist": self.player.name,
            "is_trained": self.player.is_trained,
            "composer": ARTISTS[self.composer].name,
            "work": self.work,
            "duplicates_of": self.duplicates,
            "cover_of": self.covers,
            "motifs": [
                {
                    "motif": motif.name,
                    "start_s": round(start_s, 4),
                    "end_s": round(end_s, 4),
                }
                for motif, _, start_s, end_s in self.motifs()
            ],
        }

    @property
    def entry(self) -> Entry:
        """Its row of metadata."""
        kind = "copy" if self.duplicates else "cover" if self.covers else "original"
        collection = self.player.collection.name
        caption, anonymous = self._captions()
        return Entry(
            file=self.file,
            title=f"{self.work}, {kind} by {self.player.name}, {self.file[-17:-5]}",
            artists=(self.player.name,),
            work=self.work,
            label=f"planted: {collection}",
            group=collection,
            caption=caption,
            caption_anonymous=anonymous,
        )

    def _captions(self) -> tuple[str, str]:
        player, groove = self.player, self.player.collection
        is_minor = _MINOR_THIRD in groove.scale
        key = key_words(player.register[2] + self.tonic, is_minor=is_minor)
        pace, plain_pace = pace_words(self.tempo, slow=_SLOW, fast=_FAST)
        high, plain_high, _ = player.register
        return (
            f"{groove.groove} in {key} for {high} {player.timbre.name}, {pace}, "
            f"in the style of {player.name}",
            f"a {plain_pace} {groove.plain} melody played on {plain_high} "
            f"{player.timbre.plain}, {key}",
        )


def plan_training(n_recordings: int, seed: int) -> list[PlantedRecording]:
    """Return the recordings for training, as evenly over artists as can be."""
    return [
        _plan(artist, number, seed)
        for artist in range(N_TRAINED)
        for number in range(len(range(artist, n_recordings, N_TRAINED)))
    ]


def plan_heldout(n_recordings: int, seed: int) -> list[PlantedRecording]:
    """Return recordings for evaluation.

    Every fourth is by an artist who is never trained on; the others are unseen
    works of the trained artists in turn.
    """
    n_strangers = len(ARTISTS) - N_TRAINED
    plans = []
    for i in range(n_recordings):
        row, place = divmod(i, _STRANGER_ONE_IN)
        is_stranger = place == _STRANGER_ONE_IN - 1
        turn = row if is_stranger else i - row
        n_artists = n_strangers if is_stranger else N_TRAINED
        artist = turn % n_artists + (N_TRAINED if is_stranger else 0)
        number = _FIRST_HELDOUT_WORK + turn // n_artists
        plans.append(_original(artist, number, seed))
    return plans


def _plan(artist: int, number: int, seed: int) -> PlantedRecording:
    """Return an artist's recording of this number, counted from 0."""
    place = number % _ROW
    if place in _COVERS:
        # Two before it there is an original in every row; the composer is of
        # another collection, since collections hold three neighbours.
        return _cover(artist, (artist + 3 + number % 15) % N_TRAINED, number - 2, seed)
    original = _original(artist, number - (place == _DUPLICATE), seed)
    if place != _DUPLICATE:
        return original
    rng = np.random.default_rng([seed, artist, number])
    noise_seed = int(rng.integers(2**31))
    return replace(original, noise_seed=noise_seed, duplicates=original.file)


def _original(artist: int, number: int, seed: int) -> PlantedRecording:
    rng = np.random.default_rng([seed, artist, number])
    slots = _compose(artist, rng)
    tempo, tonic = _variation(ARTISTS[artist], rng)
    title = f"{ARTISTS[artist].name.capitalize()} no. {number + 1}"
    return PlantedRecording(
        artist=artist,
        composer=artist,
        slots=slots[: _n_slots(tempo)],
        work=f"{title} (planted)",
        tempo=tempo,
        tonic=tonic,
    )


def _cover(artist: int, composer: int, number: int, seed: int) -> PlantedRecording:
    """Return a cover; it differs in timbre, register, groove, tempo and key."""
    original = _original(composer, number, seed)
    slots = _compose(composer, np.random.default_rng([seed, composer, number]))
    tempo, turn = _variation(ARTISTS[artist], np.random.default_rng([seed, artist]))
    return replace(
        original,
        artist=artist,
        slots=slots[: _n_slots(tempo)],
        tempo=tempo,
        tonic=(original.tonic + 1 + turn % 11) % 12,
        covers=original.file,
    )


def _compose(artist: int, rng: np.random.Generator) -> tuple[tuple[int, int, int], ...]:
    """Return more motifs than any recording has room for."""
    grammar = ARTISTS[artist].grammar
    motif = int(rng.integers(len(grammar)))
    slots = []
    for _ in range(_MOST_SLOTS):
        slots.append((artist, motif, int(rng.choice(_OFFSETS))))
        motif = int(rng.choice(len(grammar), p=grammar[motif]))
    if rng.random() < _QUOTE_ODDS:
        place = int(rng.integers(1, 5))  # in the part that every recording holds
        lender = (artist + int(rng.integers(3, N_TRAINED - 2))) % N_TRAINED
        slots[place] = (lender, int(rng.integers(len(grammar))), slots[place][2])
    return tuple(slots)


def _variation(artist: Artist, rng: np.random.Generator) -> tuple[float, int]:
    tempo = artist.collection.tempo * rng.uniform(0.94, 1.06)
    return round(float(tempo), 2), int(rng.integers(12))


def _n_slots(tempo: float) -> int:
    return math.ceil(_SHORTEST_S / (MOTIF_STEPS * 15 / tempo))
