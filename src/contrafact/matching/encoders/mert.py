"""MERT: music understood by predicting what was masked.

The published weights, `m-a-p/MERT-v1-95M` and `-330M` (CC BY-NC 4.0), are those of a
HuBERT in `transformers`, the larger one with DeepNorm: a folder with `config.json`,
`preprocessor_config.json` and the weights, which are published as a pickle and are
converted first. Nothing of the code that lies beside them is run.

References:
    Li et al., "MERT: Acoustic music understanding model with large-scale
    self-supervised training", ICLR 2024 (arXiv 2306.00107).
    Wang et al., "DeepNet: Scaling transformers to 1,000 layers", arXiv 2203.00555.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import HubertConfig, HubertModel
from transformers.models.hubert.modeling_hubert import HubertEncoderLayer

from contrafact.core.errors import ModelFormatError
from contrafact.generators.loading import read_config
from contrafact.matching.encoders._networks import digest_of, fill, forward, made
from contrafact.matching.encoders.base import Meaning, Nearness

__all__ = ["Mert"]

_WINDOW_S = 5.0  # what it was trained on
_UNUSED = ("final_proj.", "label_embs_concat", "lm_head.")
_NAMES = ("architectures", "auto_map", "model_type", "transformers_version")


class Mert:
    """The mean over time and over all layers of a MERT; see `Encoder`."""

    name = "mert"
    meaning: Meaning = "style"
    nearness: Nearness = "cosine"
    window_s = hop_s = _WINDOW_S

    def __init__(
        self, network: HubertModel, *, sample_rate: int, is_levelled: bool
    ) -> None:
        """Take the network.

        Args:
            network: Of the layers.
            sample_rate: Of its audio, in Hz.
            is_levelled: Whether each window is brought to mean 0 and variance 1.
        """
        self._network, self._is_levelled = network, is_levelled
        self.sample_rate = sample_rate
        self.dimension = int(network.config.hidden_size)
        settings = {"sample_rate": sample_rate, "is_levelled": is_levelled}
        self.digest = digest_of(network, settings)

    @classmethod
    def load(cls, directory: Path) -> Mert:
        """Load a published model.

        Raises:
            ModelFormatError: If it is incomplete, damaged, or of another kind.
        """
        settings = directory / "config.json"
        config = read_config(settings)
        if config.get("feature_extractor_cqt"):
            raise ModelFormatError(
                f"{settings} asks for a constant-Q transform beside the sound, which "
                "only early models of MERT had. Use MERT-v1."
            )
        kept = {name: value for name, value in config.items() if name not in _NAMES}
        with made(settings):
            network = HubertModel(HubertConfig(**kept))
            if config.get("deepnorm"):
                _deepen(network)
            sample_rate = int(config.get("sample_rate", 24_000))
        return cls(
            fill(network, directory, unused=_UNUSED),
            sample_rate=sample_rate,
            is_levelled=_is_levelled(directory),
        )

    def encode(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return vectors of windows; see `Encoder.encode`."""
        return forward(self._vectors, windows, dimension=self.dimension)

    def _vectors(self, windows: Tensor) -> Tensor:
        if self._is_levelled:
            mean = windows.mean(dim=1, keepdim=True)
            spread = windows.var(dim=1, keepdim=True, unbiased=False)
            windows = (windows - mean) / (spread + 1e-7).sqrt()
        found: Any = self._network(windows, output_hidden_states=True)
        return torch.stack(found.hidden_states).mean(dim=(0, 2))


def _is_levelled(directory: Path) -> bool:
    path = directory / "preprocessor_config.json"
    return not path.exists() or bool(read_config(path).get("do_normalize", True))


def _deepen(network: HubertModel) -> None:
    """Let every layer keep more of what it was given, as DeepNorm does.

    The attention of those models is relaxed, too, which changes how it is computed
    in half precision and not what it is.
    """
    layers = network.encoder.layers
    weight = (2.0 * len(layers)) ** 0.25
    for i in range(len(layers)):
        layers[i] = _DeepLayer(network.config, weight)


class _DeepLayer(HubertEncoderLayer):  # type: ignore[no-untyped-call]
    """A layer that adds to `weight` times what it was given."""

    def __init__(self, config: HubertConfig, weight: float) -> None:
        super().__init__(config)  # type: ignore[no-untyped-call]
        self.weight = weight

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        **given: Any,
    ) -> Tensor:
        attended, _ = self.attention(
            hidden_states, attention_mask=attention_mask, **given
        )
        found: Tensor = self.layer_norm(hidden_states * self.weight + attended)
        moved = self.feed_forward(found)
        result: Tensor = self.final_layer_norm(found * self.weight + moved)
        return result
