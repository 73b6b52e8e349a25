"""Style: how alike two recordings sound in timbre, dynamics and rhythm.

A plain, explainable measure: statistics over time of the spectral envelope
(cepstra of mel bands), of how it changes, of loudness and of onsets. It knows
no melody and no words. The weakest of the layers: calibrated on recordings of
other works, and apart from the others for good.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, rfft

from contrafact.core.errors import MatchIndexError
from contrafact.core.evidence import StyleMatch

__all__ = ["SAMPLE_RATE", "StyleIndex", "style_profile"]

SAMPLE_RATE = 16_000
"""Of all audio that is described, in Hz."""

_WINDOW, _HOP = 1_024, 512
_FRAMES_PER_S = SAMPLE_RATE / _HOP
_N_BANDS, _N_CEPSTRA = 40, 20
_LAGS_S = np.geomspace(0.2, 2.0, 14)
_SHORTEST_S = 1.0
_SILENT_BELOW = 1e-4
_N_NULL = 512
_FEWEST_NULL = 20
"""Other recordings a p-value needs; with fewer, nothing is certain."""
_VERSION = 1
_FILE = "style.sqlite"

Profile = NDArray[np.float32]


def style_profile(samples: NDArray[np.float32]) -> Profile | None:
    """Return what describes a sound, `(78,)`; None where nothing can be heard.

    Mean and spread of 20 cepstra, mean step of each from frame to frame,
    spread of loudness, rate of onsets, and how regular they are at 14 periods
    from 0.2 to 2 s. Does not change with the level.

    Args:
        samples: `(n,)`, mono at `SAMPLE_RATE`; at least a second of it.

    References:
        Tzanetakis and Cook, "Musical genre classification of audio signals",
        IEEE TSAP 2002; Logan, "Mel frequency cepstral coefficients for music
        modeling", ISMIR 2000.
    """
    is_short = len(samples) < _SHORTEST_S * SAMPLE_RATE
    if is_short or float(np.abs(samples).max(initial=0.0)) < _SILENT_BELOW:
        return None
    bands = _bands(samples)
    loudness = bands.mean(1)
    is_heard = loudness > loudness.max() - 8.0  # nepers of power: about 35 dB
    cepstra = dct(bands, type=2, norm="ortho", axis=1)[:, 1 : _N_CEPSTRA + 1]
    steps = np.abs(np.diff(cepstra, axis=0)).mean(0)
    kept = cepstra[is_heard]
    return np.concatenate(
        [kept.mean(0), kept.std(0), steps, _rhythm(bands, loudness)]
    ).astype(np.float32)


def _bands(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the log energy of mel bands, `(n_frames, 40)`."""
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    cut = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    parts = []
    for start in range(0, len(cut), 1_024):  # so that memory stays small
        frames = cut[start : start + 1_024] * _hann()
        power = np.abs(rfft(frames, axis=1)) ** 2
        parts.append(np.log(power @ _mel() / max(level, 1e-9) ** 2 + 1e-4))
    return np.concatenate(parts).astype(np.float32)


@cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(_WINDOW).astype(np.float32)


@cache
def _mel() -> NDArray[np.float32]:
    """Return triangles equally wide on the mel scale, `(513, 40)`."""
    top = 1127 * np.log1p(SAMPLE_RATE / 2 / 700)
    edges = 700 * np.expm1(np.linspace(0, top, _N_BANDS + 2) / 1127)
    hz = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)[:, None]
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    rise, fall = (hz - low) / (mid - low), (high - hz) / (high - mid)
    weights = np.maximum(0.0, np.minimum(rise, fall))
    # The lowest bands are narrower than a line of the spectrum.
    weights[np.rint(mid * _WINDOW / SAMPLE_RATE).astype(int), range(_N_BANDS)] += 1e-3
    return np.asarray(weights / weights.sum(0), np.float32)


def _rhythm(
    bands: NDArray[np.float32], loudness: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return spread of loudness, onsets a second, mean onset, 15 regularities."""
    onset = np.maximum(np.diff(bands, axis=0), 0).mean(1)
    flux = onset - onset.mean()
    energy = float(flux @ flux) + 1e-9
    is_onset = (flux[1:-1] > flux[:-2]) & (flux[1:-1] >= flux[2:])
    is_onset &= flux[1:-1] > 0.5 * flux.std()
    rate = is_onset.sum() * _FRAMES_PER_S / max(1, len(flux))
    lags = np.rint(_LAGS_S * _FRAMES_PER_S).astype(int)
    regular = [float(flux[:-n] @ flux[n:]) / energy if n < len(flux) else 0.0
               for n in lags]  # fmt: skip
    return np.array([loudness.std(), rate, onset.mean(), max(regular), *regular])


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Every profile in memory; `unit` holds those that can be heard, as they came.

    Each number is standardised over the catalog, each row of length 1.
    """

    all_works: tuple[tuple[str, str], ...]
    ids: tuple[str, ...]
    works: NDArray[np.str_]
    mean: Profile
    spread: Profile
    unit: Profile

    @classmethod
    def of(cls, rows: Sequence[tuple[str, str, bytes]]) -> Self:
        heard = [row for row in rows if row[2]]
        numbers = np.zeros((0, 1), np.float32)
        if heard:
            numbers = np.stack([np.frombuffer(r[2], np.float32) for r in heard])
        mean = numbers.mean(0) if heard else np.zeros(1, np.float32)
        spread = numbers.std(0) + 1e-6 if heard else np.ones(1, np.float32)
        return cls(
            all_works=tuple((row[0], row[1]) for row in rows),
            ids=tuple(row[0] for row in heard),
            works=np.array([row[1] for row in heard], dtype=np.str_),
            mean=mean,
            spread=spread,
            unit=_unit((numbers - mean) / spread),
        )


def _unit(rows: Profile) -> Profile:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-6), np.float32)


class StyleIndex:
    """The profiles of a catalog, in one SQLite file.

    Reading needs no lock and many processes may do so; who writes is alone for
    the moment of the write. A killed process leaves it whole.
    """

    def __init__(self, directory: Path) -> None:
        """Use an existing index; see `create` and `open`."""
        self._path = directory / _FILE
        self._held: _Table | None = None

    @classmethod
    def create(cls, directory: str | Path) -> Self:
        """Make an empty index, or open the one that is there.

        Raises:
            MatchIndexError: If the one there is damaged or of another version.
        """
        index = cls(Path(directory))
        if not index._path.is_file():
            index._path.parent.mkdir(parents=True, exist_ok=True)
            with index._base() as base:
                base.execute(
                    "CREATE TABLE IF NOT EXISTS profile (recording TEXT PRIMARY KEY, "
                    "work TEXT NOT NULL, numbers BLOB NOT NULL)"
                )
                base.execute(f"PRAGMA user_version={_VERSION}")
        return cls.open(directory)

    @classmethod
    def open(cls, directory: str | Path) -> Self:
        """Open an index.

        Raises:
            MatchIndexError: If there is none, or it is damaged or of another
                version.
        """
        index = cls(Path(directory))
        if not index._path.is_file():
            raise MatchIndexError(
                f"There is no index of style in {directory}. Build it: "
                "`contrafact identify` does."
            )
        index._require_version()
        return index

    def _require_version(self) -> None:
        with self._base() as base:
            version = base.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            raise MatchIndexError(
                f"The index of style {self._path} has version {version}, not "
                f"{_VERSION}. Delete it; it is built again at the next use."
            )

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Every recording in it, in order of id."""
        return tuple(name for name, _ in self._table.all_works)

    @property
    def works(self) -> dict[str, str]:
        """The work of every recording, in order of the recordings' ids."""
        return dict(self._table.all_works)

    @property
    def heard_ids(self) -> tuple[str, ...]:
        """The recordings that have a profile, in the order of `panel`'s columns."""
        return self._table.ids

    def add(
        self, recording_id: str, work_id: str, samples: NDArray[np.float32]
    ) -> None:
        """Add or replace a recording; one that cannot be heard is kept as such.

        Args:
            recording_id: Its name.
            work_id: What it performs; recordings of one work are never nulls
                of each other.
            samples: `(n,)`, mono at `SAMPLE_RATE`.
        """
        profile = style_profile(samples)
        numbers = b"" if profile is None else profile.tobytes()
        with self._base() as base:
            base.execute(
                "INSERT OR REPLACE INTO profile VALUES (?, ?, ?)",
                (recording_id, work_id, numbers),
            )
        self._held = None

    def delete(self, recording_id: str) -> None:
        """Remove a recording; nothing happens if it is not there."""
        with self._base() as base:
            base.execute("DELETE FROM profile WHERE recording=?", (recording_id,))
        self._held = None

    def similarities(self, samples: NDArray[np.float32]) -> dict[str, float]:
        """Return how alike a sound is with each recording, in [-1, 1].

        Empty if the sound cannot be heard, or nothing in the index can.
        """
        profile, table = style_profile(samples), self._table
        if profile is None or not table.ids:
            return {}
        values = table.unit @ _unit((profile - table.mean) / table.spread)
        return dict(zip(table.ids, map(float, values), strict=True))

    def panel(self, n: int, *, seed: int = 0) -> NDArray[np.float32]:
        """Return scores of `n` recordings as queries, `(n, n_recordings)`.

        Each against all that can be heard; its own work scores -1, as if the
        catalog did not hold it.
        """
        table = self._table
        rows = np.random.default_rng(seed).permutation(len(table.ids))[:n]
        scores = table.unit[rows] @ table.unit.T
        scores[table.works[rows][:, None] == table.works[None]] = -1.0
        return np.asarray(scores, np.float32)

    def identify(
        self,
        samples: NDArray[np.float32],
        *,
        max_p: float = 0.05,
        n_best: int = 10,
    ) -> tuple[StyleMatch, ...]:
        """Return the recordings that sound most alike, best first.

        The p-value of a recording is how often recordings of other works are
        as alike with it as the query is: a recording that is alike with
        everything is alike with nothing in particular.

        Args:
            samples: `(n,)`, mono at `SAMPLE_RATE`.
            max_p: Leave out what is less certain. With fewer than 20 other
                works in the catalog nothing is certain enough.
            n_best: Return at most so many.
        """
        found = self.similarities(samples)
        best = sorted(found, key=lambda name: (-found[name], name))[: 4 * n_best]
        matches = [
            StyleMatch(recording_id=name, score=round(found[name], 4), p_value=p)
            for name in best
            if (p := self._p_value(name, found[name])) <= max_p
        ]
        return tuple(sorted(matches, key=lambda m: (m.p_value, -m.score)))[:n_best]

    def _p_value(self, name: str, score: float) -> float:
        table = self._table
        row = table.ids.index(name)
        others = np.flatnonzero(table.works != table.works[row])
        if len(others) < _FEWEST_NULL:
            return 1.0
        if len(others) > _N_NULL:
            others = np.random.default_rng(row).choice(others, _N_NULL, replace=False)
        null = table.unit[others] @ table.unit[row]
        return float((1 + (null >= score).sum()) / (1 + len(null)))

    @property
    def _table(self) -> _Table:
        if self._held is None:
            with self._base() as base:
                rows = base.execute(
                    "SELECT recording, work, numbers FROM profile ORDER BY recording"
                ).fetchall()
            self._held = _Table.of(rows)
        return self._held

    @contextmanager
    def _base(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=60)) as base, base:
                yield base
        except sqlite3.Error as error:
            raise MatchIndexError(
                f"The index of style {self._path} cannot be used ({error}). Delete it; "
                "it is built again at the next use."
            ) from error
