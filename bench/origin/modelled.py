"""The closed set once more, with the studio's own codec asked: its model is held.

What the registry says and what the codec says are joined as `identify --models`
joins them: twice the smaller p-value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import soxr
from closed import cleanly, tested
from material import RATE, STUDIO, Samples, delivered, people_sources
from measuring import N_FOLDS, Answer
from numpy.typing import NDArray
from setting import Setting

from common import rate
from contrafact.generators import load_generator
from contrafact.matching.origin.chain import RATE as HEARD_RATE
from contrafact.matching.origin.nulls import Null
from contrafact.matching.origin.reconstruction import reconstruction_score
from contrafact.workflows.models import SHIPPED

__all__ = ["measure_with_model"]

_LIMIT = 0.01


def measure_with_model(setting: Setting) -> dict[str, Any]:
    """Return the closed set's rates with the studio's codec as further evidence."""
    sources, firsts = np.unique(setting.people[1], return_index=True)
    people = _scores(setting, "people", lambda: _people(setting))
    nulls = [Null.of(people[sources % N_FOLDS != fold]) for fold in range(N_FOLDS)]
    said = cleanly(setting)
    right, by_generator = [], {}
    for name, (_, numbers) in setting.classes.items():
        scores = _scores(setting, name, lambda n=name: setting.sounds(n))
        joined = _joined(said[name], scores, nulls, numbers)
        kept = tested(setting, name, joined)
        hits = [is_ai and nearest == name for is_ai, nearest in kept]
        by_generator[name] = rate(hits)
        right += hits
    answers = [said["people"][i] for i in firsts]
    accused = [is_ai for is_ai, _ in _joined(answers, people, nulls, sources)]
    return {
        "right": rate(right),
        "by_generator": by_generator,
        "people_called_ai": rate(accused),
        "n_people_of_null": len(people),
    }


def _joined(
    said: list[Answer],
    scores: NDArray[np.float64],
    nulls: list[Null],
    numbers: NDArray[np.int64],
) -> list[tuple[bool, str]]:
    """Return whether each is called generated, and what is nearest then."""
    found = []
    for answer, score, number in zip(said, scores, numbers, strict=True):
        codec = nulls[int(number) % N_FOLDS].p_value(float(score))
        is_codec = codec <= _LIMIT / 2 and codec <= answer.p_value
        nearest = STUDIO if is_codec else answer.nearest
        found.append((2 * min(answer.p_value, codec) <= _LIMIT, nearest))
    return found


def _people(setting: Setting) -> Iterable[Samples]:
    every = people_sources(setting.folder, setting.audio)
    return (delivered(s.samples) for s in every)


def _scores(
    setting: Setting, name: str, made: Callable[[], Iterable[Samples]]
) -> NDArray[np.float64]:
    """Return what the studio's codec scores sounds, kept in the folder."""
    path = setting.folder / "frames" / f"{name}.npy"
    if not path.exists():
        model = load_generator(SHIPPED)
        found = []
        for samples in made():
            low = np.asarray(soxr.resample(samples, RATE, HEARD_RATE), np.float32)
            found.append(reconstruction_score(model, low))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.array(found))
    kept: NDArray[np.float64] = np.load(path)
    return kept
