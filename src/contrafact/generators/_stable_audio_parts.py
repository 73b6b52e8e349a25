"""The parts of a published Stable Audio pipeline, read from its directory.

Every part is built from its configuration and filled from safetensors here,
rather than by `from_pretrained`, which may look things up on the network and
leaves tensors that it does not find at random.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderOobleck,
    CosineDPMSolverMultistepScheduler,
    StableAudioDiTModel,
    StableAudioProjectionModel,
)
from torch import nn
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from contrafact.core.errors import ModelFormatError
from contrafact.generators.loading import (
    check_safetensors_only,
    load_weights,
    read_config,
    read_weights,
)

__all__ = [
    "StableAudioParts",
    "digest_config",
    "quiet_weight_norm",
    "read_parts",
]

_PART_CLASSES = {
    "transformer": "StableAudioDiTModel",
    "vae": "AutoencoderOobleck",
    "text_encoder": "T5EncoderModel",
    "tokenizer": "T5Tokenizer",
    "projection_model": "StableAudioProjectionModel",
    "scheduler": "CosineDPMSolverMultistepScheduler",
}
# What differs between two savings of one model, or between two places of it.
_INCIDENTAL = frozenset(
    {"architectures", "dtype", "torch_dtype", "transformers_version"}
)
# Without a limit of its own, a tokenizer says that it reads 10^30 tokens.
_LONGEST_TEXT = 4096
# What building a part from a configuration of the wrong content may raise.
_UNREADABLE = (
    AttributeError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StableAudioParts:
    """What a Stable Audio pipeline is made of; all in float32.

    Attributes:
        transformer: A diffusers `StableAudioDiTModel`.
        codec: A diffusers `AutoencoderOobleck`.
        text_encoder: A transformers `T5EncoderModel`.
        tokenizer: A transformers `T5Tokenizer`.
        projection: A diffusers `StableAudioProjectionModel`.
        scheduler: A diffusers `CosineDPMSolverMultistepScheduler`, used as a
            template only, for it keeps the state of one run.
    """

    transformer: Any
    codec: Any
    text_encoder: Any
    tokenizer: Any
    projection: Any
    scheduler: Any

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The parts that hold weights, by the names of their directories."""
        return {
            "transformer": self.transformer,
            "vae": self.codec,
            "text_encoder": self.text_encoder,
            "projection_model": self.projection,
        }


def digest_config(config: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of a configuration without its incidental entries."""
    kept = {
        key: value
        for key, value in config.items()
        if key not in _INCIDENTAL and not key.startswith("_")
    }
    plain = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).digest()


@contextmanager
def quiet_weight_norm() -> Iterator[None]:
    """Hush the deprecation that building a diffusers Oobleck codec sets off."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "`torch.nn.utils.weight_norm` is deprecated", FutureWarning
        )
        yield


def _check_layout(directory: Path) -> None:
    """Refuse a directory that is no whole Stable Audio pipeline."""
    index = read_config(directory / "model_index.json")
    absent = [part for part in _PART_CLASSES if not (directory / part).is_dir()]
    if absent:
        raise ModelFormatError(
            f"Model directory {directory} lacks {', '.join(absent)}. "
            "Copy the whole model, as it is published for diffusers."
        )
    for part, wanted in _PART_CLASSES.items():
        found = str((index.get(part) or [None])[-1])
        if found.removesuffix("Fast") != wanted:
            raise ModelFormatError(
                f"Part {part} of {directory} is a {found}, not a {wanted}. Only "
                "Stable Audio pipelines of these parts can be loaded."
            )


def _fill(module: nn.Module, directory: Path) -> nn.Module:
    load_weights(module, read_weights(directory), of=directory)
    return module.float().eval()


def _read_diffusers(cls: Any, directory: Path) -> Any:
    config = read_config(directory / "config.json")
    with quiet_weight_norm():
        return _fill(cls.from_config(config), directory)


def _read_text_encoder(directory: Path) -> Any:
    config = T5Config.from_dict(read_config(directory / "config.json"))
    return _fill(T5EncoderModel(config), directory)


def _read_tokenizer(directory: Path) -> Any:
    tokenizer = T5Tokenizer.from_pretrained(directory, local_files_only=True)
    if not 1 <= tokenizer.model_max_length <= _LONGEST_TEXT:
        raise ModelFormatError(
            f"The tokenizer in {directory} reads {tokenizer.model_max_length} tokens, "
            f"wanted 1 to {_LONGEST_TEXT}. Set model_max_length in its "
            "tokenizer_config.json to what the model was trained with."
        )
    return tokenizer


def _read_all(directory: Path) -> StableAudioParts:
    # Bound as Any: diffusers leaves this class method without types.
    scheduler_class: Any = CosineDPMSolverMultistepScheduler
    scheduler = read_config(directory / "scheduler" / "scheduler_config.json")
    return StableAudioParts(
        transformer=_read_diffusers(StableAudioDiTModel, directory / "transformer"),
        codec=_read_diffusers(AutoencoderOobleck, directory / "vae"),
        text_encoder=_read_text_encoder(directory / "text_encoder"),
        tokenizer=_read_tokenizer(directory / "tokenizer"),
        projection=_read_diffusers(
            StableAudioProjectionModel, directory / "projection_model"
        ),
        scheduler=scheduler_class.from_config(scheduler),
    )


def _pairs_to_fit(parts: StableAudioParts) -> Iterator[tuple[str, object, object]]:
    """Yield what has to be equal if the parts are one Stable Audio model."""
    transformer, codec = parts.transformer.config, parts.codec.config
    scheduler, projection = parts.scheduler.config, parts.projection.config
    latent, width = codec.decoder_input_channels, projection.conditioning_dim
    odd_strides = [n for n in codec.downsampling_ratios if n % 2]
    yield "latent channels of transformer and vae", transformer.in_channels, latent
    yield "channels out of transformer and vae", transformer.out_channels, latent
    yield "mean and scale of vae", codec.encoder_hidden_size, 2 * latent
    yield "odd strides of vae", odd_strides, []
    width_in = transformer.cross_attention_input_dim
    yield "widths of cross-attention and projection_model", width_in, width
    width_in = transformer.global_states_input_dim
    yield "widths of global states and two numbers", width_in, 2 * width
    width_in = projection.text_encoder_dim
    width = parts.text_encoder.config.d_model
    yield "widths of projection_model and text_encoder", width_in, width
    yield "prediction types", scheduler.prediction_type, "v_prediction"
    yield "scales of the data", float(scheduler.sigma_data), 1.0


def _check_fit(parts: StableAudioParts, directory: Path) -> None:
    """Refuse parts that are no Stable Audio model when put together."""
    for what, found, wanted in _pairs_to_fit(parts):
        if found != wanted:
            raise ModelFormatError(
                f"The parts of {directory} do not fit: {what} are {found}, wanted "
                f"{wanted}. Copy all parts of one and the same model."
            )


def read_parts(directory: Path) -> StableAudioParts:
    """Return the parts of the pipeline in a directory.

    Args:
        directory: Laid out as published for diffusers: `model_index.json` and
            a directory for each part.

    Raises:
        ModelFormatError: If a part is missing, damaged, unsafe, of another
            class, or does not fit the others.
    """
    _check_layout(directory)
    for part in ("transformer", "vae", "text_encoder", "projection_model"):
        check_safetensors_only(directory / part)
    try:
        parts = _read_all(directory)
    except ModelFormatError:
        raise
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelFormatError(
            f"The Stable Audio model in {directory} cannot be put together: {reason}. "
            "Copy the whole model again, as it is published for diffusers."
        ) from error
    _check_fit(parts, directory)
    return parts
