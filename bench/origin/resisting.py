"""What is left after a recording was changed, by accident or on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from attacks import (
    beaten,
    log_spectral_distance,
    notched,
    printed,
    resynthesised,
)
from closed import hits
from material import Features, Samples, changed, decoded, features
from measuring import Answer, answers, calibrated, chosen
from numpy.typing import NDArray
from setting import Setting
from transformations import TRANSFORMATIONS

from common import rate, say
from contrafact.matching.origin.calibration import Calibration

__all__ = ["CODEC_PASS", "makers", "measure_attacks", "measure_transformations"]

CODEC_PASS = "istft-16k-256"
"""The other codec that sounds are passed through."""
FAMILIES = {
    "codecs, rates, noise": (
        "MP3 64k", "AAC 64k", "Opus 32k", "22 kHz", "16 kHz",
        "noise 30 dB", "noise 20 dB",
    ),
    "pitch and speed": (
        "pitch -4", "pitch -3", "pitch -2", "pitch -1", "pitch +1", "pitch +2",
        "pitch +3", "pitch +4", "speed 0.85", "speed 0.93", "speed 1.07",
        "speed 1.15",
    ),
}  # fmt: skip
ATTACKED = ("transposed-16k-256", "shuffle-24k-240", "istft-24k-300")
Maker = Callable[[list[Samples]], Iterable[Samples]]
Attack = Callable[[Samples, NDArray[np.float64]], Samples]
STRENGTHS = (0.5, 1.0, 2.0)
DEPTHS = (0.03, 0.1)
SEMITONE = 2 ** (1 / 12)


def _calibration(setting: Setting, places: list[int]) -> Calibration:
    """Return the calibration without the sources that will be asked about."""
    numbers = next(iter(setting.classes.values()))[1]
    asked = set(numbers[places].tolist())

    def rest(
        found: tuple[Features, NDArray[np.int64]],
    ) -> tuple[Features, NDArray[np.int64]]:
        kept = np.array([int(n) not in asked for n in found[1]])
        return chosen(found[0], kept), found[1][kept]

    return calibrated(
        {n: rest(c) for n, c in setting.classes.items()}, rest(setting.people)
    )


def _mixed(setting: Setting, sounds: list[Samples]) -> Iterator[Samples]:
    """Yield sounds with a recording of somebody else's over them, 3 dB below."""
    voices = setting.sounds("none")
    for i, samples in enumerate(sounds):
        other = voices[(i * 7 + 3) % len(voices)]
        n = min(len(samples), len(other))
        level = float(samples.std() / max(other.std(), 1e-6)) * 10 ** (-3 / 20)
        yield samples[:n] + level * other[:n]


def makers(setting: Setting) -> dict[str, Maker]:
    """Return every change that can be made to a list of sounds, by name."""

    def plain(name: str) -> Maker:
        return lambda sounds: changed(sounds, name)

    through = decoded(CODEC_PASS, setting.folder)
    return {
        **{n: plain(n) for n in TRANSFORMATIONS if n != "clean"},
        "mixed with another recording": lambda sounds: _mixed(setting, sounds),
        "through another codec": lambda sounds: (through(s) for s in sounds),
    }


def measure_transformations(setting: Setting) -> dict[str, Any]:
    """Return the rates after each transformation of what no setting was chosen on."""
    places = setting.tested()
    calibration = _calibration(setting, places)
    names = [*setting.classes, "none"]
    sounds = {n: [setting.sounds(n)[i] for i in places] for n in names}
    table = {}
    every = {"clean": list, **makers(setting)}
    for done, (kind, make) in enumerate(every.items()):
        said = {
            n: _said(calibration, setting.folder / "tested" / n, kind, (make, own))
            for n, own in sounds.items()
            if not (kind == "through another codec" and n == CODEC_PASS)
        }
        table[kind] = _row(said)
        say("transformations", done + 1, len(every))
    return {"n_sources": len(places), "table": table, **_lost(table)}


def _lost(table: dict[str, Any]) -> dict[str, Any]:
    """Return how many sounds lose the right class, mean and most of each family."""
    right = table["clean"]["nearest_right"]["rate"]
    lost = {
        family: {k: round(right - table[k]["nearest_right"]["rate"], 4) for k in kinds}
        for family, kinds in FAMILIES.items()
    }
    return {
        "nearest_lost_mean": {
            f: round(float(np.mean(list(row.values()))), 4) for f, row in lost.items()
        },
        "nearest_lost_most": {
            f: max((v, k) for k, v in row.items()) for f, row in lost.items()
        },
    }


def _said(
    calibration: Calibration, kept: Path, kind: str, made: tuple[Maker, list[Samples]]
) -> list[Answer]:
    make, sounds = made
    return answers(calibration, features(kept, kind, lambda: make(sounds)))


def _row(said: dict[str, list[Any]]) -> dict[str, Any]:
    own = {n: row for n, row in said.items() if n != "none"}
    named = [a.named == n for n, row in own.items() for a in row if a.named]
    return {
        "right": rate([h for n, row in own.items() for h in hits(row, n)]),
        "right_wary": rate(
            [a.is_ai_wary and a.nearest == n for n, row in own.items() for a in row]
        ),
        "nearest_right": rate([a.nearest == n for n, row in own.items() for a in row]),
        "named_right": rate([a.named == n for n, row in own.items() for a in row]),
        "wrong_among_named": rate([not n for n in named]) if named else None,
        "called_ai": rate([a.is_ai for row in own.values() for a in row]),
        "people_called_ai": rate([a.is_ai for a in said["none"]]),
        "by_generator": {
            n: round(float(np.mean(hits(row, n))), 3) for n, row in own.items()
        },
    }


def measure_attacks(setting: Setting) -> dict[str, Any]:
    """Return what removal and spoofing achieve, with and without wariness, and cost."""
    places = setting.changed()
    calibration = _calibration(setting, places)
    clean = setting.sounds("none")
    own = {n: [setting.sounds(n)[i] for i in places] for n in ATTACKED}
    people = {n: [clean[i] for i in places] for n in ATTACKED}
    kept = setting.folder / "attacked"
    found: dict[str, dict[str, Any]] = {"removal": {}, "spoofing": {}}
    for side, before in (("removal", own), ("spoofing", people)):
        for kind, attack in _attacks(side).items():
            out = {
                n: [attack(s, calibration.templates[n].values) for s in before[n]]
                for n in ATTACKED
            }
            found[side][kind] = _attacked(calibration, before, out, kept, kind)
            say(side, len(found[side]), len(_attacks(side)))
    return found


def _attacks(side: str) -> dict[str, Attack]:
    """Return the attacks by what they are called; each has residual and pulse."""
    if side == "removal":
        return {
            **{
                f"filter the mean residual out, times {by:g}": (
                    lambda s, mark, by=by: notched(s, mark[0], by)
                )
                for by in STRENGTHS
            },
            "low-pass at 3 kHz, phases rebuilt": lambda s, mark: resynthesised(
                s, 3_000.0
            ),
        }
    return {
        **{
            f"filter it in, times {by:g}": (
                lambda s, mark, by=by: printed(s, mark[0], by)
            )
            for by in STRENGTHS
        },
        "filter it in, times 2, a semitone up": lambda s, mark: printed(
            s, mark[0], 2.0, scale=SEMITONE
        ),
        **{
            f"filter it in, and beat by {depth:.0%}": (
                lambda s, mark, depth=depth: beaten(
                    printed(s, mark[0], 1.0), mark[1], depth
                )
            )
            for depth in DEPTHS
        },
    }


def _attacked(
    calibration: Calibration,
    before: dict[str, list[Samples]],
    after: dict[str, list[Samples]],
    kept: Any,
    key: str,
) -> dict[str, Any]:
    said = {
        n: answers(calibration, features(kept / n, key, lambda n=n: after[n]))
        for n in after
    }
    pairs = [(a, b) for n in after for a, b in zip(before[n], after[n], strict=True)]
    return {
        "called_ai": rate([a.is_ai for row in said.values() for a in row]),
        "called_ai_wary": rate([a.is_ai_wary for row in said.values() for a in row]),
        "taken_for_it": rate([h for n, row in said.items() for h in hits(row, n)]),
        "named_as_it": rate([a.named == n for n, row in said.items() for a in row]),
        "snr_db": round(float(np.mean([_snr(a, b) for a, b in pairs])), 1),
        "log_spectral_distance_db": round(
            float(np.mean([log_spectral_distance(a, b) for a, b in pairs])), 2
        ),
    }


def _snr(before: Samples, after: Samples) -> float:
    n = min(len(before), len(after))
    a, b = before[:n], after[:n]
    gain = float(a @ b) / max(float(b @ b), 1e-12)
    return float(
        10 * np.log10((a @ a) / max(float(np.sum((a - gain * b) ** 2)), 1e-12))
    )
