"""Attribution as far as it can be trusted, and pro rata for the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction

from contrafact.core.errors import AllocationError
from contrafact.ledger.case import Case, Division, Place
from contrafact.ledger.policies.base import (
    Policy,
    add_background,
    corpus_parts,
    divide_by_shares,
    usage_weights,
)
from contrafact.ledger.policies.influence import attributed_shares

__all__ = ["BLENDED", "blend", "reliability_of"]

_DECIMALS = 10**4
_NEEDED = 3


def reliability_of(predicted: Sequence[float], measured: Sequence[float]) -> Fraction:
    """Return how much of a catalogue's predicted influence to believe, in [0, 1].

    It is the smaller of two measures, both through the origin: the squared
    correlation of predicted and measured influence, and the slope of measured
    over predicted. Where a prediction is the truth plus noise of its own, both
    are SNR / (1 + SNR). The correlation does not see a wrong scale, and the
    slope does: a catalogue made to attract three times its influence has a
    third of its reliability.

    Args:
        predicted: Influence of the catalogue on several outputs, by attribution.
        measured: Rise of the loss of the same outputs when the model is trained
            without the catalogue, in the same unit.

    Returns:
        To four decimals, rounded down; 0 for fewer than three pairs,
        since nothing was measured.

    Raises:
        AllocationError: If there are not as many of one as of the other.

    References:
        Zhang et al., "What's a Credit Worth?", arXiv 2607.00641, 2026, for
        payment by the signal-to-noise ratio of a catalogue's attribution,
        measured by leaving the catalogue out. This is the textbook shrinkage
        of a noisy measurement and not their contract, whose rate depends on
        costs and preferences that a ledger does not know.

    Example:
        >>> reliability_of([1.0, 2.0, 3.0], [0.5, 1.0, 1.5])  # twice too much
        Fraction(1, 2)
        >>> reliability_of([1.0, 2.0, 3.0], [3.0, 0.0, 3.0])  # noise
        Fraction(2857, 5000)
    """
    if len(predicted) != len(measured):
        raise AllocationError(
            f"{len(predicted)} predicted influences and {len(measured)} measured "
            "ones. Give pairs."
        )
    pairs = [
        (Fraction(p), Fraction(m)) for p, m in zip(predicted, measured, strict=True)
    ]
    joint = sum((p * m for p, m in pairs), start=Fraction(0))
    of_p = sum((p * p for p, _ in pairs), start=Fraction(0))
    of_m = sum((m * m for _, m in pairs), start=Fraction(0))
    if len(pairs) < _NEEDED or joint <= 0:
        return Fraction(0)
    within = min(joint / of_p, joint * joint / (of_p * of_m), Fraction(1))
    return Fraction(int(within * _DECIMALS), _DECIMALS)


def blend(case: Case, trust: Callable[[str], Fraction], *, by: str) -> Division:
    """Pay shares times trust by attribution, and everything else pro rata.

    Args:
        case: What is divided.
        trust: Of a source, in [0, 1]: 1 for all sources is the policy
            `influence`, 0 is pro rata.
        by: As in `corpus_parts`.
    """
    full, rest_of, missing = divide_by_shares(
        case, usage_weights(case.usage), shares=attributed_shares(case)
    )
    rest: dict[Place, Fraction] = defaultdict(Fraction, rest_of)
    attributed: dict[tuple[str, Place], Fraction] = {}
    for (source, place), amount in full.items():
        believed = amount * trust(source)
        rest[place] += amount - believed
        if believed:
            attributed[source, place] = believed
    return add_background(
        attributed, rest, parts=corpus_parts(case, by=by), missing=missing
    )


def _blended(case: Case) -> Division:
    reliability = case.facts.reliability
    for catalogue, value in reliability.items():
        if not 0 <= value <= 1:
            raise AllocationError(
                f"The reliability of {catalogue} is {value}; it must be from 0 to 1. "
                "Correct it, or have it measured."
            )

    def trust(source: str) -> Fraction:
        return reliability.get(case.facts.catalogue_of(source), Fraction(0))

    return blend(case, trust, by="minutes")


BLENDED = Policy(
    name="blended",
    version=1,
    background="pro rata to the length of the licensed recordings, with what "
    "attribution is not trusted for",
    reference="Zhang et al., 'What's a Credit Worth?', arXiv 2607.00641: noisy "
    "attribution shifts pay from royalty to fixed fee, catalogue by catalogue",
    divide=_blended,
)
