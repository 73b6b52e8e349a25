"""Setting a generator's parameters, for good or for a while.

A model directory may keep states of training as `checkpoints/NAME.safetensors`:
the tensors of `Generator.parameters()` by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from contrafact.core.errors import GeneratorError
from contrafact.generators.base import Generator
from contrafact.generators.loading import read_weights

__all__ = [
    "checkpoint_names",
    "overwrite_parameters",
    "read_checkpoint",
    "swapped_parameters",
]

_FOLDER = "checkpoints"


def checkpoint_names(directory: Path) -> tuple[str, ...]:
    """Return the names of the checkpoints in a model directory, sorted."""
    return tuple(sorted(p.stem for p in (directory / _FOLDER).glob("*.safetensors")))


def read_checkpoint(directory: Path, name: str) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint kept in a model directory.

    Raises:
        GeneratorError: If there is none of this name.
        ModelFormatError: If it is damaged.
    """
    names = checkpoint_names(directory)
    if name not in names:
        found = ", ".join(names) or "none at all"
        raise GeneratorError(
            f"The model in {directory} keeps no checkpoint {name!r}; found {found}. "
            "Name one of these or train with checkpoints."
        )
    return read_weights(directory / _FOLDER / f"{name}.safetensors")


def overwrite_parameters(
    parameters: Mapping[str, nn.Parameter], state: Mapping[str, Tensor]
) -> None:
    """Copy a tensor into every parameter, or into none.

    Args:
        parameters: What is overwritten in place.
        state: A tensor for every name in `parameters`, of its shape.

    Raises:
        GeneratorError: If a name is missing or unknown, or a shape differs.
    """
    odd = sorted(set(parameters) ^ set(state)) or sorted(
        name for name in parameters if parameters[name].shape != state[name].shape
    )
    if odd:
        raise GeneratorError(
            f"The parameters do not fit the model: {len(odd)} are missing, unknown or "
            f"of another shape, the first being {odd[0]}. Load those of this model."
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])


@contextmanager
def swapped_parameters(
    generator: Generator, state: Mapping[str, Tensor]
) -> Iterator[None]:
    """Let a generator have other parameters inside the context only.

    Raises:
        GeneratorError: If the parameters do not fit.
    """
    before = {n: p.detach().clone() for n, p in generator.parameters().items()}
    generator.load_parameters(state)
    try:
        yield
    finally:
        generator.load_parameters(before)
