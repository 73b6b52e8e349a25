"""Who is who in the `planted` corpus: timbres, grooves, motifs, artists.

Artists are minerals, so that nobody is invented. An artist is a timbre in a
register, some motifs, and a grammar that says which motif follows which; a
collection is a groove and a scale. Timbres repeat across collections and the
artists of one collection differ in timbre, so that neither gives away the other.
Nothing here depends on the seed of a corpus.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

__all__ = [
    "ARTISTS",
    "COLLECTIONS",
    "MOTIF_STEPS",
    "N_TRAINED",
    "REGISTERS",
    "TIMBRES",
    "Artist",
    "Collection",
    "Motif",
    "Timbre",
]

N_TRAINED = 24
MOTIF_STEPS = 8
"""Sixteenths that each motif lasts."""

_MINERALS = (
    "agate", "amber", "basalt", "beryl", "chalk", "coral", "flint", "garnet",
    "gneiss", "granite", "gypsum", "jade", "jasper", "lapis", "marble", "mica",
    "obsidian", "onyx", "opal", "pyrite", "quartz", "ruby", "schist", "slate",
    "talc", "topaz", "zircon",
)  # fmt: skip
_ARTISTS_EACH = 3
_MOTIFS_EACH = 4
_MOTIF_SEED = 20_000
_RHYTHMS = (
    (2, 2, 2, 2), (4, 2, 2), (2, 2, 4), (3, 3, 2), (1, 1, 2, 4), (3, 1, 2, 2),
    (2, 1, 1, 4), (2, 2, 1, 1, 2), (3, 1, 4), (1, 1, 1, 1, 4),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Timbre:
    """How one note sounds.

    Attributes:
        name: In the caption; `plain` in the anonymous one.
        partials: Amplitudes of the harmonics, from the first.
        fm: Ratio and index of a modulator on every partial; (0, 0) for none.
        attack_s: Until the full level is reached.
        decay_s: Time constant of the fall to `sustain`.
        sustain: Level, 0 to 1, that a held note keeps.
        vibrato: Depth in semitones, at 5.5 Hz.
    """

    name: str
    plain: str
    partials: tuple[float, ...]
    fm: tuple[float, float] = (0.0, 0.0)
    attack_s: float = 0.005
    decay_s: float = 0.3
    sustain: float = 0.0
    vibrato: float = 0.0


TIMBRES = (
    Timbre(
        name="bell", plain="struck metal", partials=(1.0,), fm=(1.41, 3.0), decay_s=0.7
    ),
    Timbre(
        name="organ",
        plain="steady pipes",
        partials=(1.0, 0.6, 0.0, 0.5, 0.0, 0.3, 0.0, 0.3),
        attack_s=0.02,
        sustain=1.0,
    ),
    Timbre(
        name="pluck",
        plain="short strings",
        partials=tuple(1 / k for k in range(1, 13)),
        decay_s=0.15,
    ),
    Timbre(
        name="flute",
        plain="soft breath",
        partials=(1.0, 0.12, 0.04),
        attack_s=0.06,
        sustain=0.9,
        vibrato=0.25,
    ),
    Timbre(
        name="brass",
        plain="loud metal",
        partials=(1.0,),
        fm=(1.0, 2.5),
        attack_s=0.04,
        sustain=0.7,
    ),
    Timbre(
        name="reed",
        plain="hollow wood",
        partials=(1.0, 0.0, 0.7, 0.0, 0.5, 0.0, 0.3, 0.0, 0.2),
        attack_s=0.03,
        sustain=0.8,
    ),
    Timbre(
        name="strings",
        plain="bowed hair",
        partials=tuple(k**-0.8 for k in range(1, 15)),
        attack_s=0.09,
        sustain=0.9,
        vibrato=0.4,
    ),
    Timbre(
        name="glass",
        plain="ringing bowls",
        partials=(1.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.3),
        decay_s=1.2,
    ),
    Timbre(
        name="buzz",
        plain="rough edges",
        partials=(1.0,),
        fm=(0.5, 6.0),
        decay_s=0.5,
        sustain=0.5,
    ),
)

REGISTERS = (("low", "deep", 45), ("middle", "central", 57), ("high", "bright", 69))
"""Word, other word, and the MIDI pitch on which the scale stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A groove and a scale that some artists share.

    Attributes:
        name: Of the collection.
        groove: Word for the groove; `plain` in the anonymous caption.
        kicks: Steps of 16 on which a low stroke falls.
        hats: The same for noise.
        swing: Fraction of a sixteenth by which every second one is late.
        tempo: Quarter notes per minute.
        scale: Semitones above the tonic.
    """

    name: str
    groove: str
    plain: str
    kicks: tuple[int, ...]
    hats: tuple[int, ...]
    swing: float
    tempo: float
    scale: tuple[int, ...]


def _collection(line: str, swing: float, tempo: float, *scale: int) -> Collection:
    """Return a collection from "name groove plain kicks", a beat per letter."""
    name, groove, plain, beats = line.split()
    return Collection(
        name=name,
        groove=groove,
        plain=plain,
        kicks=tuple(i for i, letter in enumerate(beats) if letter == "k"),
        hats=tuple(i for i, letter in enumerate(beats) if letter == "h"),
        swing=swing,
        tempo=tempo,
        scale=scale,
    )


COLLECTIONS = (
    _collection(
        "harbour march striding k...h...k...h...", 0.0, 112, 0, 2, 4, 5, 7, 9, 11
    ),
    _collection(
        "forest shuffle rolling k.h.h.h.k.h.h.h.", 0.6, 96, 0, 2, 3, 5, 7, 9, 10
    ),
    _collection(
        "desert drone hovering k...............", 0.0, 80, 0, 1, 4, 5, 7, 8, 11
    ),
    _collection(
        "glacier pulse ticking h.h.h.h.h.h.h.h.", 0.0, 132, 0, 2, 4, 6, 7, 9, 11
    ),
    _collection("meadow lilt bouncing k..h..k..h..k.h.", 0.3, 104, 0, 2, 4, 7, 9),
    _collection("canyon stomp pounding k.k.h...k.k.h...", 0.0, 88, 0, 3, 5, 7, 10),
    _collection(
        "lagoon bossa leaning k..k..h.k..k..h.", 0.0, 124, 0, 2, 4, 5, 7, 9, 10
    ),
    _collection(
        "summit gallop rushing k.hhk.hhk.hhk.hh", 0.0, 144, 0, 2, 3, 5, 7, 8, 10
    ),
)
_ELSEWHERE = _collection(
    "elsewhere stagger limping k....h.k..h..h..", 0.2, 116, 0, 1, 3, 5, 7, 8, 10
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Motif:
    """A short turn of melody.

    Attributes:
        name: Such as "agate-2": whose it is, and which.
        degrees: Steps of the scale from the first note, one for each note.
        lengths: In sixteenths; their sum is `MOTIF_STEPS`.
    """

    name: str
    degrees: tuple[int, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artist:
    """A timbre in a register, motifs and their grammar, in a collection.

    Attributes:
        grammar: Row i holds the odds of each motif after motif i; sums to 1.
        is_trained: Whether recordings for training may be the artist's.
    """

    name: str
    collection: Collection
    timbre: Timbre
    register: tuple[str, str, int]
    motifs: tuple[Motif, ...]
    grammar: tuple[tuple[float, ...], ...]
    is_trained: bool


@functools.cache
def _all_motifs() -> tuple[Motif, ...]:
    """Return the motifs of all artists; no two are alike."""
    rng = np.random.default_rng(_MOTIF_SEED)
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], None] = {}
    while len(found) < len(_MINERALS) * _MOTIFS_EACH:
        lengths = _RHYTHMS[rng.integers(len(_RHYTHMS))]
        steps = rng.integers(-3, 4, len(lengths) - 1)
        degrees = (0, *(int(d) for d in np.cumsum(steps)))
        found.setdefault((degrees, lengths))
    return tuple(
        Motif(
            name=f"{_MINERALS[i // _MOTIFS_EACH]}-{i % _MOTIFS_EACH + 1}",
            degrees=degrees,
            lengths=lengths,
        )
        for i, (degrees, lengths) in enumerate(found)
    )


def _artist(index: int) -> Artist:
    rng = np.random.default_rng([_MOTIF_SEED, index])
    rows = rng.dirichlet(np.full(_MOTIFS_EACH, 0.5), _MOTIFS_EACH)
    first = index * _MOTIFS_EACH
    is_trained = index < N_TRAINED
    return Artist(
        name=_MINERALS[index],
        collection=COLLECTIONS[index // _ARTISTS_EACH] if is_trained else _ELSEWHERE,
        timbre=TIMBRES[index % len(TIMBRES)],
        register=REGISTERS[index // len(TIMBRES)],
        motifs=_all_motifs()[first : first + _MOTIFS_EACH],
        grammar=tuple(tuple(float(odds) for odds in row) for row in rows),
        is_trained=is_trained,
    )


ARTISTS = tuple(_artist(index) for index in range(len(_MINERALS)))
"""The first `N_TRAINED` are for training; the others are never trained on."""
