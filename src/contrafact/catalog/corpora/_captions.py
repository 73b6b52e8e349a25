"""Words for what is heard: key, metre, tempo, and captions in two wordings.

The vocabulary is small and regular, because a text encoder may have to learn
it from some hundred captions. All words are lower case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.corpora._notation import Note

__all__ = ["estimate_key", "key_words", "metre_words", "pace_words", "tempo_words"]

_SLOW, _FAST = 2.5, 5.0  # onsets in a second
_NAMES = (
    "c", "c sharp", "d", "e flat", "e", "f", "f sharp", "g", "a flat", "a",
    "b flat", "b",
)  # fmt: skip
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def estimate_key(notes: Sequence[Note]) -> tuple[int, bool]:
    """Return (tonic, is minor) whose key profile fits the notes best.

    Args:
        notes: At least one.

    References:
        Krumhansl, "Cognitive Foundations of Musical Pitch", 1990, chapter 4.
    """
    weights = np.zeros(12)
    for note in notes:
        weights[note.pitch % 12] += note.length
    fits = [
        (_correlation(np.roll(profile, tonic), weights), -tonic, not is_minor)
        for is_minor, profile in ((False, np.array(_MAJOR)), (True, np.array(_MINOR)))
        for tonic in range(12)
    ]
    _, tonic, is_major = max(fits)
    return -tonic, not is_major


def _correlation(profile: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    centred = weights - weights.mean()
    return float(np.dot(profile - profile.mean(), centred) / profile.std())


def key_words(tonic: int, *, is_minor: bool) -> str:
    """Return the name of a key.

    Example:
        >>> key_words(3, is_minor=False)
        'e flat major'
    """
    return f"{_NAMES[tonic % 12]} {'minor' if is_minor else 'major'}"


def metre_words(metre: tuple[int, int]) -> tuple[str, str]:
    """Return the metre in words, and in other words.

    Example:
        >>> metre_words((6, 8)), metre_words((3, 4))
        (('compound time', 'swaying'), ('triple time', 'in three'))
    """
    groups, rest = divmod(metre[0], 3)
    if rest or not groups:
        return "duple time", "in two"
    return ("triple time", "in three") if groups == 1 else ("compound time", "swaying")


def tempo_words(onsets_per_s: float) -> tuple[str, str]:
    """Return how fast music is that starts this many notes in a second.

    Example:
        >>> tempo_words(1.5), tempo_words(3.5), tempo_words(7.0)
        (('slow', 'calm'), ('moderate', 'walking'), ('fast', 'quick'))
    """
    return pace_words(onsets_per_s, slow=_SLOW, fast=_FAST)


def pace_words(speed: float, *, slow: float, fast: float) -> tuple[str, str]:
    """Return a speed in words, and in other words.

    Args:
        speed: In any unit.
        slow: Below this it is slow.
        fast: From this on it is fast.

    Example:
        >>> pace_words(119.0, slow=95, fast=120)
        ('moderate', 'walking')
    """
    if speed < slow:
        return "slow", "calm"
    return ("moderate", "walking") if speed < fast else ("fast", "quick")
