"""The directory of a studio model: written whole, read with mistrust.

`config.json`, `model.safetensors`, `checkpoints/NAME.safetensors`, and
`codec.json` with `codec.safetensors` if the codec is not the shipped one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from contrafact.core.errors import GeneratorError, ModelFormatError
from contrafact.generators.checkpoints import checkpoint_names, read_checkpoint
from contrafact.generators.loading import (
    check_safetensors_only,
    load_weights,
    read_config,
    read_weights,
)
from contrafact.generators.studio._saving import write_json, write_tensors
from contrafact.generators.studio.codec import SpectralCodec
from contrafact.generators.studio.codec_files import (
    codec_digest,
    load_codec,
    save_codec,
    shipped_codec,
)
from contrafact.generators.studio.network import NetworkConfig, StudioNetwork
from contrafact.generators.studio.text import Vocabulary

FORMAT = 1


class ModelParts(NamedTuple):
    """What a model is made of; a checkpoint is a state of the whole network."""

    network: StudioNetwork
    codec: SpectralCodec
    checkpoints: Mapping[str, Mapping[str, Tensor]]


def write_model(directory: Path, parts: ModelParts, config: Mapping[str, Any]) -> None:
    """Write a model and its configuration.

    Raises:
        GeneratorError: If a checkpoint's name cannot be that of a file.
        StorageError: If the disk is full or the place is not writable.
    """
    odd = [name for name in parts.checkpoints if Path(name).name != name]
    if odd:
        raise GeneratorError(
            f"{odd[0]!r} cannot name a checkpoint. Use letters and digits."
        )
    write_tensors(directory / "model.safetensors", parts.network.state_dict())
    for name, state in parts.checkpoints.items():
        write_tensors(directory / "checkpoints" / f"{name}.safetensors", state)
    if codec_digest(parts.codec) != codec_digest(shipped_codec()):
        save_codec(parts.codec, directory)
    # Last, for a directory without it is no model.
    write_json(directory / "config.json", config)


def read_model(directory: Path) -> tuple[ModelParts, dict[str, Any]]:
    """Return what `write_model` wrote: the parts and the configuration.

    Raises:
        ModelFormatError: If something is missing, damaged or does not fit.
    """
    check_safetensors_only(directory)
    config = _checked(read_config(directory / "config.json"), directory)
    network = _network(config, directory)
    names = checkpoint_names(directory)
    checkpoints = {name: read_checkpoint(directory, name) for name in names}
    # Every checkpoint is tried on; the model's own weights come last, and stay.
    for name, state in checkpoints.items():
        load_weights(network, state, of=directory / "checkpoints" / name)
    weights = directory / "model.safetensors"
    load_weights(network, read_weights(weights), of=weights)
    return ModelParts(network, _codec(config, directory), checkpoints), config


def _checked(config: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Return the configuration, or refuse one that `config` did not make."""
    if config.get("format") != FORMAT:
        raise ModelFormatError(
            f"The model in {directory} has format {config.get('format')!r}; this "
            f"contrafact reads {FORMAT}. Use the version that wrote it, or train anew."
        )
    kinds = {"network": dict, "vocabulary": list, "codec": dict, "is_fast": bool}
    wrong = [
        key for key, kind in kinds.items() if not isinstance(config.get(key), kind)
    ]
    if wrong:
        raise ModelFormatError(
            f"{directory / 'config.json'} has no valid {wrong[0]!r}; found "
            f"{config.get(wrong[0])!r:.40}. Copy the model again."
        )
    return config


def _network(config: Mapping[str, Any], directory: Path) -> StudioNetwork:
    try:
        return StudioNetwork(
            NetworkConfig(**config["network"]), Vocabulary(config["vocabulary"])
        )
    except (GeneratorError, TypeError) as error:
        raise ModelFormatError(
            f"{directory / 'config.json'} describes no network: {error}. Copy the "
            "model again."
        ) from error


def _codec(config: Mapping[str, Any], directory: Path) -> SpectralCodec:
    """Return the codec that lies with the model, or the shipped one."""
    has_own = (directory / "codec.json").exists()
    codec = load_codec(directory) if has_own else shipped_codec()
    found, wanted = codec_digest(codec), config["codec"].get("digest")
    if found != wanted:
        raise ModelFormatError(
            f"The model in {directory} was trained with codec {str(wanted)[:12]}, but "
            f"the one at hand is {found[:12]}. Put its codec.json and "
            "codec.safetensors there."
        )
    return codec
