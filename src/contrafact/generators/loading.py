"""Reading model directories without trusting them.

Weights are read from safetensors alone: a pickle runs code when it is opened.
What the parts of one model are, and how they fit, is known to its adapter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from contrafact.core.errors import ModelFormatError

__all__ = [
    "PICKLE_SUFFIXES",
    "check_finite",
    "check_safetensors_only",
    "digest_tensors",
    "load_weights",
    "model_kind",
    "read_config",
    "read_weights",
]

PICKLE_SUFFIXES = frozenset({".bin", ".ckpt", ".pkl", ".pickle", ".pt", ".pth"})
_DIFFUSERS_KINDS = {"StableAudioPipeline": "stable_audio"}


def check_safetensors_only(directory: Path) -> None:
    """Refuse a directory whose weights could run code when opened.

    A pickle that lies beside safetensors is allowed, as publishers often ship
    both; it is never opened.

    Args:
        directory: A model, or one part of it; looked through to the bottom.

    Raises:
        ModelFormatError: If there is no such directory, or it holds no
            safetensors.
    """
    if not directory.is_dir():
        raise ModelFormatError(
            f"There is no model directory {directory}. Give one that exists."
        )
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    if any(path.suffix == ".safetensors" for path in files):
        return
    pickles = [path.name for path in files if path.suffix in PICKLE_SUFFIXES]
    if pickles:
        raise ModelFormatError(
            f"Model directory {directory} keeps its weights in {pickles[0]}, which "
            "could run code when opened. Convert them to safetensors where you "
            "trust them, then load those."
        )
    raise ModelFormatError(
        f"Model directory {directory} has no weights: found no .safetensors file. "
        "Copy the whole model."
    )


def read_config(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        ModelFormatError: If the file is missing or holds something else.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFormatError(
            f"Cannot read {path}: {error.strerror or error}. Copy the whole model."
        ) from error
    except ValueError as error:
        raise ModelFormatError(
            f"{path} is not JSON: {error}. Copy the model again."
        ) from error
    if not isinstance(config, dict):
        raise ModelFormatError(
            f"{path} holds a JSON {type(config).__name__}, not an object. "
            "Copy the model again."
        )
    return config


def model_kind(directory: Path) -> str:
    """Return the kind of the model in a directory.

    Args:
        directory: With a `config.json` that names its `"kind"`, or with the
            `model_index.json` of a diffusers pipeline.

    Raises:
        ModelFormatError: If the directory is missing or names no kind.
    """
    if not directory.is_dir():
        raise ModelFormatError(
            f"There is no model directory {directory}. Give one that exists."
        )
    config, index = directory / "config.json", directory / "model_index.json"
    kind: object = None
    if config.exists():
        kind = read_config(config).get("kind")
    if kind is None and index.exists():
        pipeline = str(read_config(index).get("_class_name"))
        kind = _DIFFUSERS_KINDS.get(pipeline, pipeline)
    if not isinstance(kind, str):
        raise ModelFormatError(
            f"Model directory {directory} does not say what it is: found no "
            '"kind" in config.json and no model_index.json. Give the directory of '
            "a model that `contrafact train` or a diffusers pipeline wrote."
        )
    return kind


def _weight_files(directory: Path) -> Iterator[Path]:
    """Yield the files of one set of weights; shards are named by an index."""
    shard_lists = sorted(directory.glob("*.safetensors.index.json"))
    if shard_lists:
        names = read_config(shard_lists[0]).get("weight_map", {})
        yield from (directory / Path(str(n)).name for n in sorted({*names.values()}))
        return
    found = sorted(directory.glob("*.safetensors"))
    # Half-precision variants are named `model.fp16.safetensors` and the like.
    yield from [path for path in found if "." not in path.stem] or found


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or of a directory's.

    Args:
        path: A file; or a directory with one set of weights, maybe in shards.

    Raises:
        ModelFormatError: If there are none or they are damaged.
    """
    if path.is_dir():
        check_safetensors_only(path)
    weights: dict[str, Tensor] = {}
    for file in _weight_files(path) if path.is_dir() else [path]:
        try:
            weights |= load_file(file)
        except (OSError, SafetensorError) as error:
            raise ModelFormatError(
                f"Cannot read the weights {file}: {error}. Copy the model again."
            ) from error
    return weights


def _tied_names(module: nn.Module) -> list[set[str]]:
    """Return the groups of names under which one parameter is held."""
    groups: dict[int, set[str]] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        groups.setdefault(id(tensor), set()).add(name)
    return [group for group in groups.values() if len(group) > 1]


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], *, of: Path) -> None:
    """Fill a module with weights, all of them and no others.

    Of a parameter held under two names, either will do.

    Args:
        module: Built from the configuration that the weights belong to.
        weights: Tensors by the names of the module's state.
        of: Where they were read, for the message.

    Raises:
        ModelFormatError: If a tensor is missing, left over, of another shape or not
            finite.
    """
    wanted = module.state_dict()
    missing, surplus = set(wanted) - set(weights), set(weights) - set(wanted)
    for group in _tied_names(module):
        if group - missing:
            missing -= group
    reshaped = {
        n for n in set(wanted) & set(weights) if wanted[n].shape != weights[n].shape
    }
    for what, names in (
        ("lack", missing),
        ("have no place for", surplus),
        ("have the wrong shape for", reshaped),
    ):
        if names:
            raise ModelFormatError(
                f"The weights in {of} {what} {len(names)} of the model's tensors, "
                f"the first being {min(names)}. Copy weights and configuration of "
                "one and the same model."
            )
    check_finite(dict(module.named_parameters()), weights, of=of)
    module.load_state_dict(dict(weights), strict=False)


def check_finite(
    parameters: Collection[str], weights: Mapping[str, Tensor], *, of: Path
) -> None:
    """Refuse weights that are no numbers.

    Args:
        parameters: Names of what is learned; what else there is may be infinite, as
            masks are.
        weights: By name.
        of: Where they were read, for the message.

    Raises:
        ModelFormatError: If one of them is not finite.
    """
    odd = sorted(
        name
        for name in set(parameters) & set(weights)
        if not bool(torch.isfinite(weights[name]).all())
    )
    if odd:
        raise ModelFormatError(
            f"The weights in {of} are not finite in {len(odd)} tensor(s), the first "
            f"being {odd[0]}. Copy the model again, or train it again."
        )


def digest_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the SHA-256 of tensors with their names, types and shapes."""
    hasher = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        hasher.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        hasher.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hasher.digest()
