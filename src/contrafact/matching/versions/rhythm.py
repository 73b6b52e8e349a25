"""The rhythm: when notes begin, whatever the pitches.

Words are ratios of successive lengths, and propose tempos. At each of them the onsets
of the two are laid on one another (see `pulses`), so that onsets which were not heard,
or should not have been, cost little. Runs of equal lengths are in all music and count
little: a rhythm is found by where it changes. A stretch that is found keeps one tempo.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.base import Strand, Words
from contrafact.matching.versions.pulses import Trains, drawn, meetings
from contrafact.matching.versions.voices import Voices

__all__ = ["Rhythm"]

Floats = NDArray[np.float32]
Times = NDArray[np.float64]

_TOGETHER_S = 0.07
_SHORTEST_S, _LONGEST_S = 0.05, 4.0
_BIN = 0.14  # of the logarithm of a tempo ratio that words vote for
_STEP = 0.35  # of the logarithm of two lengths' ratio in a word
_PER_BIN = 14  # tempo ratios tried in each
_FASTEST = 0.77  # of that logarithm, either way
_N_LINES = 4  # looked at closely


class Rhythm:
    """See the module; shifts are logarithms of tempo ratios, in steps of 0.14.

    Those of `compare` are finer, 14 in each step.
    """

    name = "rhythm"
    dimension = 1
    n_shifts = 32
    n_tried = 3

    def strand(self, voices: Voices, duration_s: float) -> Strand:
        """Return times between onsets; values are their natural logarithms."""
        onsets = _distinct(voices.notes.start_s)
        length = np.diff(onsets)
        logs = np.log(np.clip(length, _SHORTEST_S, _LONGEST_S))
        return Strand(
            onsets[:-1].astype(np.float32),
            onsets[1:].astype(np.float32),
            logs[:, None].astype(np.float32),
        )

    def words(self, strand: Strand) -> Words:
        """Return runs of three ratios of lengths, except runs of equal lengths."""
        logs = strand.values[:, 0]
        steps = np.clip(np.rint(np.diff(logs) / _STEP), -3, 3).astype(np.int32) + 3
        code = (steps[:-2] * 7 + steps[1:-1]) * 7 + steps[2:]
        place = np.rint(logs[: len(code)] / _BIN).astype(np.int32)
        told = code != (3 * 7 + 3) * 7 + 3
        return Words(code[told].astype(np.int32), place[told])

    def compare(
        self, query: Strand, references: Sequence[Strand], shifts: NDArray[np.intp]
    ) -> tuple[Floats, NDArray[np.intp]]:
        """Return how well each reference is met at its best tempo, and that tempo."""
        here, onsets = _onsets(query), [_onsets(r) for r in references]
        steps = [_fine(tried) for tried in shifts]
        every = np.unique(np.concatenate(steps))
        trains = Trains(here, _ratios(every), max(float(o[-1]) for o in onsets))
        scores = np.zeros(len(references), np.float32)
        best = np.zeros(len(references), np.intp)
        for i, there in enumerate(onsets):
            lines, height = trains.lines(there, np.searchsorted(every, steps[i]))
            order = np.argsort(-height, kind="stable")[:_N_LINES]
            reached = [m.score for m in meetings(here, there, lines.at(order))]
            highest = int(np.argmax(reached))
            scores[i], best[i] = reached[highest], steps[i][order[highest]]
        return scores, best

    def path(self, query: Strand, reference: Strand, shift: int) -> NDArray[np.intp]:
        """Return which onsets meet at a tempo that `compare` returned."""
        here, there = _onsets(query), _onsets(reference)
        trains = Trains(here, _ratios(np.array([shift])), float(there[-1]))
        line, _ = trains.lines(there, np.zeros(1, np.intp))
        return drawn(here, there, line).pairs


def _onsets(strand: Strand) -> Times:
    """Return when its elements begin, from the first on."""
    start = strand.start_s.astype(np.float64)
    return np.asarray(start - start[0])


def _fine(shifts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return fine steps of tempo around some coarse ones, none too far."""
    half = Rhythm.n_shifts // 2
    middle = (shifts + half) % Rhythm.n_shifts - half
    middle = np.unique(middle[np.abs(middle) * _BIN <= _FASTEST])
    middle = middle if len(middle) else np.zeros(1, np.intp)
    steps = _PER_BIN * middle[:, None] + np.arange(_PER_BIN) - _PER_BIN // 2
    return np.asarray(steps.ravel(), np.intp)


def _ratios(steps: NDArray[np.intp]) -> Times:
    """Return by what a query is stretched that is faster by so many fine steps."""
    return np.asarray(np.exp(-_BIN / _PER_BIN * steps))


def _distinct(onsets: Times) -> Times:
    """Return onsets, those of one chord as one."""
    kept: list[float] = []
    for onset in onsets:
        if not kept or onset - kept[-1] >= _TOGETHER_S:
            kept.append(float(onset))
    return np.array(kept)
