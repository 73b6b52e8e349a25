"""Networks of other people's packages, and weights that the user gives.

Their packages import readers of audio files, web clients and plots that are
not needed here, and some ask for a PyTorch of years ago. Only the modules that
define the networks are imported; tensors come from safetensors files alone.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from contrafact.core.errors import WatermarkError

__all__ = [
    "folder_of_package",
    "import_module_alone",
    "load_tensors",
    "read_tensors",
]


def folder_of_package(package: str, *, install: str) -> Path:
    """Return where an installed package is, without running any of it.

    Raises:
        WatermarkError: If it is not installed; `install` says what helps.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WatermarkError(
            f"The package {package} is not installed. Install it: {install}"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def import_module_alone(name: str, *, n_skipped: int, install: str) -> Any:
    """Import a module of a package, and not all that the package imports.

    Args:
        name: Such as `wavmark.models.my_model`.
        n_skipped: How many packages above it, from the outermost, shall not
            run their `__init__`.
        install: What to say to who lacks the package.

    Raises:
        WatermarkError: If the package is missing, or is another version.
    """
    parts = name.split(".")
    folder = folder_of_package(parts[0], install=install)
    bare: list[str] = []
    for depth in range(1, n_skipped + 1):
        above = ".".join(parts[:depth])
        if above not in sys.modules:
            module = ModuleType(above)
            module.__path__ = [str(folder.joinpath(*parts[1:depth]))]
            sys.modules[above] = module
            bare.append(above)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise WatermarkError(
            f"The package {parts[0]} has no usable {name}: {error}. Install the "
            f"version that was tested: {install}"
        ) from error
    finally:
        # Who imports the package itself shall get all of it.
        for above in bare:
            del sys.modules[above]


def read_tensors(folder: Path, name: str) -> dict[str, Any]:
    """Return the tensors of a safetensors file in the user's folder of weights.

    Raises:
        WatermarkError: If there is no such file, or it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / name
    if not path.is_file():
        raise WatermarkError(
            f"There are no weights at {path}. Nothing is fetched: convert the "
            "published ones to safetensors as docs/watermarks.md says, and name their "
            "folder with --weights."
        )
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise WatermarkError(
            f"{path} is not a whole safetensors file: {error}. Convert it again."
        ) from error


def load_tensors(model: Any, tensors: dict[str, Any], *, source: str) -> None:
    """Load tensors into a network, all of them and no others.

    Raises:
        WatermarkError: If names or shapes differ.
    """
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        said = str(error).splitlines()[1:2] or [str(error)]
        raise WatermarkError(
            f"{source} is not for this network: {said[0].strip()} Convert the "
            "published weights anew."
        ) from error
    model.eval()
