"""What the registry's own code says of features, with whole sources left out.

Nothing here decides anything: calibration, ranking and rules are those of
`contrafact.matching.origin`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from material import Features
from numpy.typing import NDArray

from contrafact.matching.origin.calibration import Calibration, Rows, calibrate
from contrafact.matching.origin.joining import Rules, judge, rank

__all__ = ["Answer", "Asked", "answers", "auroc", "calibrated", "chosen", "leave_out"]

N_FOLDS = 4
Asked = tuple[Features, NDArray[np.int64]]
"""Features, and the number of the source that each row is of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said of one sound.

    Attributes:
        is_ai: Whether it is called generated.
        is_ai_wary: Whether it is by the rules of those who expect spoofs.
        named: The name that is given, if any.
        nearest: The class that fits best.
        known: How sure any class is as it is, in [0, 1].
        p_value: Of what was heard, against recordings by people; p_comb of the comb,
            which does not count.
        scale: That fits best.
    """

    is_ai: bool
    is_ai_wary: bool
    named: str | None
    nearest: str
    known: float
    p_value: float
    p_comb: float
    scale: float


def calibrated(
    classes: Mapping[str, Asked],
    people: Asked,
) -> Calibration:
    """Return the calibration of features with the sources that they are of."""
    return calibrate(
        {
            n: Rows(values=f.values.astype(float), sources=s)
            for n, (f, s) in classes.items()
        },
        Rows(values=people[0].values.astype(float), sources=people[1]),
        list(people[0].comb_scores),
    )


def answers(
    calibration: Calibration, asked: Features, rules: Rules | None = None
) -> list[Answer]:
    """Return what is said of each row."""
    rules = rules or Rules()
    return [
        _answer(calibration, values, float(comb), rules)
        for values, comb in zip(
            asked.values.astype(float), asked.comb_scores, strict=True
        )
    ]


def _answer(
    calibration: Calibration, values: NDArray[np.float64], comb: float, rules: Rules
) -> Answer:
    scores = calibration.scores(values)
    ranking = rank(scores, calibration, rules)
    judged = judge(scores, calibration, rules)
    is_ai = judged.p_value <= rules.false_alarms
    wary = judge(scores, calibration, replace(rules, is_wary=True))
    nearest, first = ranking.scores[0]
    return Answer(
        is_ai=is_ai,
        is_ai_wary=wary.p_value <= rules.false_alarms,
        named=nearest if ranking.is_named and is_ai else None,
        nearest=nearest,
        known=max(s.sure_still for s in scores.values()),
        p_value=judged.p_value,
        p_comb=calibration.comb.p_value(comb),
        scale=first.scale,
    )


def chosen(features: Features, kept: NDArray[np.bool_]) -> Features:
    """Return some rows."""
    return Features(
        values=features.values[kept],
        comb_scores=features.comb_scores[kept],
        comb_spacings=features.comb_spacings[kept],
    )


def leave_out(
    classes: Mapping[str, Asked],
    people: Asked,
    asked: Mapping[str, Asked],
) -> dict[str, list[Answer]]:
    """Return answers from calibrations that saw nothing of the source asked about.

    Args:
        classes: Features of each generator, and the source of each row.
        people: The same of people's recordings; sources have the same numbers.
        asked: What is asked about, by any key, with sources.
    """
    found: dict[str, dict[int, Answer]] = {key: {} for key in asked}
    for fold in range(N_FOLDS):
        inside = {
            n: (chosen(f, s % N_FOLDS != fold), s[s % N_FOLDS != fold])
            for n, (f, s) in classes.items()
        }
        rest = people[1] % N_FOLDS != fold
        calibration = calibrated(inside, (chosen(people[0], rest), people[1][rest]))
        for key, (features, sources) in asked.items():
            out = np.flatnonzero(sources % N_FOLDS == fold)
            mask = sources % N_FOLDS == fold
            said = answers(calibration, chosen(features, mask))
            found[key] |= {int(i): a for i, a in zip(out, said, strict=True)}
    return {key: [rows[i] for i in sorted(rows)] for key, rows in found.items()}


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return how often a positive is above a negative; ties count half."""
    a, b = np.asarray(positive), np.asarray(negative)
    above = (a[:, None] > b[None]).mean() + 0.5 * (a[:, None] == b[None]).mean()
    return float(above)
