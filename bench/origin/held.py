"""What a held codec adds: generators that leave no comb, and spoofs it does not know.

    python bench/origin/held.py --audio DIR

Every decoder of the bench can be encoded for, too, as a model that is held can. It
is asked whether it loses less of a sound than it loses of recordings by people. That
is evidence of its own kind: a filter that prints a class's mean spectrum on a
recording does not make it a sound of that decoder. Three are asked: the two whose
sounds the residual misses most, and one whose comb is plain and was printed. Takes
minutes; sounds are shared with the bench. Writes `bench/results/origin_held.json`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import numpy as np  # noqa: E402
import soxr  # noqa: E402
import torch  # noqa: E402
from attacks import printed  # noqa: E402
from decoders import Decoder, trained  # noqa: E402
from material import (  # noqa: E402
    RATE,
    STUDIO,
    Samples,
    Source,
    chosen_sources,
    decoded,
    delivered,
    features,
    kept_sounds,
    training_music,
)
from measuring import auroc  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from common import rate, say, write_result  # noqa: E402
from contrafact.generators import Generator  # noqa: E402
from contrafact.generators.studio.codec_files import shipped_codec  # noqa: E402
from contrafact.matching.origin.chain import RATE as HEARD_RATE  # noqa: E402
from contrafact.matching.origin.nulls import Null  # noqa: E402
from contrafact.matching.origin.reconstruction import reconstruction_score  # noqa: E402

__all__ = ["main"]

ASKED = ("linear-16k-200", STUDIO, "transposed-16k-256")
LEVEL = 0.01
STRENGTHS = (1.0, 2.0)


class _Codec:
    """A decoder of the bench in the shape of a generator that is asked."""

    n_channels = 1

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.sample_rate = decoder.shape.rate
        self.token_rate_hz = decoder.shape.rate / decoder.shape.hop

    def encode(self, audio: Tensor) -> Tensor:
        missing = -audio.shape[-1] % self._decoder.shape.hop
        found: Tensor = self._decoder.down(nn.functional.pad(audio, (0, missing)))
        return found

    def decode(self, latents: Tensor) -> Tensor:
        found: Tensor = self._decoder.up(latents)
        return found


class _Studio:
    """The studio's codec, without the rest of its model."""

    n_channels, sample_rate = 1, 16_000

    def __init__(self) -> None:
        self.codec = shipped_codec()
        self.token_rate_hz = self.sample_rate / self.codec.config.samples_per_token

    def encode(self, audio: Tensor) -> Tensor:
        return self.codec.encode(audio[:, 0])

    def decode(self, latents: Tensor) -> Tensor:
        return self.codec.decode(latents)[:, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asking:
    """The sounds, and the codecs that are asked about them; all is kept."""

    folder: Path
    chosen: list[Source]

    @cached_property
    def is_test(self) -> list[bool]:
        return [not s.is_dev for s in self.chosen]

    def sounds(self, name: str) -> list[Samples]:
        through = decoded(name, self.folder)
        return kept_sounds(
            self.folder / "sounds" / name,
            lambda: (delivered(through(s.samples)) for s in self.chosen),
        )

    def mark(self, name: str) -> Any:
        """Return a class's mean residual less that of people, development half."""
        dev = [i for i, is_test in enumerate(self.is_test) if not is_test]
        means = [
            features(
                self.folder / "held" / n,
                "dev",
                lambda n=n: [self.sounds(n)[i] for i in dev],
            )
            .values[:, 0]
            .mean(axis=0)
            for n in (name, "none")
        ]
        return (means[0] - means[1]).astype(float)

    def scores(
        self, name: str, key: str, made: Callable[[], list[Samples]]
    ) -> list[float]:
        """Return what a class's codec scores sounds, kept under a key."""
        path = self.folder / "held-2" / name / f"{key.replace(' ', '_')}.npy"
        if not path.exists():
            codec = _opened(name, self.folder)
            low = [
                np.asarray(soxr.resample(s, RATE, HEARD_RATE), np.float32)
                for s in made()
            ]
            found = [reconstruction_score(codec, s) for s in low]
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, found)
        return [float(v) for v in np.load(path)]


def _opened(name: str, folder: Path) -> Generator:
    if name == STUDIO:
        return cast(Generator, _Studio())
    return cast(
        Generator, _Codec(trained(name, [], HEARD_RATE, folder=folder / "decoders"))
    )


def _measured(asking: _Asking, name: str) -> dict[str, Any]:
    """Return what one codec says of its own sounds, of people's, and of spoofs."""
    test = asking.is_test
    people = asking.scores(name, "people", lambda: asking.sounds("none"))
    own = asking.scores(name, "own", lambda: asking.sounds(name))
    null = Null.of([v for v, t in zip(people, test, strict=True) if not t])
    said = {
        "own": [null.p_value(v) for v, t in zip(own, test, strict=True) if t],
        "people": [null.p_value(v) for v, t in zip(people, test, strict=True) if t],
    }
    for strength in STRENGTHS:
        key = f"printed {strength:g}"
        made = lambda strength=strength: [  # noqa: E731
            printed(s, asking.mark(name), strength)
            for s, t in zip(asking.sounds("none"), test, strict=True)
            if t
        ]
        said[key] = [null.p_value(v) for v in asking.scores(name, key, made)]
    own_test = [v for v, t in zip(own, test, strict=True) if t]
    people_test = [v for v, t in zip(people, test, strict=True) if t]
    return {
        "auroc": round(auroc(own_test, people_test), 4),
        "median": {
            "own": round(float(np.median(own_test)), 4),
            "people": round(float(np.median(people_test)), 4),
        },
        "at_most": {
            str(level): {k: rate([p <= level for p in ps]) for k, ps in said.items()}
            for level in (LEVEL / 4, LEVEL, 0.05, 0.1, 0.2)
        },
    }


def main(audio: Path | None, *, folder: Path = Path("build/origin")) -> dict[str, Any]:
    """Ask the codecs; return the document that is written to the results."""
    torch.set_num_threads(1)
    missing = [n for n in ASKED if n != STUDIO
               and not (folder / "decoders" / f"{n}.safetensors").exists()]  # fmt: skip
    music = training_music(folder) if missing else []
    for name in missing:
        trained(name, music, HEARD_RATE, folder=folder / "decoders")
    asking = _Asking(folder=folder, chosen=chosen_sources(folder, audio))
    document: dict[str, Any] = {
        "n_sources": len(asking.chosen),
        "n_test": sum(asking.is_test),
        "codecs": {},
    }
    for i, name in enumerate(ASKED):
        document["codecs"][name] = _measured(asking, name)
        say("codecs that are asked", i + 1, len(ASKED))
    write_result("origin_held", document)
    return document


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("build/origin"))
    given = parser.parse_args()
    main(given.audio, folder=given.folder)
