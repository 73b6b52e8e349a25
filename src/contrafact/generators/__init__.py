"""Generative models behind one protocol, and the registry that finds them.

A model is a directory; `load_generator` tells from its configuration which
kind it is. Kinds are listed in `GENERATORS`; a package from outside adds its
own under the entry point group `contrafact.generators`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import cast

from contrafact.core.errors import GeneratorError, ModelFormatError
from contrafact.generators.base import Conditioning, Generator, LatentBatch
from contrafact.generators.loading import check_safetensors_only, model_kind

__all__ = [
    "ENTRY_POINT_GROUP",
    "GENERATORS",
    "Conditioning",
    "Generator",
    "LatentBatch",
    "Loader",
    "check_safetensors_only",
    "load_generator",
]

Loader = Callable[[Path], Generator]
"""Makes a generator of a model directory, or raises `GeneratorError`."""

ENTRY_POINT_GROUP = "contrafact.generators"


def _lazy(
    module: str, function: str, *, needs: Sequence[str] = (), extra: str = ""
) -> Loader:
    """Return a loader whose module is imported when it is first needed.

    Args:
        module: Where the loader is.
        function: Its name, with dots where it is a class method.
        needs: Packages that only this kind of model uses.
        extra: The extra of contrafact that installs them.
    """

    def load(directory: Path) -> Generator:
        absent = [name for name in needs if find_spec(name) is None]
        if absent:
            raise GeneratorError(
                f"The model in {directory} needs packages that are not installed: "
                f"{', '.join(absent)}. Install contrafact[{extra}]."
            )
        loader = cast(Loader, attrgetter(function)(import_module(module)))
        return loader(directory)

    return load


GENERATORS: dict[str, Loader] = {
    "stable_audio": _lazy(
        "contrafact.generators.stable_audio",
        "load_stable_audio",
        needs=("diffusers", "transformers", "torchsde"),
        extra="stable-audio",
    ),
    "studio": _lazy("contrafact.generators.studio.generator", "StudioGenerator.load"),
}
"""The loader of each kind of model; the kind is `config.json`'s `"kind"`."""


def load_generator(directory: Path) -> Generator:
    """Load the model in a directory; nothing is ever fetched or unpickled.

    Args:
        directory: With a `config.json` that names its `"kind"`, or laid out
            as diffusers publishes a Stable Audio pipeline.

    Returns:
        The generator, on the CPU, in evaluation mode.

    Raises:
        ModelFormatError: If the directory is missing, incomplete or unsafe, or
            nothing is known of its kind.
        GeneratorError: If packages which this kind of model needs are missing.
    """
    kind = model_kind(directory)
    if kind in GENERATORS:
        return GENERATORS[kind](directory)
    outside = {e.name: e for e in entry_points(group=ENTRY_POINT_GROUP)}
    if kind in outside:
        return cast(Loader, outside[kind].load())(directory)
    raise ModelFormatError(
        f"Model directory {directory} is of kind {kind!r}, which nothing here can "
        f"load. Known kinds: {', '.join(sorted({*GENERATORS, *outside}))}."
    )
