"""The encoders that are known, and what each needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from contrafact.core.errors import MatchingError, ModelFormatError
from contrafact.matching.encoders.base import Encoder, Meaning

__all__ = ["ENCODERS", "KnownEncoder", "load_encoder"]

_PACKAGES = ("torch", "transformers")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEncoder:
    """An encoder that can be loaded.

    Attributes:
        meaning: What is alike where its vectors are: the work, or the style.
        published: Where its makers publish the weights.
        licence: Of the weights, as their makers name it.
        files: What a folder of it must hold.
        module: Where its class is.
        class_name: The class.
    """

    meaning: Meaning
    published: str
    licence: str
    files: tuple[str, ...]
    module: str
    class_name: str


_MODEL = ("config.json", "model.safetensors")
ENCODERS: Mapping[str, KnownEncoder] = {
    "clews": KnownEncoder(
        meaning="work",
        published="zenodo.org/records/15045900",
        licence="MIT",
        files=("configuration.yaml", "model.safetensors"),
        module="clews",
        class_name="Clews",
    ),
    "muq": KnownEncoder(
        meaning="style",
        published="huggingface.co/OpenMuQ/MuQ-large-msd-iter",
        licence="CC BY-NC 4.0",
        files=_MODEL,
        module="muq",
        class_name="MuQ",
    ),
    "mert": KnownEncoder(
        meaning="style",
        published="huggingface.co/m-a-p/MERT-v1-95M",
        licence="CC BY-NC 4.0",
        files=(*_MODEL, "preprocessor_config.json"),
        module="mert",
        class_name="Mert",
    ),
    "clap": KnownEncoder(
        meaning="style",
        published="huggingface.co/laion/larger_clap_music",
        licence="Apache-2.0",
        files=(*_MODEL, "preprocessor_config.json"),
        module="clap",
        class_name="Clap",
    ),
}
"""Every encoder by name, those that hear works first."""


def load_encoder(name: str, directory: str | Path) -> Encoder:
    """Load an encoder from a folder of published weights.

    Args:
        name: One of `ENCODERS`.
        directory: With its configuration and its weights as safetensors.

    Raises:
        MatchingError: If there is none of that name, or the packages are missing that
            it is made of.
        ModelFormatError: If the folder is incomplete, damaged, or of another network.
    """
    known = ENCODERS.get(name)
    if known is None:
        raise MatchingError(
            f"There is no encoder '{name}'. Those known are {', '.join(ENCODERS)}."
        )
    if missing := [package for package in _PACKAGES if find_spec(package) is None]:
        raise MatchingError(
            f"The encoder {name} needs {' and '.join(missing)}. Install them: pip "
            "install 'contrafact[encoders]'"
        )
    directory = Path(directory)
    if not directory.is_dir():
        raise ModelFormatError(
            f"There is no folder {directory} with the weights of {name}. Nothing is "
            f"fetched: download them from {known.published} and name their folder."
        )
    module: Any = import_module(f"contrafact.matching.encoders.{known.module}")
    encoder: Encoder = getattr(module, known.class_name).load(directory)
    return encoder
