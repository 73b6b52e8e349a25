"""What the ledger is told, as plain frozen records.

Whoever found shares or rights hands them over as these; the ledger asks
neither how they were found nor what a tensor is. Shares are exact fractions:
a share that a file states as a decimal is that decimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from contrafact.core.errors import AllocationError

__all__ = ["Holding", "OutputAttribution", "PlayEvent", "ShareRecord", "is_in_force"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRecord:
    """How much one source shaped one output.

    Attributes:
        output_id: The song, by the SHA-256 of its file.
        source_id: A recording for the master, a work for the composition.
        share: In [0, 1]; what is not told apart has 0.
        low: Low end of its interval, `low <= share`.
        high: High end, `share <= high`.
        is_significant: Whether it is told apart from what any song reaches.

    Raises:
        AllocationError: If share and interval contradict each other.
    """

    output_id: str
    source_id: str
    share: Fraction
    low: Fraction
    high: Fraction
    is_significant: bool = True

    def __post_init__(self) -> None:
        """Check what cannot be."""
        if not 0 <= self.low <= self.share <= self.high <= 1:
            raise AllocationError(
                f"The share of {self.source_id} in {self.output_id} is "
                f"{float(self.share):g} with interval {float(self.low):g} to "
                f"{float(self.high):g}; they must be in order, from 0 to 1. "
                "Attribute the song again."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAttribution:
    """The shares of all sources of one kind in one output, and the rest.

    Attributes:
        attribution_id: The run that found them.
        model: Digest or id of the generative model.
        corpus: Digest of what it learned from.
        unattributed: What is below the noise floor or not told apart; with the
            shares it sums to exactly 1. Codecs round shares found in floating
            point down, so that this can be asked.
        kind: What the sources are: `recording` or `work`.

    Raises:
        AllocationError: If a share is of another output, two are of one
            source, or they do not sum to 1 with the rest.
    """

    output_id: str
    attribution_id: str
    model: str
    corpus: str
    shares: tuple[ShareRecord, ...]
    unattributed: Fraction
    kind: str = "recording"

    def __post_init__(self) -> None:
        """Check what cannot be."""
        total = sum((s.share for s in self.shares), start=Fraction(0))
        whole = total + self.unattributed
        if self.unattributed < 0 or whole != 1:
            raise AllocationError(
                f"Shares of {self.output_id} ({self.attribution_id}) sum to "
                f"{float(total):g} and the rest is {float(self.unattributed):g}, not "
                "1 together. Attribute the song again."
            )
        sources = {s.source_id for s in self.shares}
        outputs = {s.output_id for s in self.shares} | {self.output_id}
        if len(sources) != len(self.shares) or len(outputs) != 1:
            raise AllocationError(
                f"{self.attribution_id} has two shares of one source, or shares of "
                f"more than one output ({len(outputs)}). Attribute the song again."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A part of one right in one recording or work.

    Attributes:
        source_id: The recording, for `master`; the work, for `composition`.
        right: `master` or `composition`.
        payee: Who is paid; None where somebody holds it and nobody knows who.
        fraction: Above 0 and at most 1.
        territory: Countries by ISO 3166-1 alpha-2; None for the whole world.
        valid_until: The last day, or None.

    Raises:
        AllocationError: If the fraction is out of range.
    """

    source_id: str
    right: str
    payee: str | None
    fraction: Fraction
    territory: frozenset[str] | None = None
    valid_from: date | None = None
    valid_until: date | None = None

    def __post_init__(self) -> None:
        """Check what cannot be."""
        if not 0 < self.fraction <= 1:
            raise AllocationError(
                f"A part of the {self.right} of {self.source_id} is {self.fraction}; "
                "it must be above 0 and at most 1. Correct the shares on record."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayEvent:
    """Something that was paid for: a play, a generation, a month of a subscriber.

    Attributes:
        event_id: From whoever reports it; the key by which it counts once.
        output_id: The song, by the SHA-256 of its file.
        at: When, with a time zone.
        amount_minor: What it earned, in minor units of `currency`.
        currency: ISO 4217 code.
        user: Who played or generated, under a pseudonym; "" if not told.
        territory: Country by ISO 3166-1 alpha-2; "" if not told.
        kind: `play`, `generation`, or what the rate card knows.
    """

    event_id: str
    output_id: str
    at: datetime
    amount_minor: int
    currency: str
    user: str = ""
    territory: str = ""
    kind: str = "play"


def is_in_force(holding: Holding, *, on: date, territory: str) -> bool:
    """Tell whether a holding counts on a day in a country.

    Args:
        holding: What is asked about.
        on: The day.
        territory: A country; "" where it is not known, which only a holding
            for the whole world covers.
    """
    is_now = (holding.valid_from or date.min) <= on <= (holding.valid_until or date.max)
    return is_now and (holding.territory is None or territory in holding.territory)
