"""Learned encoders of a workspace: their indexes, and weights made ready for them.

An index lies in the folder `matching/encoders` under the name of its encoder and the
digest of its weights, and follows the catalog as those of the other layers do.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from contrafact.catalog import Workspace, read_audio, storage_errors
from contrafact.catalog.atomic import write_bytes
from contrafact.core.entities import Problem, Recording
from contrafact.core.errors import (
    AudioError,
    ConfigError,
    ContrafactError,
    ModelFormatError,
    UnknownEntityError,
)
from contrafact.core.evidence import EncoderMatch
from contrafact.core.units import Seconds
from contrafact.matching.checkpoints import read_checkpoint, tensors_in
from contrafact.matching.encoders import (
    ENCODERS,
    Encoder,
    EncoderIndex,
    heard_windows,
    load_encoder,
)
from contrafact.workflows.match_indexes import (
    Samples,
    catalog_recordings,
    matching_dir,
    work_of,
)
from contrafact.workflows.progress import Progress, silent

__all__ = [
    "WEIGHTS",
    "AskedEncoder",
    "convert_weights",
    "encoder_matches",
    "named_encoders",
    "open_encoders",
]

_log = logging.getLogger(__name__)
_LONGEST_S: Seconds = 3600.0

WEIGHTS = "model.safetensors"
"""The name of the file of weights in an encoder's folder."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AskedEncoder:
    """An encoder and its index of a workspace, up to date.

    Attributes:
        problems: Recordings of the catalog that it could not hear.
    """

    encoder: Encoder
    index: EncoderIndex
    problems: list[Problem] = field(default_factory=list)

    def matches(self, samples: Samples, *, max_p: float) -> tuple[EncoderMatch, ...]:
        """Return what mono samples at the encoder's rate are like, best first."""
        return self.index.identify(heard_windows(self.encoder, samples), max_p=max_p)


def named_encoders(named: Sequence[str]) -> dict[str, Path]:
    """Return encoders and the folders of their weights, as a user names them.

    Example:
        >>> named_encoders(["clap=weights/clap"])
        {'clap': PosixPath('weights/clap')}

    Raises:
        ConfigError: If one is not of the form NAME=FOLDER, is unknown, or is named
            twice.
    """
    found: dict[str, Path] = {}
    for text in named:
        name, _, folder = text.partition("=")
        if name not in ENCODERS or not folder:
            raise ConfigError(
                f"{text!r} names no encoder. Write NAME=FOLDER, where NAME is one of "
                f"{', '.join(ENCODERS)} and FOLDER holds its weights."
            )
        if name in found:
            raise ConfigError(f"The encoder {name} is named twice. Name it once.")
        found[name] = Path(folder)
    return found


def open_encoders(
    workspace: Workspace, folders: Mapping[str, Path], progress: Progress = silent
) -> dict[str, AskedEncoder]:
    """Load encoders, and bring their indexes up to date with the catalog.

    The first use hears the whole catalog, which takes these networks hours of one core
    for some hours of audio. It goes on where it was killed.

    Args:
        workspace: Whose catalog.
        folders: Of the weights, by the encoder's name.
        progress: Told how far each is.

    Raises:
        MatchingError: If a package is missing that the encoders are made of.
        MatchIndexError: If an index is damaged.
        ModelFormatError: If weights are missing, damaged or of another network.
        StorageError: If the disk is full or not writable.
        WorkspaceLockedError: If another process is writing and an index is not up to
            date.
    """
    return {
        name: _opened(workspace, load_encoder(name, folder), progress)
        for name, folder in folders.items()
    }


def _opened(workspace: Workspace, encoder: Encoder, progress: Progress) -> AskedEncoder:
    place = f"{encoder.name}-{encoder.digest[:12]}"
    folder = matching_dir(workspace) / "encoders" / place
    wanted = catalog_recordings(workspace)
    if folder.is_dir():
        index = EncoderIndex.open(folder, encoder)
        if index.works == {name: work_of(r) for name, r in sorted(wanted.items())}:
            return AskedEncoder(encoder=encoder, index=index)
    with workspace.lock():
        index = EncoderIndex.create(folder, encoder)
        problems = _update(workspace, index, encoder, wanted, progress)
    return AskedEncoder(encoder=encoder, index=index, problems=problems)


def _update(
    workspace: Workspace,
    index: EncoderIndex,
    encoder: Encoder,
    wanted: Mapping[str, Recording],
    progress: Progress,
) -> list[Problem]:
    known = index.works
    for name, work in known.items():
        if name not in wanted or work != work_of(wanted[name]):
            index.delete(name)
    missing = sorted(wanted.keys() - set(index.recording_ids))
    problems = []
    stage = f"encoding with {encoder.name}"
    for number, name in enumerate(missing):
        progress(stage, number, len(missing))
        if (problem := _add(workspace, index, encoder, wanted[name])) is not None:
            problems.append(problem)
    progress(stage, len(missing), len(missing))
    return problems


def _add(
    workspace: Workspace, index: EncoderIndex, encoder: Encoder, recording: Recording
) -> Problem | None:
    try:
        audio = read_audio(
            workspace.audio_path(recording),
            sample_rate=encoder.sample_rate,
            duration_s=_LONGEST_S,
        )
    except (AudioError, UnknownEntityError) as error:
        _log.warning("%s cannot be encoded: %s", recording.id, error)
        return Problem(source=recording.file, message=str(error))
    heard = heard_windows(encoder, audio.samples[0])
    index.add(str(recording.id), work_of(recording), heard)
    return None


def encoder_matches(
    encoders: Mapping[str, AskedEncoder],
    sound: Callable[[int], Samples],
    *,
    max_p: float,
) -> dict[str, tuple[EncoderMatch, ...]]:
    """Return what every encoder finds in a part of a piece, each on its own.

    Args:
        encoders: Those that are asked, by name.
        sound: Gives the part, `(n,)`, mono, at a rate in Hz. It is to be decoded at
            that rate, as recordings of the catalog are, not at a lower one before.
        max_p: The highest p-value that is answered.
    """
    return {
        name: asked.matches(sound(asked.encoder.sample_rate), max_p=max_p)
        for name, asked in encoders.items()
    }


def convert_weights(name: str, source: Path, folder: Path) -> Encoder:
    """Write the weights of a published checkpoint as safetensors, and load them.

    The checkpoint is a pickle; no code that it names is imported or run. The
    encoder's other files are copied along if they lie beside it.

    Args:
        name: Of the encoder.
        source: A file of `torch.save`.
        folder: Where the encoder shall be; made if it is missing.

    Returns:
        The encoder, loaded from there.

    Raises:
        ConfigError: If there is no encoder of that name.
        ModelFormatError: If the file is damaged, holds no tensors, or is of another
            network.
        StorageError: If the disk is full or not writable.
    """
    if name not in ENCODERS:
        raise ConfigError(
            f"There is no encoder '{name}'. Those known are {', '.join(ENCODERS)}."
        )
    if not source.is_file():
        raise ModelFormatError(f"There is no file {source}. Name a checkpoint.")
    found = read_checkpoint(source, source=str(source), skips_others=True)
    tensors = {n: np.array(x, order="C") for n, x in tensors_in(found).items()}
    if not tensors:
        raise ModelFormatError(
            f"{source} holds no named tensors. Take the file of weights."
        )
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for other in ENCODERS[name].files:
            beside = source.parent / other
            if beside.is_file() and not (folder / other).exists():
                shutil.copyfile(beside, folder / other)
    write_bytes(folder / WEIGHTS, save(tensors))
    try:
        return load_encoder(name, folder)
    except ContrafactError:
        (folder / WEIGHTS).unlink(missing_ok=True)
        raise
