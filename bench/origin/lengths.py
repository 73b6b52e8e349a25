"""Whether a sound is taken for a class for no other reason than to be as long.

The folder's generated clips have few lengths, and recordings by people are longer:
if length alone leaves a pattern, people's recordings that are cut to the length of
clips are called generated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from clips import classes_of_clips
from material import RATE, delivered, features, people_sources
from measuring import N_FOLDS, answers, calibrated, chosen
from setting import Setting

from common import rate

__all__ = ["measure_lengths"]

LENGTHS_S = (5.0, 6.0, 8.0, 10.0, 20.0)


def measure_lengths(setting: Setting) -> dict[str, Any]:
    """Return how often people's recordings of each length are called generated.

    A quarter of the sources is left out of the calibration and asked about; the
    classes are those of the folder's clips.
    """
    if setting.audio is None:
        return {}
    features_of, numbers = setting.people
    kept = (numbers % N_FOLDS != 0) & np.array(
        [g != "rendered scores" for g in setting.groups]
    )
    calibration = calibrated(
        classes_of_clips(setting), (chosen(features_of, kept), numbers[kept])
    )
    every = people_sources(setting.folder, setting.audio)
    asked = [
        s
        for i, s in enumerate(every)
        if i % N_FOLDS == 0 and s.group != "rendered scores"
    ]
    found = {}
    for seconds in LENGTHS_S:
        n = round(seconds * RATE)
        cut = [s.samples[:n] for s in asked if len(s.samples) >= n]
        heard = features(
            setting.folder / "features" / "lengths",
            f"{seconds:g} s",
            lambda cut=cut: (delivered(samples) for samples in cut),
        )
        said = answers(calibration, heard)
        found[f"{seconds:g} s"] = rate([a.is_ai for a in said])
    return {"people_called_ai": found}
