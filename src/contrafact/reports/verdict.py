"""What a verification says about the answer, in plain sentences.

A miss is stated as a miss. Two rises count as different only where their 90 %
intervals do not overlap, which is stricter than a test of their difference.
"""

from __future__ import annotations

from collections.abc import Mapping

from contrafact.core.results import Removal, Verification
from contrafact.reports._format import MINUS, is_number, percent

__all__ = ["relative_rise", "verdict"]

# The ratio to a rise of nearly nothing says nothing.
_LARGEST_RATIO = 20


def relative_rise(verification: Verification, rise: float) -> float | None:
    """Return a rise over the full model's loss, or None where undefined."""
    if not is_number(rise) or not is_number(verification.loss):
        return None
    return rise / verification.loss if verification.loss > 0 else None


def verdict(verification: Verification) -> str:
    """Return what came out, in two sentences, misses included."""
    removals: dict[str, Removal] = {r.kind: r for r in verification.removals}
    named = removals.get("named")
    if named is None or not is_number(named.rise):
        return "The named recordings were not removed, so nothing was checked."
    sentences = [_against_random(verification, removals)]
    if "similar" in removals:
        sentences.append(_against_similar(verification, removals))
    return " ".join(sentences)


def _against_random(verification: Verification, removals: Mapping[str, Removal]) -> str:
    named, random = removals["named"], removals.get("random")
    removing = f"Removing {_which(verification.k)}"
    if named.rise <= 0:
        return (
            f"{removing} did not raise the loss on this song "
            f"({_size(verification, named)}): this answer is not confirmed."
        )
    rose = f"{removing} raised the loss on this song by {_size(verification, named)}"
    if random is None or not is_number(random.rise):
        return f"{rose}; no random ones were removed to compare with."
    by_chance = _size(verification, random)
    if named.rise <= random.rise:
        return (
            f"{rose}, no more than removing as many random ones ({by_chance}): "
            "this answer is not confirmed."
        )
    if not _is_above(named, random):
        return (
            f"{rose}, more than removing as many random ones ({by_chance}), but the "
            "intervals overlap: this answer is only weakly supported."
        )
    return f"{rose}, {_times(named, random)} ({by_chance}): this supports the answer."


def _against_similar(
    verification: Verification, removals: Mapping[str, Removal]
) -> str:
    named, similar = removals["named"], removals["similar"]
    if not is_number(similar.rise):
        return "Removing the most similar ones gave no result."
    size = _size(verification, similar)
    if _is_above(named, similar):
        return f"It also did more than removing the most similar ones ({size})."
    if named.rise > similar.rise:
        return (
            f"Removing the most similar ones did less ({size}), but the intervals "
            "overlap."
        )
    return (
        f"Removing the most similar ones did as much or more ({size}): here a plain "
        "comparison of sound would have answered as well."
    )


def _which(k: int) -> str:
    return "the named recording" if k == 1 else f"the {k} named recordings"


def _size(verification: Verification, removal: Removal) -> str:
    relative = relative_rise(verification, removal.rise)
    if relative is None:
        return f"{removal.rise:.3g}".replace("-", MINUS)
    return percent(relative)


def _times(named: Removal, random: Removal) -> str:
    if random.rise <= 0:
        return "where removing as many random ones raised nothing"
    ratio = named.rise / random.rise
    if ratio > _LARGEST_RATIO:
        return f"over {_LARGEST_RATIO} times as much as removing as many random ones"
    return f"{ratio:.1f} times as much as removing as many random ones"


def _is_above(one: Removal, other: Removal) -> bool:
    return one.rise_interval.low > other.rise_interval.high
