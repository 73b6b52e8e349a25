"""All evidence joined in one answer, which may be that it cannot be said.

References:
    Sellke, Bayarri and Berger, "Calibration of p values for testing precise null
    hypotheses", The American Statistician 2001 (the bound that turns a p-value
    into a probability); Bonferroni's inequality over kinds of evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contrafact.core.matches import OriginEvidence, OriginFinding, Verdict
from contrafact.matching.origin.calibration import Calibration, ClassScore
from contrafact.matching.origin.describing import describe
from contrafact.matching.origin.hearing import Heard, Row

__all__ = ["Ranking", "Rules", "decide", "rank"]

_DECLARED = {"register": 0.999, "credentials": 0.99, "watermark": 0.99, "tags": 0.9}
"""Kinds that say it themselves, and how far each is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When what is said.

    Attributes:
        false_alarms: Human recordings that may be called generated.
        wrong_names: Of sounds by a generator that was never enrolled, those that
            may be given a name.
        margin: How far the best class must be above the second, in surprise.
        human: Probability from which a recording is called human.
    """

    false_alarms: float = 0.01
    wrong_names: float = 0.02
    margin: float = 3.0
    human: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What one channel tells."""

    row: Row
    ranked: Sequence[tuple[str, ClassScore]] = ()
    evidence: tuple[OriginEvidence, ...] = ()
    p_value: float = 1.0
    surprise: float = 0.0
    named: str | None = None
    measurements: dict[str, float] = field(default_factory=dict)


def decide(
    heard: Heard,
    calibration: Calibration | None,
    *,
    others: Sequence[OriginEvidence] = (),
    rules: Rules | None = None,
) -> OriginFinding:
    """Return who made a recording, as far as it can be said.

    Args:
        heard: The recording.
        calibration: None if too little is enrolled to state rates.
        others: Evidence from elsewhere: with a p-value if it was measured, without
            one if the file declares it.
        rules: When what is said.
    """
    rules = rules or Rules()
    told = [_tell(row, calibration, rules) for row in heard.rows]
    best = min(told, key=lambda t: t.p_value)
    measured = [e for e in others if e.p_value is not None]
    p_values = [best.p_value * len(told), *(e.p_value or 1.0 for e in measured)]
    p_value = min(1.0, min(p_values) * len(p_values))
    evidence = (*best.evidence, *others)
    verdict, probability = _verdict(p_value, best.surprise, calibration, rules)
    name = best.named if verdict == "ai" else None
    rate = rules.false_alarms if verdict == "ai" else p_value
    declared = [e for e in others if e.kind in _DECLARED and e.p_value is None]
    if declared:
        surest = max(declared, key=lambda e: _DECLARED[e.kind])
        if verdict != "ai":
            verdict, rate, probability = "ai", 1.0, 0.0
        name = name or surest.generator
        probability = max(probability, _DECLARED[surest.kind])
    return OriginFinding(
        verdict=verdict,
        generator=name,
        probability=round(probability, 6),
        false_positive_rate=rate,
        evidence=evidence,
        description=describe(
            heard,
            best.row,
            best.ranked,
            verdict=verdict,
            name=name,
            calibration=calibration,
        ),
        measurements={
            **best.measurements,
            "native_rate_hz": float(heard.native_rate),
            "band_limit_hz": round(heard.band_limit_hz, 1),
            "heard_s": round(heard.duration_s, 3),
        },
    )


def _tell(row: Row, calibration: Calibration | None, rules: Rules) -> _Told:
    measurements = {
        "comb_spacing_hz": round(row.comb.spacing_hz, 3),
        "comb_score": round(row.comb.score, 3),
    }
    if calibration is None:
        return _Told(row=row, measurements=measurements)
    scores = calibration.scores(row.values)
    ranking = rank(scores, calibration, rules)
    name, top = ranking.scores[0]
    surprise = max(score.surprise for score in scores.values())
    p_residual = calibration.top.p_value(surprise)
    p_comb = calibration.comb.p_value(row.comb.score)
    evidence = (
        OriginEvidence(
            kind="residual",
            score=round(top.fit.best, 4),
            p_value=p_residual,
            detail=f"nearest {name}, its frequencies times {top.fit.scale:.4f}",
        ),
        OriginEvidence(
            kind="comb",
            score=round(row.comb.score, 3),
            p_value=p_comb,
            detail=f"lines every {row.comb.spacing_hz:.2f} Hz",
        ),
    )
    return _Told(
        row=row,
        ranked=ranking.scores,
        evidence=evidence,
        p_value=min(1.0, 2 * min(p_residual, p_comb)),
        surprise=surprise,
        named=name if ranking.is_named else None,
        measurements={
            **measurements,
            "scale": round(top.fit.scale, 5),
            "surprise": round(surprise, 3),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Classes in the order in which they fit.

    Attributes:
        scores: The nearest first.
        is_named: Whether the nearest may be named.
    """

    scores: Sequence[tuple[str, ClassScore]]
    is_named: bool


def rank(
    scores: Mapping[str, ClassScore], calibration: Calibration, rules: Rules
) -> Ranking:
    """Return the classes in order, and whether the first may be named.

    It must fit better than generators that are not enrolled do, well better than
    the second, and be told apart from the others. Whether a class fits as it is
    gets asked first: at some scale, an even comb is any other even comb.
    """
    still = _ranked(scores, calibration, rules, is_still=True)
    return still if still.is_named else _ranked(scores, calibration, rules)


def _ranked(
    scores: Mapping[str, ClassScore],
    calibration: Calibration,
    rules: Rules,
    *,
    is_still: bool = False,
) -> Ranking:
    def reached(score: ClassScore) -> float:
        return score.still if is_still else score.moved

    ranked = sorted(scores.items(), key=lambda item: -reached(item[1]))
    top = reached(ranked[0][1])
    second = reached(ranked[1][1]) if len(ranked) > 1 else 0.0
    null = calibration.unseen_still if is_still else calibration.unseen_moved
    p_value = math.exp(-top) if null is None else null.p_value(top)
    return Ranking(
        scores=ranked,
        is_named=p_value <= rules.wrong_names / 2
        and top - second >= rules.margin
        and not any(ranked[0][0] in pair for pair in calibration.alike),
    )


def _verdict(
    p_value: float, surprise: float, calibration: Calibration | None, rules: Rules
) -> tuple[Verdict, float]:
    if calibration is None:
        return "unknown", 0.0
    if p_value <= rules.false_alarms:
        return "ai", 1 / (1 + _bound(p_value))
    human = calibration.human_probability(surprise)
    return (
        ("human", human) if human >= rules.human else ("unknown", max(human, 1 - human))
    )


def _bound(p_value: float) -> float:
    """Return the least odds of the null that a p-value below 1/e allows."""
    return -math.e * p_value * math.log(p_value)
