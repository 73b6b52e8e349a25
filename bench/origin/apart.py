"""People's recordings that nothing was enrolled with: how often they are accused.

A folder of folders, one a collection. Some collections were looked at when settings
were chosen; the others were asked about once, with the settings as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from material import LENGTH_S, RATE, Samples, people_features, starts
from measuring import Answer, answers, calibrated
from setting import Setting

from common import rate
from contrafact.catalog import read_audio, read_info

__all__ = ["measure_apart"]

SEEN = frozenset(
    {"drascula-music", "hyperrogue-music", "planetblupi-music-ogg", "ufoai-music"}
)
"""Collections that settings were chosen on."""
_LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1)


def measure_apart(setting: Setting) -> dict[str, Any]:
    """Return how often recordings by people are called generated, by collection."""
    if setting.apart is None:
        return {}
    calibration = calibrated(setting.classes, setting.people)
    said: dict[str, list[list[Answer]]] = {}
    for folder in sorted(p for p in setting.apart.iterdir() if p.is_dir()):
        parts = {path.name: _starts(path) for path in sorted(folder.iterdir())}
        heard = people_features(
            setting.folder,
            f"apart-{folder.name}",
            lambda folder=folder, parts=parts: _excerpts(folder, parts),
        )
        every = iter(answers(calibration, heard))
        said[folder.name] = [[next(every) for _ in at] for at in parts.values() if at]
    unseen = {name: rows for name, rows in said.items() if name not in SEEN}
    seen = {name: rows for name, rows in said.items() if name in SEEN}
    return {
        "n_recordings": {name: len(rows) for name, rows in said.items()},
        "called_ai": rate(_accused(unseen)),
        "called_ai_wary": rate([a.is_ai_wary for a in _flat(unseen)]),
        "called_ai_seen": rate(_accused(seen)),
        "named": rate([a.named is not None for a in _flat(unseen)]),
        "by_collection": {n: rate(_accused({n: rows})) for n, rows in unseen.items()},
        "comb_below_0.01": rate([a.p_comb <= 0.01 for a in _flat(unseen)]),
        "p_values_below": {
            f"{level:g}": rate([a.p_value <= level for a in _flat(unseen)])
            for level in _LEVELS
        },
    }


def _flat(said: dict[str, list[list[Answer]]]) -> list[Answer]:
    return [answer for rows in said.values() for row in rows for answer in row]


def _accused(said: dict[str, list[list[Answer]]]) -> list[bool]:
    return [answer.is_ai for answer in _flat(said)]


def _starts(path: Path) -> list[float]:
    """Return where the excerpts of a recording begin; none of a short one."""
    length = read_info(path).duration_s
    return [] if length < LENGTH_S else starts(length)


def _excerpts(folder: Path, parts: dict[str, list[float]]) -> Iterator[Samples]:
    for name, at in parts.items():
        for start in at:
            read = read_audio(
                folder / name, sample_rate=RATE, start_s=start, duration_s=LENGTH_S
            )
            yield read.samples[0]
