"""Where codecs are kept: the one that comes with contrafact, and others."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

from contrafact.core.errors import GeneratorError, ModelFormatError
from contrafact.core.units import Digest
from contrafact.generators.loading import load_weights, read_config, read_weights
from contrafact.generators.studio._saving import write_json, write_tensors
from contrafact.generators.studio.codec import CodecConfig, SpectralCodec

__all__ = ["WEIGHTS", "codec_digest", "load_codec", "save_codec", "shipped_codec"]

WEIGHTS = Path(__file__).parent / "weights"
"""The directory of what comes with contrafact."""


def codec_digest(codec: SpectralCodec) -> Digest:
    """Return SHA-256 over the codec's configuration and weights."""
    state = hashlib.sha256(repr(codec.config).encode())
    for name, value in sorted(codec.state_dict().items()):
        state.update(name.encode() + value.contiguous().numpy().tobytes())
    return Digest(state.hexdigest())


def save_codec(codec: SpectralCodec, directory: Path) -> None:
    """Write `codec.safetensors` and `codec.json` to `directory`.

    Raises:
        StorageError: If the disk is full or the place is not writable.
    """
    write_tensors(directory / "codec.safetensors", codec.state_dict())
    facts = {"config": asdict(codec.config), "digest": codec_digest(codec)}
    write_json(directory / "codec.json", facts)


def load_codec(directory: Path) -> SpectralCodec:
    """Read what `save_codec` wrote.

    Returns:
        The codec in evaluation mode.

    Raises:
        ModelFormatError: If a file is missing or damaged, or they do not
            belong together.
    """
    facts = read_config(directory / "codec.json")
    try:
        codec = SpectralCodec(CodecConfig(**facts["config"]))
        expected = facts["digest"]
    except (GeneratorError, KeyError, TypeError) as error:
        raise ModelFormatError(
            f"{directory / 'codec.json'} describes no codec: {error}. Copy the model "
            "again."
        ) from error
    path = directory / "codec.safetensors"
    load_weights(codec, read_weights(path), of=path)
    if codec_digest(codec) != expected:
        raise ModelFormatError(
            f"The codec in {directory} is not the one that was written there: found "
            f"{codec_digest(codec)[:12]}, wanted {str(expected)[:12]}. Copy both of "
            "its files again."
        )
    return codec.eval()


def shipped_codec() -> SpectralCodec:
    """Return the codec that comes with contrafact."""
    return load_codec(WEIGHTS)
