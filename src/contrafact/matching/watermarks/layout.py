"""Which cell of time and frequency carries which bit: a secret of the key.

The plane is divided in bands of a fraction of an octave and in cells of about
a tenth of a second. Two cells of a band that follow each other are a pair: one
is made louder, the other softer. A pair belongs to one coded bit, or to the
pattern by which the detector finds where the message begins. The whole is
repeated all through the recording.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.watermarks.bits import N_CODED

__all__ = ["Layout", "Settings"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The shape of the mark; embedder and detector must agree on it.

    Attributes:
        hop_s: Seconds between the frames of the analysis; a quarter of its
            window.
        lowest_hz: Lower edge of the lowest band.
        n_bands: Bands, each `bands_per_octave`-th of an octave.
        frames_per_cell: Frames of one cell.
        n_pairs: Pairs of cells, in one band, of one message.
        sync_part: Part of the pairs that tell where a message begins.
        strength: By how much a pair is changed, as a part of how much the
            sound in its band changes by itself.
        least_db: The least and
        most_db: the most by which a pair is changed.
    """

    hop_s: float = 0.016
    lowest_hz: float = 300.0
    n_bands: int = 32
    bands_per_octave: float = 8.0
    frames_per_cell: int = 6
    n_pairs: int = 24
    sync_part: float = 0.25
    strength: float = 0.25
    least_db: float = 0.4
    most_db: float = 1.5

    @property
    def edges_hz(self) -> Array:
        """Edges of the bands, `(n_bands + 1,)`."""
        return self.edges_beside(0)

    def edges_beside(self, count: int) -> Array:
        """Return the edges with those of so many bands more on either side."""
        steps = np.arange(-count, self.n_bands + count + 1) / self.bands_per_octave
        return np.asarray(self.lowest_hz * 2.0**steps, dtype=np.float64)

    @property
    def period(self) -> int:
        """Frames of one message."""
        return 2 * self.frames_per_cell * self.n_pairs


@dataclass(frozen=True)
class Layout:
    """The pattern of one key.

    Attributes:
        key: Any bytes; only who has them can read or imitate the mark.
    """

    key: bytes
    settings: Settings

    @cached_property
    def signs(self) -> Array:
        """Which cell of a pair is the louder one, ±1, `(n_bands, n_pairs)`."""
        shape = (self.settings.n_bands, self.settings.n_pairs)
        drawn = self._rng("signs").integers(0, 2, shape)
        return np.asarray(2.0 * drawn - 1.0, dtype=np.float64)

    @cached_property
    def roles(self) -> NDArray[np.int64]:
        """The coded bit that a pair carries, -1 for the pattern; as `signs`."""
        s = self.settings
        n_cells = s.n_bands * s.n_pairs
        n_sync = round(s.sync_part * n_cells)
        ranks = np.arange(n_cells - n_sync) % N_CODED
        roles = np.concatenate([np.full(n_sync, -1), ranks])
        return self._rng("roles").permutation(roles).reshape(s.n_bands, s.n_pairs)

    def wanted(self, coded: NDArray[np.uint8]) -> Array:
        """Return the direction of every pair for a message, ±1, as `signs`."""
        # The last place is read by the role -1.
        values = np.append(2.0 * coded - 1.0, 1.0)
        return np.asarray(self.signs * values[self.roles], dtype=np.float64)

    def _rng(self, purpose: str) -> np.random.Generator:
        seed = hashlib.sha256(purpose.encode() + b"\0" + self.key).digest()
        return np.random.Generator(np.random.Philox(int.from_bytes(seed[:16], "big")))
