"""The studio: our own small text-to-music latent diffusion model.

Codec, text encoder, transformer and training, all written to run on two CPU
cores. Trained by `workflows/`; loaded through `generators.load_generator`.
"""

from __future__ import annotations

from contrafact.generators.studio.codec import CodecConfig, SpectralCodec
from contrafact.generators.studio.generator import StudioGenerator, shipped_codec
from contrafact.generators.studio.network import NetworkConfig
from contrafact.generators.studio.training import Trainer, TrainingConfig

__all__ = [
    "CodecConfig",
    "NetworkConfig",
    "SpectralCodec",
    "StudioGenerator",
    "Trainer",
    "TrainingConfig",
    "shipped_codec",
]
