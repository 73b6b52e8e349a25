"""What every watermark is: a name, a payload, a way in and a way out.

A watermark changes the sound itself, below what is heard, so that the mark
stays when tags and credentials are stripped. Here is the contract; each
scheme has a file of its own, and a line in `registry.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from contrafact.core.errors import AudioError, WatermarkError

__all__ = [
    "Bits",
    "Detection",
    "Samples",
    "Watermark",
    "at_rate",
    "check_bits",
    "check_markable",
    "check_sound",
    "fitted",
]

Samples = NDArray[np.float32]
"""Sound, `(channel, time)`, full scale at 1."""

Bits = NDArray[np.uint8]
"""A payload, `(n_bits,)`, each 0 or 1."""

_SILENT_BELOW = 1e-4
_FULL_SCALE = 0.999
_MOST_CLIPPED = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """What a detector read.

    Attributes:
        is_found: Whether there is a mark, at `false_positive_rate`.
        bits: The best guess of the payload, `(n_bits,)`; random where nothing
            is found, and empty for a scheme that carries no payload.
        confidence: How sure the payload is, in [0, 1]; comparable within one
            scheme only.
        false_positive_rate: How many unmarked recordings are called marked at
            this threshold: by design where the scheme has a check of its own,
            measured for the others; None where neither is known.
        detail: What was seen, in words.
    """

    is_found: bool
    bits: Bits
    confidence: float
    false_positive_rate: float | None
    detail: str = ""


class Watermark(Protocol):
    """A scheme that is ready for use: keys and weights are loaded.

    Attributes:
        name: As in the registry.
        n_bits: Of the payload; 0 if it only tells whether there is a mark.
        sample_rate: The rate it works at, Hz; other rates are resampled.
        least_s: Seconds of sound below which nothing can be read.
    """

    name: str
    n_bits: int
    sample_rate: int
    least_s: float

    def embed(self, samples: Samples, sample_rate: int, bits: Bits) -> Samples:
        """Return the sound with the mark in it; shape, rate and level stay.

        Args:
            samples: `(channel, time)`, full scale at 1.
            sample_rate: In Hz.
            bits: The payload, `(n_bits,)`.

        Raises:
            AudioError: If it is silent, too short, clipped, or not numbers.
            WatermarkError: If the payload has another length.
        """

    def detect(self, samples: Samples, sample_rate: int) -> Detection:
        """Look for the mark; "there is none" is the answer unless it is sure.

        Args:
            samples: `(channel, time)`, full scale at 1.
            sample_rate: In Hz.

        Raises:
            AudioError: If it is silent, too short, or not numbers.
        """


def check_sound(samples: Samples, sample_rate: int, *, least_s: float) -> None:
    """Raise unless a mark can be looked for.

    Raises:
        AudioError: If it is silent, too short, or holds what is no number.
    """
    if samples.ndim != 2 or samples.size == 0:
        raise AudioError(
            f"Expected sound of shape (channel, time), found {samples.shape}. Give "
            "at least one channel and one sample."
        )
    if not np.isfinite(samples).all():
        raise AudioError(
            "The sound holds NaN or infinity. Find out what made it, and write it anew."
        )
    duration_s = samples.shape[1] / sample_rate
    if duration_s < least_s:
        raise AudioError(
            f"The sound lasts {duration_s:.2f} s; a watermark needs at least "
            f"{least_s:.1f} s. Give more of it."
        )
    if float(np.abs(samples).max()) < _SILENT_BELOW:
        raise AudioError("The sound is silent: there is nothing to carry a watermark.")


def check_markable(samples: Samples, sample_rate: int, *, least_s: float) -> None:
    """Raise unless a mark can be put in.

    Raises:
        AudioError: As for `check_sound`, or if the sound is clipped: what a
            mark adds would be cut off again.
    """
    check_sound(samples, sample_rate, least_s=least_s)
    clipped = float((np.abs(samples) >= _FULL_SCALE).mean())
    if clipped > _MOST_CLIPPED:
        raise AudioError(
            f"The sound is clipped: {clipped:.1%} of its samples are at full scale. "
            "Mark a version before the limiter, or one that is 1 dB softer."
        )


def check_bits(bits: Bits, watermark: Watermark) -> None:
    """Raise unless a payload has the length that a scheme carries.

    Raises:
        WatermarkError: If it has another, or holds anything but 0 and 1.
    """
    if len(bits) != watermark.n_bits or not np.isin(bits, (0, 1)).all():
        raise WatermarkError(
            f"{watermark.name} carries {watermark.n_bits} bits, each 0 or 1; got "
            f"{len(bits)}. Give that many."
        )


def fitted(samples: Samples, added: Samples) -> Samples:
    """Return a sound with what a mark adds, in its length and within full scale.

    Raises:
        AudioError: If more than a thousandth of it would be cut off.
    """
    n = samples.shape[1]
    whole = np.pad(added, ((0, 0), (0, max(0, n - added.shape[1]))))[:, :n]
    marked = samples + whole.astype(np.float32)
    cut = float((np.abs(marked) > 1.0).mean())
    if cut > _MOST_CLIPPED:
        raise AudioError(
            f"The sound is too loud to be marked: {cut:.1%} of its samples would be "
            "cut off. Mark a version that is 1 dB softer."
        )
    return np.clip(marked, -1.0, 1.0)


def at_rate(samples: Samples, sample_rate: int, wanted: int) -> Samples:
    """Return the sound at another sample rate, `(channel, time)`."""
    if sample_rate == wanted:
        return samples
    changed = soxr.resample(np.ascontiguousarray(samples.T), sample_rate, wanted)
    return np.ascontiguousarray(changed.T, dtype=np.float32)
