"""Clean sound: who is named, who is rejected, and how often people are accused."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any, TypeVar

import numpy as np
from measuring import Answer, answers, auroc, calibrated, leave_out
from setting import Setting

from common import rate

__all__ = [
    "cleanly",
    "hits",
    "measure_closed",
    "measure_open",
    "measure_people",
    "tested",
]

T = TypeVar("T")


def hits(said: list[Answer], name: str) -> list[bool]:
    """Return for each answer whether it is `ai` and the nearest class is right."""
    return [a.is_ai and a.nearest == name for a in said]


@cache
def cleanly(setting: Setting) -> dict[str, list[Answer]]:
    """Return what is said of all clean sounds, sources left out."""
    asked = {**setting.classes, "people": setting.people}
    return leave_out(setting.classes, setting.people, asked)


def tested(setting: Setting, key: str, said: list[T]) -> list[T]:
    """Return the answers on sources that no setting was chosen on."""
    numbers = (setting.people if key == "people" else setting.classes[key])[1]
    kept = setting.is_test(numbers)
    return [a for a, is_kept in zip(said, kept, strict=True) if is_kept]


def measure_closed(setting: Setting) -> dict[str, Any]:
    """Return accuracy among enrolled generators, sources left out, test half."""
    said = cleanly(setting)
    test = {n: tested(setting, n, said[n]) for n in setting.classes}
    confusion = {
        n: dict(Counter(a.nearest if a.is_ai else "not called ai" for a in row))
        for n, row in test.items()
    }
    named = [a.named == n for n, row in test.items() for a in row if a.named]
    return {
        "right": rate([h for n, row in test.items() for h in hits(row, n)]),
        "named_right": rate([a.named == n for n, row in test.items() for a in row]),
        "wrong_among_named": rate([not n for n in named]),
        "by_generator": {n: rate(hits(row, n)) for n, row in test.items()},
        "confusion": confusion,
    }


def measure_open(setting: Setting) -> dict[str, Any]:
    """Return how generators that are held out whole are told from enrolled ones."""
    said = cleanly(setting)
    known = [a.known for n in setting.classes for a in tested(setting, n, said[n])]
    rows, names, called = {}, [], []
    unseen: list[float] = []
    for name in setting.classes:
        rest = {n: c for n, c in setting.classes.items() if n != name}
        out = answers(calibrated(rest, setting.people), setting.classes[name][0])
        kept = tested(setting, name, out)
        unseen += [a.known for a in kept]
        names += [a.named is not None for a in kept]
        called += [a.is_ai for a in kept]
        rows[name] = {
            "auroc": round(auroc(known, [a.known for a in kept]), 4),
            "named": sum(a.named is not None for a in kept),
            "called_ai": sum(a.is_ai for a in kept),
            "n": len(kept),
            "comb_spacing_hz": round(
                float(np.median(setting.classes[name][0].comb_spacings)), 2
            ),
            "nearest": Counter(a.nearest for a in kept).most_common(1)[0][0],
        }
    right = [
        a.named == n
        for n in setting.classes
        for a in tested(setting, n, said[n])
        if a.named
    ]
    return {
        "auroc": round(auroc(known, unseen), 4),
        "auroc_interval_90": _auroc_interval(known, unseen),
        "unseen_named": rate(names),
        "unseen_called_ai": rate(called),
        "wrong_among_named_half_unseen": rate(
            [not r for r in right] + [True] * sum(names)
        ),
        "by_generator": rows,
    }


def _auroc_interval(known: list[float], unseen: list[float]) -> list[float]:
    rng = np.random.default_rng(0)
    draws = [
        auroc(
            [float(v) for v in rng.choice(known, len(known))],
            [float(v) for v in rng.choice(unseen, len(unseen))],
        )
        for _ in range(400)
    ]
    return [round(float(q), 4) for q in np.quantile(draws, [0.05, 0.95])]


def measure_people(setting: Setting) -> dict[str, Any]:
    """Return how often people are called generated, by collection."""
    said = cleanly(setting)["people"]
    groups: dict[str, list[bool]] = {}
    for group, answer in zip(setting.groups, said, strict=True):
        groups.setdefault(group, []).append(answer.is_ai)
    return {
        "called_ai": rate([a.is_ai for a in said]),
        "called_ai_test_half": rate([a.is_ai for a in tested(setting, "people", said)]),
        "named": rate([a.named is not None for a in said]),
        "by_collection": {g: rate(v) for g, v in sorted(groups.items())},
        "comb_below_0.01": rate([a.p_comb <= 0.01 for a in said]),
    }
