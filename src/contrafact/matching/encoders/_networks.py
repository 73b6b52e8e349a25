"""What all encoders' networks need: their folder, their digest, a forward pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from contrafact.core.errors import ModelFormatError
from contrafact.generators.loading import (
    digest_tensors,
    load_weights,
    read_weights,
)

__all__ = ["digest_of", "fill", "forward", "made", "renamed"]

Floats = NDArray[np.float32]
_Network = TypeVar("_Network", bound=nn.Module)

# Weight normalization, as PyTorch wrote it before and after 2.0.
_WEIGHT_NORM = {
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}


@contextmanager
def made(what: Path) -> Iterator[None]:
    """Turn whatever settings that do not fit set off into one clear error.

    Raises:
        ModelFormatError: If the block raises because of settings.
    """
    try:
        yield
    except ModelFormatError:
        raise
    except Exception as error:  # libraries raise whatever they like of settings
        raise ModelFormatError(
            f"{what} does not describe a network that can be built: {error}. Copy the "
            "published configuration."
        ) from error


def fill(
    module: _Network,
    directory: Path,
    *,
    prefix: str = "",
    unused: tuple[str, ...] = (),
) -> _Network:
    """Fill a network with the weights of a directory, and make it ready for use.

    Args:
        module: Built from the directory's configuration.
        directory: With one set of safetensors.
        prefix: Of the names of its tensors in there.
        unused: Beginnings of the names, after the prefix, of what only training or
            another part of the model needs.

    Raises:
        ModelFormatError: If weights are missing, damaged or of another network.
    """
    weights = renamed(read_weights(directory), prefix=prefix)
    kept = {
        name: tensor for name, tensor in weights.items() if not name.startswith(unused)
    }
    load_weights(module, _as_wanted(kept, module), of=directory)
    module.float().eval()
    return module


def renamed(weights: Mapping[str, Tensor], *, prefix: str) -> dict[str, Tensor]:
    """Return weights by the names that the network has for them."""
    found = {}
    for name, tensor in weights.items():
        plain = name.removeprefix(prefix)
        for old, new in _WEIGHT_NORM.items():
            if plain.endswith(old):
                plain = plain.removesuffix(old) + new
        found[plain] = tensor
    return found


def _as_wanted(weights: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Return weights without what is counted anew, and with counters they lack.

    Indices of places in a window follow from the settings; counts of batches mean
    something to training alone. Some files hold them, some do not.
    """
    wanted = module.state_dict()
    counted = ("relative_position_index", "num_batches_tracked", "position_ids")
    kept = {
        name: tensor
        for name, tensor in weights.items()
        if name in wanted or not name.endswith(counted)
    }
    lacking = {n: t for n, t in wanted.items() if n.endswith(counted)}
    return {**lacking, **kept}


def forward(
    network: Callable[[Tensor], Tensor], windows: Floats, *, dimension: int
) -> Floats:
    """Return the vectors that a network makes of windows.

    Raises:
        ModelFormatError: If it makes something else, or not numbers.
    """
    with torch.inference_mode():
        found = network(torch.from_numpy(np.ascontiguousarray(windows))).float()
    vectors = found.numpy()
    if vectors.shape != (len(windows), dimension) or not np.isfinite(vectors).all():
        raise ModelFormatError(
            f"The encoder made {vectors.shape} of {len(windows)} window(s), or values "
            "that are not numbers. Its weights are damaged, or not its own; copy them "
            "again."
        )
    return np.asarray(vectors, np.float32)


def digest_of(module: nn.Module, settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a network's weights and of how it is used."""
    hasher = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    hasher.update(digest_tensors(module.state_dict()))
    return hasher.hexdigest()
