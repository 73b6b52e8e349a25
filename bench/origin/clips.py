"""The folder's generated clips against its recordings by people, one delivery."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from material import Features, Item, clips, delivered, features
from measuring import Answer, Asked, answers, calibrated, chosen
from numpy.typing import NDArray
from setting import Setting

from common import rate
from contrafact.catalog import read_info
from contrafact.core.errors import AudioError

__all__ = ["classes_of_clips", "measure_clips"]

N_FOLDS = 3


def measure_clips(setting: Setting) -> dict[str, Any]:
    """Return what is said of the clips, their group left out, and the confounds."""
    if setting.audio is None:
        return {}
    found, heard, groups = _heard(setting)
    labels = [c.generator for c in found]
    said = _left_out(setting, heard, labels, groups)
    names = sorted(set(labels))
    return {
        "n": len(found),
        "right": rate(
            [a.is_ai and a.nearest == n for a, n in zip(said, labels, strict=True)]
        ),
        "called_ai": rate([a.is_ai for a in said]),
        "wrong_among_named": _wrong(said, labels),
        "by_generator": {n: _of_one(said, labels, n) for n in names},
        "confounds": _confounds(setting.audio, setting, heard),
    }


def classes_of_clips(setting: Setting) -> dict[str, Asked]:
    """Return what is heard of the folder's clips, by their generator."""
    if setting.audio is None:
        return {}
    found, heard, groups = _heard(setting)
    classes = {}
    for name in sorted({c.generator for c in found}):
        kept = np.array([c.generator == name for c in found])
        classes[name] = (chosen(heard, kept), groups[kept])
    return classes


def _heard(setting: Setting) -> tuple[list[Item], Features, NDArray[np.int64]]:
    """Return the folder's clips, what is heard of them, and their groups by number."""
    assert setting.audio is not None
    found = clips(setting.audio)
    heard = features(
        setting.folder / "features" / "clips",
        "all",
        lambda: (delivered(c.samples) for c in found),
    )
    return found, heard, _numbers([f"{c.generator} {c.group}" for c in found])


def _of_one(said: list[Answer], labels: list[str], name: str) -> dict[str, Any]:
    """Return what is said of the clips of one generator."""
    own = [a for a, n in zip(said, labels, strict=True) if n == name]
    return {
        "right": rate([a.is_ai and a.nearest == name for a in own]),
        "called_ai": rate([a.is_ai for a in own]),
        "nearest": dict(Counter(a.nearest for a in own)),
    }


def _wrong(said: list[Answer], labels: list[str]) -> dict[str, Any] | None:
    named = [a.named != n for a, n in zip(said, labels, strict=True) if a.named]
    return rate(named) if named else None


def _numbers(keys: list[str]) -> NDArray[np.int64]:
    order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([order[key] for key in keys])


def _left_out(
    setting: Setting, heard: Features, labels: list[str], groups: NDArray[np.int64]
) -> list[Answer]:
    """Return answers with each third of every generator's groups left out in turn."""
    found: dict[int, Answer] = {}
    within = np.zeros(len(labels), np.int64)
    for name in set(labels):
        mine = [i for i, label in enumerate(labels) if label == name]
        order = {g: k for k, g in enumerate(dict.fromkeys(groups[mine].tolist()))}
        for i in mine:
            within[i] = order[int(groups[i])] % N_FOLDS
    people = np.array([g != "rendered scores" for g in setting.groups])
    human = (chosen(setting.people[0], people), setting.people[1][people])
    for fold in range(N_FOLDS):
        inside = {}
        for name in sorted(set(labels)):
            kept = np.array(
                [m == name and w != fold for m, w in zip(labels, within, strict=True)]
            )
            inside[name] = (chosen(heard, kept), groups[kept])
        calibration = calibrated(inside, human)
        out = np.flatnonzero(within == fold)
        said = answers(calibration, chosen(heard, within == fold))
        found |= {int(i): a for i, a in zip(out, said, strict=True)}
    return [found[i] for i in range(len(labels))]


def _confounds(audio: Path, setting: Setting, heard: Features) -> dict[str, Any]:
    """Return how well rate, length, loudness and codec alone tell ai from people.

    Nearest of three neighbours, each file left out, balanced accuracy. After the
    delivery only what the chain leaves is known: nothing but the length and the
    highest frequency of the band, which is the same for all.
    """
    rows, labels, lengths = [], [], []
    with (audio / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["use"] != "ai" and "catalog" not in row["use"]:
                continue
            try:
                info = read_info(audio / row["file"])
            except AudioError:
                continue
            kinds = [float(row["format"] == k) for k in ("flac", "opus", "mp3", "ogg")]
            rows.append(
                [info.sample_rate / 1e4, np.log(float(row["duration_s"])),
                 np.log(float(row["rms"]) + 1e-4), *kinds]
            )  # fmt: skip
            lengths.append([min(20.0, float(row["duration_s"]))])
            labels.append(row["use"] == "ai")
    both = np.concatenate([heard.values, setting.people[0].values])
    residual = both[:, 0].std(axis=1)
    truth = np.array([True] * len(heard.values) + [False] * len(setting.groups))
    return {
        "files_as_they_are": _neighbours(np.array(rows), np.array(labels)),
        "length_after_delivery": _neighbours(np.array(lengths), np.array(labels)),
        "size_of_the_residual_alone": _neighbours(residual[:, None], truth),
    }


def _neighbours(rows: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    scaled = (rows - rows.mean(0)) / np.maximum(rows.std(0), 1e-9)
    distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :3]
    said = labels[nearest].sum(axis=1) >= 2
    right = [(said == labels)[labels == kind].mean() for kind in (True, False)]
    return round(float(np.mean(right)), 3)
