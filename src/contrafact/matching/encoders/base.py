"""What every encoder offers: windows of audio in, vectors out, and their likeness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from contrafact.core.errors import MatchingError
from contrafact.core.units import Seconds

__all__ = [
    "Embedding",
    "Encoder",
    "Meaning",
    "Nearness",
    "heard_windows",
    "window_starts",
]

Floats = NDArray[np.float32]
Meaning = Literal["work", "style"]
Nearness = Literal["cosine", "distance"]
_AT_ONCE = 4  # windows given to a network together; more needs much memory


class Encoder(Protocol):
    """A network that makes a vector of a window of audio.

    Attributes:
        name: Under which it is known.
        meaning: What two vectors that are alike have in common: the `work`, or the
            `style`: sound, instruments, genre.
        sample_rate: Of the audio it takes, in Hz.
        window_s: Length of a window.
        hop_s: From the beginning of a window to that of the next.
        dimension: Of its vectors.
        nearness: How two vectors are compared: by the cosine of the angle between
            them, or by minus their squared distance over the dimension.
        digest: SHA-256 of its weights and settings; vectors of two encoders are
            comparable if it is the same.
    """

    name: str
    meaning: Meaning
    sample_rate: int
    window_s: Seconds
    hop_s: Seconds
    dimension: int
    nearness: Nearness
    digest: str

    def encode(self, windows: Floats) -> Floats:
        """Return vectors, `(window, dimension)`, finite.

        Args:
            windows: Mono at `sample_rate`, `(window, window_s * sample_rate)`,
                finite. What a vector is does not depend on the others.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The vectors of a piece of audio.

    Attributes:
        start_s: Where each window begins, `(window,)`, ascending.
        vectors: `(window, dimension)`.
        window_s: Length of a window.
        duration_s: Of the piece, which ends the last window.
    """

    start_s: NDArray[np.float64]
    vectors: Floats
    window_s: Seconds
    duration_s: Seconds

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self.start_s)

    def span_s(self, window: int) -> tuple[Seconds, Seconds]:
        """Return where a window begins and ends."""
        start = float(self.start_s[window])
        return start, min(start + self.window_s, self.duration_s)


def window_starts(
    duration_s: Seconds, window_s: Seconds, hop_s: Seconds
) -> list[Seconds]:
    """Return where windows begin: one every hop, the last one up to the end.

    Example:
        >>> window_starts(47.0, 20.0, 10.0)
        [0.0, 10.0, 20.0, 27.0]
        >>> window_starts(3.0, 20.0, 10.0)
        [0.0]
    """
    last = max(0.0, duration_s - window_s)
    n_whole = int(last // hop_s) + 1
    starts = [i * hop_s for i in range(n_whole)]
    # Less than a tenth of a hop more is no other window.
    return [*starts, last] if last - starts[-1] > 0.1 * hop_s else starts


def heard_windows(encoder: Encoder, samples: Floats) -> Embedding:
    """Return the vectors of a piece of audio.

    What is shorter than a window is repeated until it fills one.

    Args:
        encoder: The network.
        samples: Mono at its rate, `(time,)`, at least one, finite.

    Raises:
        MatchingError: If the samples are of another shape or not finite.
    """
    if samples.ndim != 1 or not len(samples):
        raise MatchingError(
            f"Audio to encode is of shape {samples.shape}; it should be of one "
            "dimension and not empty. Mix it to mono first."
        )
    if not np.isfinite(samples).all():
        raise MatchingError(
            "Audio to encode holds values that are not numbers. Decode it again."
        )
    duration_s = len(samples) / encoder.sample_rate
    n = round(encoder.window_s * encoder.sample_rate)
    whole = np.resize(samples, n) if len(samples) < n else samples
    starts = window_starts(duration_s, encoder.window_s, encoder.hop_s)
    first = [min(round(s * encoder.sample_rate), len(whole) - n) for s in starts]
    parts = [
        encoder.encode(np.stack([whole[f : f + n] for f in first[i : i + _AT_ONCE]]))
        for i in range(0, len(first), _AT_ONCE)
    ]
    return Embedding(
        start_s=np.array(starts),
        vectors=np.concatenate(parts),
        window_s=encoder.window_s,
        duration_s=duration_s,
    )
