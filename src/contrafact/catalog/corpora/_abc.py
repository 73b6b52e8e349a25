"""A lean reader of ABC tune books: one melody line per tune.

Repeats are not played twice and endings follow one another as written, so that
no passage of a tune is heard in two recordings. Ornaments, grace notes, words
and chord names are left out; tunes for several voices are refused.

References:
    Chris Walshaw, "The abc music standard 2.1", 2011.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from contrafact.catalog.corpora._abc_fields import (
    read_key,
    read_length,
    read_metre,
    read_tempo,
    read_unit,
)
from contrafact.catalog.corpora._notation import NotationError, Note, Score

__all__ = ["AbcTune", "read_tune", "split_tunes"]

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS = "FCGDAEB"
_ALTER = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
_TOKEN = re.compile(
    r"""(?P<skip>"[^"]*"|![^!\n]*!|\{[^}]*\}|%[^\n]*)
    |\[(?P<field>[A-Za-z]):(?P<value>[^\]]*)\]
    |(?P<chord>\[(?:[\^_=]*[A-Ga-g][,']*[\d/]*-?)+\])(?P<clen>[\d/]*)
    |\((?P<tuplet>\d)(?P<spec>:\d?(?::\d?)?)?
    |(?P<bar>\|\]|\|\||\|:|:\||\|+|::|\[\|)
    |(?P<acc>\^\^|\^|__|_|=)?(?P<note>[A-Ga-g])(?P<oct>[,']*)(?P<len>[\d/]*)
    |(?P<rest>[zx])(?P<rlen>[\d/]*)
    |(?P<broken>>+|<+)
    |(?P<tie>-)
    """,
    re.VERBOSE,
)
_TUPLET_TIME = {2: 3, 3: 2, 4: 3, 5: 2, 6: 2, 7: 2, 8: 3, 9: 2}


@dataclass(frozen=True, slots=True)
class AbcTune:
    """One tune of a book, not yet read: its fields by letter, and its music."""

    fields: dict[str, list[str]]
    body: str

    def first(self, letter: str) -> str:
        """Return the first value of a field, empty if it has none."""
        return self.fields.get(letter, [""])[0]


def split_tunes(text: str) -> Iterator[AbcTune]:
    r"""Yield the tunes of a book, in order.

    Example:
        >>> [tune.first("T") for tune in split_tunes("X:1\nT:Air\nK:C\nCDE|")]
        ['Air']
    """
    for block in re.split(r"(?m)^(?=X:)", text):
        if not block.startswith("X:"):
            continue
        fields: dict[str, list[str]] = {}
        lines = block.split("\n")
        n_header = 0
        for n_header, line in enumerate(lines, start=1):  # noqa: B007
            if re.match(r"[A-Za-z]:", line):
                value = line[2:].split("%")[0].strip()
                fields.setdefault(line[0], []).append(value)
            if line.startswith("K:"):
                break
        yield AbcTune(fields, "\n".join(lines[n_header:]))


def read_tune(tune: AbcTune) -> Score:
    """Read the music of a tune.

    Raises:
        NotationError: If it has several voices, no readable key, or no notes.
    """
    if "V" in tune.fields or re.search(r"(?m)^V:|\[V:|&", tune.body):
        raise NotationError(f"Tune {tune.first('T')!r} has several voices.")
    fifths, tonic, is_minor = read_key(tune.first("K"))
    metre = read_metre(tune.first("M"))
    unit = read_unit(tune.first("L"), metre)
    reader = _Reader(fifths=fifths, unit=unit)
    reader.read(tune.body)
    if not reader.notes:
        raise NotationError(f"Tune {tune.first('T')!r} holds no notes.")
    return Score(
        title=tune.first("T"),
        notes=tuple(reader.notes),
        bars=tuple(reader.all_bars()),
        n_parts=1,
        metre=metre,
        tonic=tonic,
        is_minor=is_minor,
        tempos=read_tempo(tune.first("Q")),
        form=tune.first("R").lower(),
    )


@dataclass(slots=True)
class _Reader:
    """Walks the music of one tune; times are exact until a note is made."""

    fifths: int
    unit: Fraction
    notes: list[Note] = field(default_factory=list)
    bars: list[Fraction] = field(default_factory=lambda: [Fraction(0)])
    now: Fraction = Fraction(0)
    accidentals: dict[tuple[str, int], int] = field(default_factory=dict)
    group: tuple[int, Fraction] = (0, Fraction(1))
    stretch: Fraction = Fraction(1)
    is_tied: bool = False
    last: tuple[int, Fraction] = (0, Fraction(0))

    def read(self, body: str) -> None:
        for line in body.split("\n"):
            if match := re.match(r"([A-Za-z]):(?![|:])(.*)", line):
                self._change(match[1], match[2])
                continue
            for token in _TOKEN.finditer(line):
                self._take(token)

    def all_bars(self) -> list[float]:
        """Return the starts of the bars and the end, each once."""
        return [float(bar) for bar in sorted({*self.bars, self.now})]

    def _take(self, token: re.Match[str]) -> None:
        if token["field"]:
            self._change(token["field"], token["value"])
        elif token["chord"]:
            self._chord(token["chord"], token["clen"])
        elif token["tuplet"]:
            self._tuplet(int(token["tuplet"]), token["spec"] or "")
        elif token["bar"]:
            self.bars.append(self.now)
            self.accidentals.clear()
        elif token["note"]:
            self._sound([self._pitch(token)], read_length(token["len"]))
        elif token["rest"]:
            self._sound([], read_length(token["rlen"]))
        elif token["broken"]:
            self._break(token["broken"])
        elif token["tie"]:
            self.is_tied = True

    def _change(self, letter: str, value: str) -> None:
        if letter == "K":
            self.fifths = read_key(value)[0]
        elif letter == "L":
            self.unit = read_unit(value, (4, 4))

    def _pitch(self, token: re.Match[str]) -> int:
        letter = token["note"]
        octave = token["oct"].count("'") - token["oct"].count(",") + letter.islower()
        place = (letter.upper(), octave)
        if token["acc"]:
            self.accidentals[place] = _ALTER[token["acc"]]
        alter = self.accidentals.get(place, self._signature(letter.upper()))
        return 60 + 12 * octave + _STEPS[letter.upper()] + alter

    def _signature(self, letter: str) -> int:
        order = _SHARPS.index(letter)
        return (self.fifths - order + 6) // 7

    def _chord(self, text: str, length: str) -> None:
        tokens = [t for t in _TOKEN.finditer(text[1:-1]) if t["note"]]
        inner = read_length(tokens[0]["len"])
        pitches = [self._pitch(token) for token in tokens]
        self._sound(pitches, inner * read_length(length))

    def _tuplet(self, n: int, spec: str) -> None:
        numbers = [int(part) if part else 0 for part in spec.split(":")[1:]]
        time = (numbers[0] if numbers else 0) or _TUPLET_TIME.get(n, n)
        count = (numbers[1] if len(numbers) > 1 else 0) or n
        self.group = (count, Fraction(time, max(n, 1)))

    def _sound(self, pitches: list[int], length: Fraction) -> None:
        left, ratio = self.group
        quarters = length * self.unit * self.stretch * (ratio if left else 1)
        self.group = (max(left - 1, 0), ratio)
        self.stretch = Fraction(1)
        n_before = len(self.notes)
        for pitch in sorted(set(pitches)):
            if not (self.is_tied and self._extend(pitch, quarters)):
                self.notes.append(Note(float(self.now), float(quarters), pitch, 0))
        self.is_tied = False
        self.last = (len(self.notes) - n_before, quarters)
        self.now += quarters

    def _extend(self, pitch: int, quarters: Fraction) -> bool:
        note = self.notes[-1] if self.notes else None
        if note is None or note.pitch != pitch:
            return False
        self.notes[-1] = note._replace(length=note.length + float(quarters))
        return True

    def _break(self, marks: str) -> None:
        """Lengthen the note before a `>` and shorten the one after it."""
        part = Fraction(1, 2 ** len(marks))
        factor = 2 - part if marks[0] == ">" else part
        n_last, quarters = self.last
        change = quarters * factor - quarters
        for i in range(len(self.notes) - n_last, len(self.notes)):
            note = self.notes[i]
            self.notes[i] = note._replace(length=note.length + float(change))
        self.now += change
        self.stretch = 2 - factor
