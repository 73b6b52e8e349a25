"""Performs passages: who plays, what is said about it, and how it sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.corpora._captions import key_words, metre_words, tempo_words
from contrafact.catalog.corpora._passages import Passage
from contrafact.catalog.corpora._repertoire import Ensemble, Pool
from contrafact.catalog.corpora._synth import N_CHANNELS, PlayedNote, play
from contrafact.catalog.corpora._writing import file_name, finish, n_frames_of
from contrafact.catalog.corpora.base import Entry

__all__ = ["Performance", "perform", "plan_performance"]

_VERSION = "scores-3"  # to be changed when the same passage is to sound different
_ARTICULATION = 0.96  # of its written length a note sounds
_LOUDNESS, _LOUDNESS_RANGE, _TOUCH_RANGE = 88, 10, 8  # MIDI velocities
_PITCH_RANGE = (12, 115)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """A passage, the ensemble that plays it, and what is said about it."""

    passage: Passage
    ensemble: Ensemble
    entry: Entry

    @property
    def n_frames(self) -> int:
        """Its length at `SAMPLE_RATE`."""
        return n_frames_of(self.passage.duration_s)


def plan_performance(pool: Pool, ensemble: Ensemble, passage: Passage) -> Performance:
    """Return the performance of a passage by an ensemble, with its metadata."""
    artist = f"{pool.source} ({ensemble.name})"
    caption, anonymous = _captions(pool, ensemble, passage)
    first, last = passage.bars
    entry = Entry(
        file=file_name(artist, _VERSION, passage, ensemble),
        title=f"{passage.work}, bars {first}-{last}, {ensemble.name}",
        artists=(artist,),
        work=passage.work,
        label=pool.label,
        group=pool.group,
        caption=f"{caption}, in the style of {artist.lower()}",
        caption_anonymous=anonymous,
    )
    return Performance(passage=passage, ensemble=ensemble, entry=entry)


def _captions(pool: Pool, ensemble: Ensemble, passage: Passage) -> tuple[str, str]:
    """Return what is heard in the words of the score, and in other words."""
    tonic, is_minor = passage.key
    key = key_words(tonic + ensemble.shift, is_minor=is_minor)
    onsets = {round(note.start, 2) for note in passage.notes}
    pace, plain_pace = tempo_words(len(onsets) / passage.duration_s)
    metre, plain_metre = metre_words(passage.metre)
    return (
        f"{pool.form} in {key} for {ensemble.name}, {metre}, {pace}",
        f"a {plain_pace} {pool.plain_form} played on {ensemble.plain}, "
        f"{plain_metre}, {key}",
    )


def perform(performance: Performance) -> NDArray[np.float32]:
    """Return the audio of a performance, `(time,)`, at `SAMPLE_RATE`.

    Loudness and touch vary as the passage's seed says.

    Raises:
        CorpusError: If the synthesizer or the soundfont is missing.
    """
    passage, ensemble = performance.passage, performance.ensemble
    rng = np.random.default_rng(passage.seed)
    loudness = _LOUDNESS + rng.integers(-_LOUDNESS_RANGE, _LOUDNESS_RANGE + 1)
    touches = rng.integers(-_TOUCH_RANGE, _TOUCH_RANGE + 1, len(passage.notes))
    n_parts = max(note.part for note in passage.notes) + 1
    notes = [
        PlayedNote(
            note.start,
            note.start + note.length * _ARTICULATION,
            int(np.clip(note.pitch + ensemble.shift, *_PITCH_RANGE)),
            note.part % N_CHANNELS,
            int(loudness + touch),
        )
        for note, touch in zip(passage.notes, touches, strict=True)
    ]
    n_channels = min(n_parts, N_CHANNELS)
    programs = [
        ensemble.programs[i % len(ensemble.programs)] for i in range(n_channels)
    ]
    return finish(play(notes, programs, passage.duration_s))
