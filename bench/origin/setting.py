"""The recordings, the generators and the people of the bench, made or read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from decoders import trained
from material import (
    N_RECORDED,
    N_RENDERED,
    STUDIO,
    Features,
    Source,
    decoded,
    delivered,
    excerpt_starts,
    excerpts,
    features,
    kept_sounds,
    people_features,
    people_sources,
    sources,
    training_music,
)
from measuring import Asked
from numpy.typing import NDArray

from common import say

__all__ = ["DECODERS", "Setting"]

DECODERS = (
    "transposed-16k-256",
    "transposed-24k-320",
    "transposed-22k-256-bare",
    "transposed-16k-400",
    "linear-16k-200",
    "shuffle-24k-240",
    "istft-24k-300",
    "istft-16k-256",
)
N_CHANGED, N_TESTED = 5, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What everything is measured on.

    Attributes:
        apart: Folder of other recordings by people, a folder a collection.
        classes: Clean features of each generator, with the number of each source.
        people: The same of recordings by people; all sources of classes are in it
            under the same numbers, or in none.
        groups: Collection of each row of `people`.
        is_dev: Whether settings may have been chosen on a source, by number.
    """

    folder: Path
    audio: Path | None
    apart: Path | None
    chosen: list[Source]
    classes: dict[str, Asked]
    people: Asked
    groups: list[str]
    is_dev: dict[int, bool]

    @classmethod
    def made(
        cls, folder: Path, audio: Path | None, apart: Path | None = None
    ) -> Setting:
        """Make it, or use what is kept in a folder."""
        every = sources(folder, audio)
        recorded = [s for s in every if s.group != "rendered scores"]
        rendered = [s for s in every if s.group == "rendered scores"]
        people = people_sources(folder, audio)
        chosen = recorded[::6][:N_RECORDED] + rendered[::6][:N_RENDERED]
        numbers = {s.name: i for i, s in enumerate(people)}
        places = np.array([numbers.setdefault(s.name, len(numbers)) for s in chosen])
        _train(folder)
        heard = people_features(
            folder, "people", lambda: (p for s in people for p in excerpts(audio, s))
        )
        counts = [len(excerpt_starts(audio, s)) for s in people]
        places_of_people = np.repeat(np.arange(len(people)), counts)
        return cls(
            folder=folder,
            audio=audio,
            apart=apart,
            chosen=chosen,
            classes={
                n: (_clean(n, folder, chosen), places) for n in (*DECODERS, STUDIO)
            },
            people=(heard, places_of_people),
            groups=[people[i].group for i in places_of_people],
            is_dev={numbers[s.name]: s.is_dev for s in [*people, *chosen]},
        )

    def is_test(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which sources no setting was chosen on."""
        return np.array([not self.is_dev[int(n)] for n in numbers])

    def changed(self) -> list[int]:
        """Return which of the chosen sources the ranking was settled on, changed."""
        test = [i for i, s in enumerate(self.chosen) if not s.is_dev]
        return test[:: max(1, len(test) // N_CHANGED)][:N_CHANGED]

    def tested(self) -> list[int]:
        """Return which of the others are changed: no setting was chosen on them."""
        first = self.changed()
        return [
            i for i, s in enumerate(self.chosen) if not s.is_dev and i not in first
        ][::2][:N_TESTED]

    def sounds(self, name: str) -> list[NDArray[np.float32]]:
        """Return what a generator, or `none`, made of the chosen sources."""
        return _sounds(name, self.folder, self.chosen)

    def described(self) -> dict[str, Any]:
        """Return the numbers of everything."""
        steps = {
            n: json.loads((self.folder / "decoders" / f"{n}.json").read_text())
            for n in DECODERS
        }
        return {
            "decoders": {
                n: {
                    "rate": a["rate"], "strides": a["strides"], "up": a["up"],
                    "kernel": a["kernel"], "n_steps": a["n_steps"],
                    "final_loss": round(float(np.mean(a["loss"][-10:])), 3),
                }
                for n, a in steps.items()
            },
            "n_sources": len(self.chosen),
            "n_sources_test": sum(not s.is_dev for s in self.chosen),
            "n_people": len(np.unique(self.people[1])),
            "n_excerpts_of_people": len(self.groups),
            "seconds_each": 20,
        }  # fmt: skip


def _train(folder: Path) -> None:
    missing = [
        n for n in DECODERS if not (folder / "decoders" / f"{n}.safetensors").exists()
    ]
    music = training_music(folder) if missing else []
    for i, name in enumerate(missing):
        trained(name, music, 16_000, folder=folder / "decoders")
        say("train decoders", i + 1, len(missing))


def _sounds(name: str, folder: Path, chosen: list[Source]) -> list[NDArray[np.float32]]:
    through = decoded(name, folder)
    return kept_sounds(
        folder / "sounds" / name,
        lambda: (delivered(through(s.samples)) for s in chosen),
    )


def _clean(name: str, folder: Path, chosen: list[Source]) -> Features:
    return features(
        folder / "features" / name, "clean", lambda: _sounds(name, folder, chosen)
    )
