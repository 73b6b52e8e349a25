"""Recordings once more, not quite the same, and which of them are known again."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from asked import features_of
from numpy.typing import NDArray
from torch import Tensor
from world import World

from common import say
from contrafact.attribution.base import Queries
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.catalog.audio import read_audio
from contrafact.generators import LatentBatch
from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex

__all__ = ["NearCopies"]

_FALSE = 1e-3  # as `workflows/clusters.py`


class NearCopies:
    """The recordings of some artists at half the loudness, with noise beneath.

    Args:
        world: Model and corpus.
        index: Takes the gradients.
        artists: Whose recordings are copied.
        kept: Where the features of copies are kept, and which are known again.
    """

    def __init__(
        self, world: World, index: IndexEstimator, artists: list[str], kept: Path
    ) -> None:
        self._world, self._index, self._kept = world, index, kept
        self._ids = world.data.recording_ids
        with world.workspace.catalog() as catalog:
            paths = {r.id: world.workspace.audio_path(r) for r in catalog.recordings()}
        self._path = {name: paths[name] for name in self._ids}
        self._of = {
            artist: [r for r in self._ids if world.artist[r] == artist]
            for artist in artists
        }
        self._every = [name for some in self._of.values() for name in some]
        listened = kept / f"near-copies-{_digest([self._ids, self._every])}.json"
        if not listened.exists():
            listened.write_text(json.dumps(sorted(self._listened())))
        self._found = set(json.loads(listened.read_text()))

    def _sound(self, name: str) -> NDArray[np.float32]:
        rate = self._world.generator.sample_rate
        samples = read_audio(self._path[name], sample_rate=rate).samples[0]
        return near_copy(samples, seed=self._ids.index(name))

    def _listened(self) -> set[str]:
        """Make all copies; return the recordings whose copy is known again."""
        rate, found = self._world.generator.sample_rate, set()
        with tempfile.TemporaryDirectory() as folder:
            index = FingerprintIndex.create(Path(folder) / "index")
            index.add_many([(n, _heard(path)) for n, path in self._path.items()])
            for done, name in enumerate(self._every, start=1):
                copy = Path(folder) / "copy.wav"
                soundfile.write(copy, self._sound(name), rate, subtype="FLOAT")
                matches = index.identify(_heard(copy), max_false_match=_FALSE)
                if name in {m.recording_id for m in matches}:
                    found.add(name)
                say("near copies", done, len(self._every))
        return found

    @property
    def found(self) -> float:
        """Part of all copies that are known again."""
        return len(self._found) / len(self._every)

    def of(self, artist: str) -> tuple[Tensor, dict[str, str]]:
        """Return the features of an artist's copies, and the clusters known by sound.

        The copies are called `added-0` and so on, in the order of the rows.
        """
        asked, same = [], {}
        data, place = self._world.data, {r: i for i, r in enumerate(self._ids)}
        for number, name in enumerate(self._of[artist]):
            row = place[name]
            sound = torch.tensor(self._sound(name))[None, None]
            latents = self._world.generator.encode(sound)[0]
            fitted = latents[:, : data.latents[row].shape[-1]]
            caption = data.windows[row].caption
            asked.append(Queries(LatentBatch.stack([fitted]), (caption,)))
            if name in self._found:
                same |= {name: name, f"added-{number}": name}
        return features_of(self._index, asked, self._kept), same


def near_copy(samples: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Return a sound at half its loudness, with noise 26 dB beneath it."""
    noise = np.random.default_rng([seed, 9]).normal(size=samples.shape)
    level = 10 ** (-26 / 20) * np.sqrt(np.mean(samples**2))
    copied: NDArray[np.float32] = (0.5 * (samples + level * noise)).astype(np.float32)
    return copied


def _heard(path: Path) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = read_audio(path, sample_rate=SAMPLE_RATE).samples[0]
    return samples


def _digest(names: Sequence[Sequence[str]]) -> str:
    text = json.dumps([list(some) for some in names])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
