"""Recordings once more, not quite the same, and which of them are known again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
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
    """

    def __init__(self, world: World, index: IndexEstimator, artists: list[str]) -> None:
        self._world, self._index = world, index
        self._ids = world.data.recording_ids
        with world.workspace.catalog() as catalog:
            paths = {r.id: world.workspace.audio_path(r) for r in catalog.recordings()}
        self._path = {name: paths[name] for name in self._ids}
        self._of = {
            artist: [r for r in self._ids if world.artist[r] == artist]
            for artist in artists
        }
        self._sounds: dict[str, NDArray[np.float32]] = {}
        self._found = self._listened()

    def _listened(self) -> set[str]:
        """Make all copies; return the recordings whose copy is known again."""
        every = [name for some in self._of.values() for name in some]
        rate, found = self._world.generator.sample_rate, set()
        with tempfile.TemporaryDirectory() as folder:
            index = FingerprintIndex.create(Path(folder) / "index")
            index.add_many([(n, _heard(path)) for n, path in self._path.items()])
            for done, name in enumerate(every, start=1):
                samples = read_audio(self._path[name], sample_rate=rate).samples[0]
                self._sounds[name] = near_copy(samples, seed=done)
                copy = Path(folder) / "copy.wav"
                soundfile.write(copy, self._sounds[name], rate, subtype="FLOAT")
                matches = index.identify(_heard(copy), max_false_match=_FALSE)
                if name in {m.recording_id for m in matches}:
                    found.add(name)
                say("near copies", done, len(every))
        return found

    @property
    def found(self) -> float:
        """Part of all copies that are known again."""
        return len(self._found) / len(self._sounds)

    def of(self, artist: str) -> tuple[Tensor, dict[str, str]]:
        """Return the features of an artist's copies, and the clusters known by sound.

        The copies are called `added-0` and so on, in the order of the rows.
        """
        rows, same = [], {}
        data, place = self._world.data, {r: i for i, r in enumerate(self._ids)}
        for number, name in enumerate(self._of[artist]):
            row = place[name]
            sound = torch.tensor(self._sounds[name])[None, None]
            latents = self._world.generator.encode(sound)[0]
            fitted = latents[:, : data.latents[row].shape[-1]]
            asked = Queries(LatentBatch.stack([fitted]), (data.windows[row].caption,))
            rows.append(self._index.features(asked))
            if name in self._found:
                same |= {name: name, f"added-{number}": name}
        return torch.cat(rows), same


def near_copy(samples: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Return a sound at half its loudness, with noise 26 dB beneath it."""
    noise = np.random.default_rng([seed, 9]).normal(size=samples.shape)
    level = 10 ** (-26 / 20) * np.sqrt(np.mean(samples**2))
    copied: NDArray[np.float32] = (0.5 * (samples + level * noise)).astype(np.float32)
    return copied


def _heard(path: Path) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = read_audio(path, sample_rate=SAMPLE_RATE).samples[0]
    return samples
