"""AudioSeal of Meta: 16 bits, read sample by sample.

The package `audioseal` (MIT) has the networks; the user gives the weights,
`generator.safetensors` and `detector.safetensors`.

References:
    San Roman et al., "Proactive detection of voice cloning with localized
    watermarking", ICML 2024.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from contrafact.matching.watermarks.base import (
    Bits,
    Detection,
    Samples,
    at_rate,
    check_bits,
    check_markable,
    check_sound,
    fitted,
)
from contrafact.matching.watermarks.packages import (
    folder_of_package,
    load_tensors,
    read_tensors,
)

__all__ = ["AudioSeal"]

_INSTALL = "pip install contrafact[audioseal]"
_CARDS = {"generator": "audioseal_wm_16bits", "detector": "audioseal_detector_16bits"}
_FOUND_ABOVE = 0.5


class AudioSeal:
    """The 16-bit networks of AudioSeal, 16 kHz, one channel at a time."""

    name = "audioseal"
    n_bits = 16
    sample_rate = 16_000
    least_s = 1.0

    def __init__(self, generator: Any, detector: Any) -> None:
        """Take the two networks; see `load` and `build`."""
        self._generator, self._detector = generator, detector

    @classmethod
    def load(cls, weights: Path) -> AudioSeal:
        """Load the networks with the user's weights.

        Raises:
            WatermarkError: If the package is not installed, or the weights are
                missing or of another network.
        """
        made = cls.build()
        for part, network in (
            ("generator", made._generator),
            ("detector", made._detector),
        ):
            name = f"{part}.safetensors"
            tensors = read_tensors(weights, name)
            load_tensors(network, tensors, source=str(weights / name))
        return made

    @classmethod
    def build(cls, **smaller: Any) -> AudioSeal:
        """Make untrained networks in the published shape.

        Args:
            smaller: Sizes of the backbone that differ, such as `n_filters`.

        Raises:
            WatermarkError: If the package is not installed.
        """
        folder_of_package("audioseal", install=_INSTALL)
        with warnings.catch_warnings():
            # It compiles parts of itself in a way that PyTorch calls outdated.
            warnings.simplefilter("ignore", DeprecationWarning)
            from audioseal import builder
            from audioseal.loader import AudioSeal as Loader
            from audioseal.loader import load_local_model_config
            from omegaconf import OmegaConf

        kinds: dict[str, tuple[Any, Any]] = {
            "generator": (builder.AudioSealWMConfig, builder.create_generator),
            "detector": (builder.AudioSealDetectorConfig, builder.create_detector),
        }
        made = {}
        for part, (kind, create) in kinds.items():
            card: Any = OmegaConf.to_container(load_local_model_config(_CARDS[part]))
            card.pop("checkpoint")
            card["seanet"].update(smaller)
            made[part] = create(Loader.parse_config(card, config_type=kind)).eval()
        return cls(made["generator"], made["detector"])

    def embed(self, samples: Samples, sample_rate: int, bits: Bits) -> Samples:
        """Return the sound with the mark in it; see `Watermark.embed`."""
        import torch

        check_markable(samples, sample_rate, least_s=self.least_s)
        check_bits(bits, self)
        heard = torch.from_numpy(at_rate(samples, sample_rate, self.sample_rate))
        message = torch.from_numpy(bits.astype(np.int64))[None].repeat(len(heard), 1)
        with torch.no_grad(), _uncompiled():
            added = self._generator.get_watermark(heard[:, None], message=message)
        back = at_rate(added[:, 0].numpy(), self.sample_rate, sample_rate)
        return fitted(samples, back)

    def detect(self, samples: Samples, sample_rate: int) -> Detection:
        """Look for the mark in the mean of all channels; see `Watermark.detect`."""
        import torch

        check_sound(samples, sample_rate, least_s=self.least_s)
        mono = samples.mean(axis=0, keepdims=True)
        heard = torch.from_numpy(at_rate(mono, sample_rate, self.sample_rate))
        with torch.no_grad(), _uncompiled():
            found, message = self._detector.detect_watermark(heard[:, None])
        score = float(found[0])
        return Detection(
            is_found=score > _FOUND_ABOVE,
            bits=message[0].numpy().astype(np.uint8),
            confidence=score,
            false_positive_rate=None,
            detail=f"marked in {score:.0%} of the samples",
        )


def _uncompiled() -> AbstractContextManager[None]:
    """Keep the package from compiling itself, which needs a compiler of C++."""
    from audioseal.libs.moshi.utils.compile import no_compile

    context: AbstractContextManager[None] = no_compile()
    return context
