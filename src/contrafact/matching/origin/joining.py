"""All evidence joined in one answer, which may be that it cannot be said.

References:
    Sellke, Bayarri and Berger, "Calibration of p values for testing precise null
    hypotheses", The American Statistician 2001 (the bound that turns a p-value
    into a probability); Bonferroni's inequality over kinds of evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from contrafact.core.matches import OriginEvidence, OriginFinding, Verdict
from contrafact.matching.origin.calibration import Calibration
from contrafact.matching.origin.describing import describe
from contrafact.matching.origin.hearing import Heard, Row
from contrafact.matching.origin.scores import ClassScore

__all__ = ["Judged", "Ranking", "Rules", "decide", "judge", "rank"]

_DECLARED = {"register": 0.999, "credentials": 0.99, "tags": 0.9}
"""Kinds that say it themselves, and how far each is believed."""
_MARK = "watermark:"
"""Before the name of a scheme. One that states a rate of false alarms is believed
at that rate; one that states none is a hint, and never decides."""

_DISOWNED = "disowned"
"""What a held codec says of sound that it does not know, though it knows its own:
the spectrum of its class may have been printed on, and carries no verdict."""


_SPENT = 0.5
"""Part of the allowed false alarms that is spent: the rest is for recordings of other
kinds than those by people that rates were measured on."""
_LINES = 5.0
"""Surprise from which lines stand out,"""
_SHARP = 12.0
"""and from which, as far as it is typical of a class, they are that class's;"""
_BEATS = 2.0
"""between the two, a class with next to none must fit as it is by so much more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When what is said.

    Attributes:
        false_alarms: Human recordings that may be called generated.
        wrong_names: Of sounds by a generator that was never enrolled, those that
            may be given a name.
        margin: How far the best class must be above the second, in surprise.
        human: Probability from which a recording is called human.
        is_wary: Whether spectra that were printed on are expected: a class whose
            recordings beat plainly then counts only with its pulse. What was
            stretched, or changed in pitch alone, is no longer found by such classes.
    """

    false_alarms: float = 0.01
    wrong_names: float = 0.02
    margin: float = 3.0
    human: float = 0.9
    is_wary: bool = False


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
            one if the file declares it. A watermark with one carries the verdict
            by itself, at a rate of its own besides that of the rules.
        rules: When what is said.
    """
    rules = rules or Rules()
    told = [_tell(row, calibration, rules) for row in heard.rows]
    best = min(told, key=lambda t: t.p_value)
    best = replace(best, p_value=min(1.0, best.p_value * len(told)))
    said = _joined(best, others, calibration, rules)
    return OriginFinding(
        verdict=said.verdict,
        generator=said.name,
        probability=round(said.probability, 6),
        false_positive_rate=said.rate,
        evidence=(*best.evidence, *others),
        description=describe(
            heard,
            best.row,
            best.ranked,
            verdict=said.verdict,
            name=said.name,
            calibration=calibration,
            is_disowned=said.is_disowned,
        ),
        measurements={
            **best.measurements,
            "native_rate_hz": float(heard.native_rate),
            "band_limit_hz": round(heard.band_limit_hz, 1),
            "heard_s": round(heard.duration_s, 3),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What all evidence says together."""

    verdict: Verdict
    name: str | None
    probability: float
    rate: float
    is_disowned: bool


def _joined(
    best: _Told,
    others: Sequence[OriginEvidence],
    calibration: Calibration | None,
    rules: Rules,
) -> _Said:
    """Join what was measured, then what marks say, then what is declared."""
    marks = [e for e in others if e.kind.startswith(_MARK)]
    measured = [e for e in others if e.p_value is not None and e not in marks]
    is_disowned = best.p_value <= rules.false_alarms and _is_disowned(best, others)
    own = 1.0 if is_disowned else best.p_value
    p_values = [own, *(e.p_value or 1.0 for e in measured)]
    p_value = min(1.0, min(p_values) * len(p_values))
    verdict, probability = _verdict(p_value, best.surprise, calibration, rules)
    heard_as = None if is_disowned else best.named
    name = heard_as or _named_by(measured, rules) if verdict == "ai" else None
    rate = rules.false_alarms if verdict == "ai" else p_value
    if sure := _sure_marks(marks, rules):
        rate = min(1.0, len(marks) * min(e.p_value or 1.0 for e in sure))
        known = probability if verdict == "ai" else 0.0
        verdict, probability = "ai", max(known, 1 / (1 + _bound(rate)))
        name = next((e.generator for e in sure if e.generator), name)
    declared = [e for e in others if e.kind in _DECLARED and e.p_value is None]
    if declared:
        surest = max(declared, key=lambda e: _DECLARED[e.kind])
        if verdict != "ai":
            verdict, rate, probability = "ai", 1.0, 0.0
        name = name or surest.generator
        probability = max(probability, _DECLARED[surest.kind])
    return _Said(
        verdict=verdict,
        name=name,
        probability=probability,
        rate=rate,
        is_disowned=is_disowned,
    )


def _is_disowned(best: _Told, others: Sequence[OriginEvidence]) -> bool:
    """Tell whether the nearest class's own codec knows nothing of the sound.

    A filter can print a class's mean spectrum on a recording by people. It does
    not make it one that the class's decoder could have made.
    """
    nearest = best.ranked[0][0] if best.ranked else None
    return any(e.kind == _DISOWNED and e.generator == nearest for e in others)


def _named_by(measured: Sequence[OriginEvidence], rules: Rules) -> str | None:
    """Return the model that stands out by what it knows, if one does."""
    limit = rules.false_alarms / max(1, len(measured))
    sure = [e for e in measured if (e.p_value or 0.0) <= limit and e.generator]
    names = {e.generator for e in sure}
    return names.pop() if len(names) == 1 else None


def _sure_marks(marks: Sequence[OriginEvidence], rules: Rules) -> list[OriginEvidence]:
    """Return the watermarks that alone carry a verdict, the surest first."""
    limit = rules.false_alarms / max(1, len(marks))
    sure = [e for e in marks if e.p_value is not None and e.p_value <= limit]
    return sorted(sure, key=lambda e: e.p_value or 1.0)


def _kinds(
    row: Row,
    calibration: Calibration,
    scores: Mapping[str, ClassScore],
    ranking: Ranking,
) -> tuple[OriginEvidence, ...]:
    """Return each trace of a decoder, by itself and together."""
    name, top = ranking.scores[0]
    surprise = max(score.surprise for score in scores.values())
    residual = max(score.residual.surprise for score in scores.values())
    pulse = max(score.pulse.surprise for score in scores.values())
    return (
        OriginEvidence(
            kind="traces",
            score=round(surprise, 4),
            p_value=calibration.top.p_value(surprise),
            detail=f"nearest {name}, its frequencies times {top.scale:.4f}",
        ),
        OriginEvidence(
            kind="residual",
            score=round(top.residual.fit.best, 4),
            p_value=calibration.top_residual.p_value(residual),
            detail="the mean spectrum alone",
        ),
        OriginEvidence(
            kind="pulse",
            score=round(top.pulse.fit.best, 4),
            p_value=calibration.top_pulse.p_value(pulse),
            detail="the beating of the power alone",
        ),
        OriginEvidence(
            kind="comb",
            score=round(row.comb.score, 3),
            p_value=calibration.comb.p_value(row.comb.score),
            detail=f"lines every {row.comb.spacing_hz:.2f} Hz",
        ),
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
    judged = judge(scores, calibration, rules)
    return _Told(
        row=row,
        ranked=ranking.scores,
        evidence=_kinds(row, calibration, scores, ranking),
        p_value=judged.p_value,
        surprise=judged.surprise,
        named=name if ranking.is_named else None,
        measurements={
            **measurements,
            "scale": round(top.scale, 5),
            "surprise": round(judged.surprise, 3),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What all classes are worth together.

    An even comb by itself is told and does not count: music that machines play has
    one, of thirty-second notes at 18 Hz as of a synthesiser's bass at 116.54 Hz.

    Attributes:
        surprise: That of the best class that counts.
        p_traces: Against recordings by people.
    """

    surprise: float
    p_traces: float

    @property
    def p_value(self) -> float:
        """Twice as much, so that half of the false alarms is kept in reserve."""
        return min(1.0, self.p_traces / _SPENT)


def judge(
    scores: Mapping[str, ClassScore], calibration: Calibration, rules: Rules
) -> Judged:
    """Return what the scores of all classes are worth."""
    surprise = max(
        min(score.surprise, score.pulse.surprise)
        if rules.is_wary and score.lacks_pulse
        else score.surprise
        for score in scores.values()
    )
    return Judged(surprise=surprise, p_traces=calibration.top.p_value(surprise))


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

    It must fit as sounds of that class do and those of others do not, be well
    above the second, and be told apart from it. Whether a class fits as it is
    gets asked first: at some scale, an even comb is any other even comb. If it
    does so without the pulse of its class, its lines may have been printed on, and
    it has no name; at another scale only the wary ask for that.
    """
    still = sorted(scores.items(), key=lambda item: -item[1].rank_still)
    limit = calibration.limit(rules.wrong_names, is_still=True)
    ahead = _ahead([score.rank_still for _, score in still])
    if still[0][1].sure_still > limit and ahead >= rules.margin:
        first, score = still[0]
        is_named = not (_has_twin(first, calibration) or score.lacks_pulse)
        return Ranking(scores=still, is_named=is_named)
    ranks = _ranks_moved(scores)
    moved = sorted(scores.items(), key=lambda item: -ranks[item[0]])
    limit = calibration.limit(rules.wrong_names, is_still=False)
    ahead = _ahead([ranks[name] for name, _ in moved])
    first, score = moved[0]
    return Ranking(
        scores=moved,
        is_named=score.sure_moved > limit
        and ahead >= rules.margin
        and not _has_twin(first, calibration)
        and not (rules.is_wary and score.lacks_pulse),
    )


def _ranks_moved(scores: Mapping[str, ClassScore]) -> dict[str, float]:
    """Return what classes are put in order by at any scale, in surprise.

    Where lines stand out that are sharp no more, the class that explains most of them
    comes first. What people's recordings reach says whether lines are there, and
    little about whose they are: of two even combs, the one that music resembles less
    would win, at a scale that is wrong.
    """
    plain = {n: s for n, s in scores.items() if s.residual.is_plain}
    top = max((max(s.moved, s.still) for s in plain.values()), default=0.0)
    faint = max((s.still for n, s in scores.items() if n not in plain), default=0.0)
    is_sharp = any(score.rank >= _SHARP for score in plain.values())
    if top < _LINES or is_sharp or faint > top + _BEATS:
        return {name: score.rank for name, score in scores.items()}
    most = max(score.shared.value for score in plain.values())
    return {
        name: top * score.shared.value / most if name in plain else 0.0
        for name, score in scores.items()
    }


def _ahead(ranks: Sequence[float]) -> float:
    return ranks[0] - (ranks[1] if len(ranks) > 1 else 0.0)


def _has_twin(name: str, calibration: Calibration) -> bool:
    return any(name in pair for pair in calibration.alike)


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
