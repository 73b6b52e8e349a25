"""What a sound shows of its decoder, in words, whether or not it has a name."""

from __future__ import annotations

from collections.abc import Sequence

from contrafact.core.matches import Verdict
from contrafact.matching.origin.calibration import MIN_HUMANS, Calibration
from contrafact.matching.origin.chain import RATE
from contrafact.matching.origin.comb import implied_strides
from contrafact.matching.origin.hearing import Heard, Row
from contrafact.matching.origin.scores import ClassScore

__all__ = ["describe"]

_PLAIN_COMB = 8.0
_PLAIN_LINES = 6.0
_MOVED = 0.002


def describe(
    heard: Heard,
    row: Row,
    ranked: Sequence[tuple[str, ClassScore]],
    *,
    verdict: Verdict,
    name: str | None,
    calibration: Calibration | None,
    is_disowned: bool = False,
) -> str:
    """Return sentences on the comb, the rate, the band and the nearest class.

    Args:
        heard: The recording.
        row: The channel that is spoken of.
        ranked: Classes with their scores, the best first.
        verdict: What is said of it.
        name: The generator that is named.
        calibration: None if too little is enrolled.
        is_disowned: Whether the nearest class's own codec does not know the sound.
    """
    said = [_opening(verdict, name)]
    if calibration is None:
        said.append(
            f"Enrol a generator and {MIN_HUMANS} recordings by people: rates of "
            "false alarms are measured on them."
        )
    elif ranked and not name:
        said += _alike(calibration, ranked[0][0])
    if row.channel != "mix":
        said.append(f"The channels differ; this is of the {row.channel} one.")
    if ranked:
        said.append(_nearest(ranked[0], name))
        said += _beatless(ranked[0])
    if is_disowned:
        said.append(
            f"The codec of {ranked[0][0]} does not know the sound: its trace may have "
            "been printed on."
        )
    said.append(_comb(row))
    said.append(_band(heard))
    return " ".join(said)


def _opening(verdict: Verdict, name: str | None) -> str:
    if verdict == "human":
        return "No trace of a decoder that was looked for."
    if verdict == "unknown":
        return "It cannot be said who made this."
    return (
        f"Made by {name}." if name else "Generated, by no generator that is enrolled."
    )


def _alike(calibration: Calibration, nearest: str) -> list[str]:
    return [
        f"{' and '.join(sorted(pair))} cannot be told apart."
        for pair in calibration.alike
        if nearest in pair
    ]


def _nearest(first: tuple[str, ClassScore], name: str | None) -> str:
    scale = first[1].scale
    moved = "" if abs(scale - 1) < _MOVED else f", its frequencies times {scale:.4f}"
    if name:
        return f"Its residual is that of {first[0]}{moved}."
    return f"The nearest family is {first[0]}{moved}."


def _beatless(first: tuple[str, ClassScore]) -> list[str]:
    name, score = first
    if not score.lacks_pulse or score.residual.surprise < _PLAIN_LINES:
        return []
    return [
        f"It has the lines of {name} without its beat: it was stretched or changed in "
        "pitch alone, or they were printed on it."
    ]


def _comb(row: Row) -> str:
    comb = row.comb
    if comb.score < _PLAIN_COMB:
        return "No even comb stands out."
    strides = implied_strides(comb.spacing_hz)
    implied = ", ".join(
        f"{hop} samples at {rate / 1000:g} kHz" for rate, hop in strides
    )
    tail = f": a step of {implied}" if implied else ""
    return f"Lines stand every {comb.spacing_hz:.2f} Hz{tail}."


def _band(heard: Heard) -> str:
    rate = f"The file has {heard.native_rate} Hz"
    if heard.native_rate < RATE or heard.band_limit_hz < 0.9 * RATE / 2:
        return f"{rate}, and little above {heard.band_limit_hz:.0f} Hz."
    return f"{rate}, and sound up to 8 kHz or beyond."
