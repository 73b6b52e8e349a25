"""CLAP of LAION: sound and its description in one space; here the sound alone.

The published weights, such as `laion/larger_clap_music` (Apache-2.0), are those of
`transformers`: a folder with `config.json`, `preprocessor_config.json` and
`model.safetensors`.

References:
    Wu et al., "Large-scale contrastive language-audio pretraining with feature
    fusion and keyword-to-caption augmentation", ICASSP 2023.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    ClapAudioModelWithProjection,
    ClapConfig,
    ClapFeatureExtractor,
)

from contrafact.generators.loading import read_config
from contrafact.matching.encoders._networks import digest_of, fill, forward, made
from contrafact.matching.encoders.base import Meaning, Nearness

__all__ = ["Clap"]

_HOP_S = 5.0


class Clap:
    """The network of sound of a CLAP model; see `Encoder`."""

    name = "clap"
    meaning: Meaning = "style"
    nearness: Nearness = "cosine"

    def __init__(
        self, network: ClapAudioModelWithProjection, features: ClapFeatureExtractor
    ) -> None:
        """Take the network and what makes its pictures of sound; see `load`."""
        self._network, self._features = network, features
        self.sample_rate = int(features.sampling_rate)
        self.window_s = float(features.max_length_s)
        self.hop_s = min(_HOP_S, self.window_s)
        self.dimension = int(network.config.projection_dim)
        self.digest = digest_of(network, {"features": features.to_dict()})

    @classmethod
    def load(cls, directory: Path) -> Clap:
        """Load a published model.

        Raises:
            ModelFormatError: If it is incomplete, damaged, or of another kind.
        """
        settings = directory / "config.json"
        config = read_config(settings)
        features = read_config(directory / "preprocessor_config.json")
        with made(settings):
            # The size of the common space is written outside of the audio's part.
            audio: Any = ClapConfig(**config).audio_config
            audio.projection_dim = config.get("projection_dim", audio.projection_dim)
            network = ClapAudioModelWithProjection(audio)
            extractor = ClapFeatureExtractor(**_plain(features))
        unused = ("text_model.", "text_projection.", "logit_scale")
        return cls(fill(network, directory, unused=unused), extractor)

    def encode(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return vectors of windows; see `Encoder.encode`."""
        pictures = [
            self._features(w, sampling_rate=self.sample_rate, return_tensors="pt")
            for w in windows
        ]
        return forward(
            lambda _: self._vectors(torch.cat([p["input_features"] for p in pictures])),
            windows,
            dimension=self.dimension,
        )

    def _vectors(self, pictures: Tensor) -> Tensor:
        # No window is longer than what the network takes at once.
        is_longer = torch.zeros(len(pictures), 1, dtype=torch.bool)
        found: Tensor = self._network(
            input_features=pictures, is_longer=is_longer
        ).audio_embeds
        return found


def _plain(features: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the extractor, without what names its class."""
    named = ("feature_extractor_type", "processor_class")
    return {name: value for name, value in features.items() if name not in named}
