"""A corpus as generators see it: latent windows with their captions.

A recording longer than a model's window becomes several windows. Which
recording a window came from stays with it, so that scores of windows can be
summed to scores of recordings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contrafact.core.errors import TrainingError
from contrafact.core.units import Digest
from contrafact.generators.base import LatentBatch

__all__ = ["LatentSet", "LatentWindow", "cut_windows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentWindow:
    """One training item.

    Attributes:
        recording_id: The recording it was cut from.
        start_s: Where in the recording it begins.
        caption: Text it is trained with; "" if there is none.
        caption_anonymous: The same without the artist's name; "" if none.
    """

    recording_id: str
    start_s: float
    caption: str = ""
    caption_anonymous: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LatentSet:
    """Windows and their latents, in one order that never changes.

    Attributes:
        windows: What each row is.
        latents: One `(latent_channel, n_tokens)` float32 tensor a row.

    Raises:
        TrainingError: If rows and windows do not go together, or the rows not with
            each other, or a row is not finite.
    """

    windows: tuple[LatentWindow, ...]
    latents: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        """Check that rows and windows go together, and that all are numbers."""
        if len(self.windows) != len(self.latents) or not self.windows:
            raise TrainingError(
                f"A latent set needs one latent per window and at least one window; "
                f"found {len(self.windows)} windows and {len(self.latents)} latents."
            )
        if {row.ndim for row in self.latents} != {2} or (
            len({row.shape[0] for row in self.latents}) != 1
        ):
            shapes = sorted({tuple(row.shape) for row in self.latents})
            raise TrainingError(
                "The latents of a set need two axes and equal channels; found shapes "
                f"{shapes!s:.60}. Encode all of them with one codec."
            )
        odd = [
            window.recording_id
            for window, row in zip(self.windows, self.latents, strict=True)
            if not bool(torch.isfinite(row).all())
        ]
        if odd:
            raise TrainingError(
                f"The latents of {len(odd)} window(s) are not finite, the first being "
                f"of recording {odd[0]}. Leave the recording out, or mend its audio."
            )

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self.windows)

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """The recordings, each once, in the order of their first window."""
        return tuple(dict.fromkeys(w.recording_id for w in self.windows))

    @property
    def digest(self) -> Digest:
        """SHA-256 over windows and latents."""
        state = hashlib.sha256()
        for _, part in self._bytes():
            state.update(part)
        return Digest(state.hexdigest())

    def digests(self) -> dict[str, Digest]:
        """Return SHA-256 over the windows and latents of each recording."""
        states = {name: hashlib.sha256() for name in self.recording_ids}
        for window, part in self._bytes():
            states[window.recording_id].update(part)
        return {name: Digest(state.hexdigest()) for name, state in states.items()}

    def _bytes(self) -> Iterator[tuple[LatentWindow, bytes]]:
        """Yield what digests are over, row by row, in two parts each."""
        for window, latent in zip(self.windows, self.latents, strict=True):
            yield window, f"{window!r}:{tuple(latent.shape)};".encode()
            yield window, np.ascontiguousarray(latent.numpy()).tobytes()

    def batch(self, rows: Sequence[int]) -> LatentBatch:
        """Return these rows as one padded batch."""
        return LatentBatch.stack([self.latents[row] for row in rows])

    def n_tokens(self, rows: Sequence[int]) -> list[int]:
        """Return the lengths of these rows in latent tokens."""
        return [int(self.latents[row].shape[-1]) for row in rows]

    def without(self, recording_ids: Iterable[str]) -> LatentSet:
        """Return the set without any window of these recordings.

        Raises:
            TrainingError: If nothing is left.
        """
        gone = set(recording_ids)
        kept = [i for i, w in enumerate(self.windows) if w.recording_id not in gone]
        return LatentSet(
            tuple(self.windows[i] for i in kept), tuple(self.latents[i] for i in kept)
        )


def cut_windows(latents: Tensor, *, max_tokens: int) -> list[tuple[int, Tensor]]:
    """Cut the latents of a recording into windows of nearly equal length.

    Args:
        latents: `(latent_channel, n_tokens)`.
        max_tokens: Longest window.

    Returns:
        Pairs of first token and latents, in order; they cover every token once.

    Raises:
        TrainingError: If there is no token, or a window could hold none.

    Example:
        >>> [part.shape[-1] for _, part in cut_windows(torch.ones(4, 10), max_tokens=4)]
        [4, 3, 3]
    """
    total = latents.shape[-1]
    if total < 1 or max_tokens < 1:
        raise TrainingError(
            f"Cannot cut {total} tokens into windows of {max_tokens}. Both must be at "
            "least 1."
        )
    n_windows = -(-total // max_tokens)
    parts = torch.tensor_split(latents, n_windows, dim=-1)
    starts = np.cumsum([0, *[part.shape[-1] for part in parts[:-1]]])
    return [
        (int(start), part.contiguous())
        for start, part in zip(starts, parts, strict=True)
    ]
