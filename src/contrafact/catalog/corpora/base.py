"""What every corpus shares: its settings, its protocol, and one row of metadata.

A corpus is a folder of FLAC files with a `metadata.csv` beside them, the same
as any folder of a user's own audio; nothing later treats it specially. How the
audio comes about belongs in the modules of the single corpora.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contrafact.core.errors import CorpusError

__all__ = [
    "COLUMNS",
    "SAMPLE_RATE",
    "Corpus",
    "CorpusSettings",
    "Entry",
    "Progress",
]

SAMPLE_RATE = 16_000
"""Of all audio that a corpus writes, in Hz."""

COLUMNS = (
    "file",
    "title",
    "artists",
    "work",
    "iswc",
    "isrc",
    "label",
    "group",
    "caption",
    "caption_anonymous",
)
"""The columns of `metadata.csv`."""

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSettings:
    """How much of a corpus to write.

    Attributes:
        n_recordings: Recordings for training, at least one per artist.
        seed: Chooses works, passages and variation; same seed, same bytes.
        n_workers: Processes that render; has no effect on the result.
        n_heldout: Recordings for evaluation, in the subfolder `heldout`; what
            is written for training does not depend on it, as long as there
            are works enough for both.

    Raises:
        CorpusError: If a number is out of range.
    """

    n_recordings: int = 512
    seed: int = 0
    n_workers: int = 2
    n_heldout: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        lowest = {"n_recordings": 1, "seed": 0, "n_workers": 1, "n_heldout": 0}
        for name, least in lowest.items():
            if (found := getattr(self, name)) < least:
                raise CorpusError(f"{name} must be at least {least}, not {found}.")

    def require_artists(self, n_artists: int) -> None:
        """Raise unless there is a recording for training by every artist.

        Raises:
            CorpusError: If there are fewer recordings than artists.
        """
        if self.n_recordings < n_artists:
            raise CorpusError(
                f"The corpus has {n_artists} artists, so {self.n_recordings} "
                f"recording(s) are too few. Ask for at least {n_artists}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of `metadata.csv`: what is known about one recording."""

    file: str
    title: str
    artists: tuple[str, ...]
    work: str
    label: str
    group: str
    caption: str
    caption_anonymous: str

    def row(self) -> list[str]:
        """Return the values in the order of `COLUMNS`; no code is invented."""
        artists = ";".join(self.artists)
        head = [self.file, self.title, artists, self.work, "", ""]
        return [*head, self.label, self.group, self.caption, self.caption_anonymous]


class Corpus(Protocol):
    """Something that writes a folder of audio with its metadata."""

    name: str

    def write(
        self,
        directory: Path,
        settings: CorpusSettings,
        *,
        progress: Progress | None = None,
    ) -> Path:
        """Write the corpus and return the path of its `metadata.csv`.

        Files that are there already are kept, so a killed run goes on where it
        stopped. The bytes depend on `n_recordings`, `n_heldout` and `seed`
        only. Processes are started by spawning: a script that calls this with
        `n_workers` above 1 guards its own start with `if __name__ == ...`.

        Args:
            directory: Made if it is missing; must hold no other audio.
            settings: How much to write.
            progress: Called with (files done, files in all).

        Raises:
            CorpusError: If a part is not installed, there is not enough
                material, or the directory holds other audio.
            StorageError: If the disk is full or not writable.
        """
        ...
