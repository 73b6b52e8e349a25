"""What a report is made from: finished results, and sounds as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contrafact.core.errors import ReportError
from contrafact.core.results import Attribution, Verification
from contrafact.core.units import Seconds

__all__ = ["ReportInputs", "Sound"]

_N_AXES = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sound:
    """Audio to be drawn and played.

    Attributes:
        samples: `(channel, time)`, float32, full scale at 1.
        sample_rate: Hz, above 0.

    Raises:
        ReportError: If the array has another shape or the rate is not above 0.
    """

    samples: NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        """Refuse arrays that are not `(channel, time)`."""
        if self.samples.ndim != _N_AXES or self.sample_rate <= 0:
            raise ReportError(
                "A sound must be (channel, time) at a rate above 0 Hz, found shape "
                f"{self.samples.shape} at {self.sample_rate} Hz. Add the channel axis."
            )

    @property
    def duration_s(self) -> Seconds:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.sample_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInputs:
    """Everything that one HTML report shows.

    Attributes:
        verification: None where the answer was not checked; the report says so.
        query_sound: The song that was explained.
        recording_sounds: By recording id, for the passages: the recording from
            its start, or the matched passage alone. May lack some.
        regenerated: Songs made again from the same prompt and seed by the
            models trained without some recordings, by `Removal.kind`.
        training_curve: `(step, loss)` of the model's training, or None.
        window_sounds: By recording id, what the columns of a passage's heat map are
            of, from the first on; a map without it is not heard.
    """

    attribution: Attribution
    verification: Verification | None
    query_sound: Sound
    recording_sounds: Mapping[str, Sound]
    regenerated: Mapping[str, Sound]
    training_curve: Sequence[tuple[int, float]] | None
    window_sounds: Mapping[str, Sound] = field(default_factory=dict)
