"""A song, ready to be explained: read, encoded, beside its model and corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from contrafact.attribution.base import AttributionTask, Queries
from contrafact.attribution.draws import losses_at
from contrafact.catalog import Workspace, read_audio, read_tags
from contrafact.catalog.audio import read_info
from contrafact.core.entities import Recording
from contrafact.core.errors import QueryError
from contrafact.generators import Generator, LatentBatch
from contrafact.generators.latents import LatentSet, cut_windows
from contrafact.workflows.generate import check_prompt
from contrafact.workflows.index import encoding_of, training_set
from contrafact.workflows.latents import Encoding, encode_file
from contrafact.workflows.models import (
    ModelRecord,
    find_model,
    open_model,
    trained_on,
)
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.serving import check_serving

__all__ = ["Asked", "ask", "measure"]

_N_LOSS_DRAWS = 64
_N_PITCH_DRAWS = 16
_LONGEST_S = 1800.0  # every window of the song is held in memory at every draw


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Asked:
    """A song, ready to be explained: the model, its corpus, the query.

    Attributes:
        queries: The song's windows; a song longer than the model's window
            has several.
        lengths: Length of each window in tokens.
        pitch_semitones: How much higher the file is than what is explained.
        notices: What must be said with any answer about the model.
    """

    record: ModelRecord
    generator: Generator
    data: LatentSet
    recordings: list[Recording]
    audio: Path
    prompt: str
    tags: Mapping[str, str]
    queries: Queries
    lengths: tuple[int, ...]
    pitch_semitones: float = 0.0
    notices: tuple[str, ...] = ()

    @property
    def task(self) -> AttributionTask:
        """What is attributed."""
        return AttributionTask(self.generator, self.data)

    @property
    def weights(self) -> torch.Tensor:
        """Part of the song that each window is, `(n_window,)`."""
        return torch.tensor(self.lengths) / sum(self.lengths)


def ask(
    workspace: Workspace,
    audio: Path,
    *,
    model: str,
    prompt: str | None = None,
    pitches: Sequence[float] = (0.0,),
    progress: Progress = silent,
) -> Asked:
    """Read a song and everything needed to explain it.

    Args:
        workspace: Where model and catalog are.
        audio: The song.
        model: Name of the model that made it.
        prompt: What the song was made from; its tags are read if None.
        pitches: By how many semitones the song may have been made higher since; of
            several, that which leaves the song that the model knows best.
        progress: Told about every part.

    Raises:
        ConfigError: If the prompt is no text, or too long.
        AudioError: If the song cannot be read.
        QueryError: If it is shorter than one latent token, or too long.
        UnknownModelError: If there is no such model.
        IndexMismatchError: If the catalog is not what the model learned.
        WithdrawnError: If the model holds a withdrawn work whose policy
            forbids this.
    """
    torch.set_num_threads(1)
    check_prompt(prompt or "")
    _require_short(audio)
    sound = read_audio(audio, max_duration_s=_LONGEST_S)
    record = find_model(workspace, model)
    notices = check_serving(workspace, record)
    generator = open_model(record)
    encoding = encoding_of(generator)
    if sound.duration_s < encoding.token_s:
        raise QueryError(
            f"{audio} lasts {sound.duration_s * 1000:.0f} ms, less than one latent "
            f"token ({encoding.token_s * 1000:.0f} ms); there is nothing to attribute."
        )
    tags = read_tags(audio)
    text = tags.get("contrafact_prompt", "") if prompt is None else prompt
    cut = _windows(audio, encoding, sound.duration_s, pitches[0], generator.max_tokens)
    asked = Asked(
        record=record,
        generator=generator,
        data=training_set(workspace, record, generator, progress),
        recordings=trained_on(workspace, record),
        audio=audio,
        prompt=text,
        tags=tags,
        queries=Queries(LatentBatch.stack(cut), (text,) * len(cut)),
        lengths=tuple(int(part.shape[-1]) for part in cut),
        pitch_semitones=pitches[0],
        notices=notices,
    )
    candidates = [asked]
    for pitch in pitches[1:]:
        cut = _windows(audio, encoding, sound.duration_s, pitch, generator.max_tokens)
        moved = Queries(LatentBatch.stack(cut), asked.queries.prompts)
        candidates.append(replace(asked, queries=moved, pitch_semitones=pitch))
    return _noticed(_best_known(candidates, progress))


def _windows(
    audio: Path, encoding: Encoding, duration_s: float, pitch: float, max_tokens: int
) -> list[Tensor]:
    """Return the windows of a song that was made `pitch` semitones higher since."""
    latents = encode_file(audio, encoding, duration_s=duration_s, semitones=-pitch)
    if not bool(torch.isfinite(latents).all()):
        raise QueryError(
            f"The latents of {audio} are not finite: the model's codec cannot take it. "
            "Bring the audio to a usual loudness, and ask again."
        )
    return [part for _, part in cut_windows(latents, max_tokens=max_tokens)]


def _best_known(candidates: Sequence[Asked], progress: Progress) -> Asked:
    """Return the song whose loss is lowest, the first of equals."""
    if len(candidates) == 1:
        return candidates[0]
    losses = []
    for done, asked in enumerate(candidates, start=1):
        found = measure(asked.generator, asked, n_draws=_N_PITCH_DRAWS)
        losses.append(float(found.mean()))
        progress("pitch", done, len(candidates))
    return candidates[losses.index(min(losses))]


def _noticed(asked: Asked) -> Asked:
    """Return the same, with what must be said if it is not the file as it is."""
    by = asked.pitch_semitones
    if not by:
        return asked
    words = f"{abs(by):g} semitone{'' if abs(by) == 1 else 's'}"
    notice = (
        f"The file was explained {words} {'lower' if by > 0 else 'higher'} than it is: "
        "there the model knows it best."
    )
    return replace(asked, notices=(*asked.notices, notice))


def _require_short(audio: Path) -> None:
    length_s = read_info(audio).duration_s
    if length_s > _LONGEST_S:
        raise QueryError(
            f"{audio} lasts {length_s / 60:.0f} min; a song of up to "
            f"{_LONGEST_S / 60:.0f} min can be attributed. Cut it into parts."
        )


def measure(
    generator: Generator, asked: Asked, *, n_draws: int = _N_LOSS_DRAWS
) -> torch.Tensor:
    """Return the song's loss at each of the shared draws, `(n_draws,)`."""
    draws = asked.task.draws(n_draws)
    conditioning = generator.condition(asked.queries.prompts, n_tokens=asked.lengths)
    losses = losses_at(generator, asked.queries.batch, conditioning, draws)
    return asked.weights @ losses
