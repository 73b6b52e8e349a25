"""Notes heard in audio: the one thing all aspects are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Notes"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Notes:
    """Notes in order of onset, as arrays of one length.

    Attributes:
        start_s: Onsets in seconds, `(note,)`, ascending.
        end_s: Ends in seconds, after the onsets.
        pitch: MIDI pitches, 21 to 108.
        strength: How sure and loud, in (0, 1].
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    pitch: NDArray[np.int16]
    strength: NDArray[np.float32]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.start_s)

    def shifted(self, seconds: float) -> Notes:
        """Return them later by `seconds`."""
        return Notes(
            start_s=self.start_s + seconds,
            end_s=self.end_s + seconds,
            pitch=self.pitch,
            strength=self.strength,
        )

    def between(self, start_s: float, end_s: float) -> Notes:
        """Return those that begin in [start_s, end_s), times as they are."""
        first, last = np.searchsorted(self.start_s, (start_s, end_s))
        return self.chosen(slice(first, last))

    def chosen(self, which: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Notes:
        """Return some of them, in the same order."""
        return Notes(
            start_s=self.start_s[which],
            end_s=self.end_s[which],
            pitch=self.pitch[which],
            strength=self.strength[which],
        )

    @staticmethod
    def joined(parts: Sequence[Notes]) -> Notes:
        """Return the notes of `parts`, which follow one another in time."""
        empty = Notes(
            start_s=np.zeros(0),
            end_s=np.zeros(0),
            pitch=np.zeros(0, np.int16),
            strength=np.zeros(0, np.float32),
        )
        parts = [*parts] or [empty]
        return Notes(
            start_s=np.concatenate([part.start_s for part in parts]),
            end_s=np.concatenate([part.end_s for part in parts]),
            pitch=np.concatenate([part.pitch for part in parts]),
            strength=np.concatenate([part.strength for part in parts]),
        )
