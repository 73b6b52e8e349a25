"""Generating music from a prompt."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from contrafact.catalog import Workspace, check_suffix, encode_audio
from contrafact.core.errors import ConfigError
from contrafact.generators import Generator
from contrafact.workflows.mark import Marked, prepare_marking, write_marked
from contrafact.workflows.models import ModelRecord, find_model, open_model
from contrafact.workflows.outputs import sound_of
from contrafact.workflows.serving import check_serving
from contrafact.workflows.stores import home_of
from contrafact.workflows.watermarks import WatermarkChoice, watermarked

__all__ = [
    "GeneratedSong",
    "SamplingSettings",
    "check_prompt",
    "generate",
    "sample_audio",
]

_LONGEST_PROMPT = 2000
_NO_TEXT = {"Cc", "Cs"}  # control characters and halves of characters
_MOST_STEPS = 1000
"""By then the solver's error is far below the last bit of the file."""
_MOST_GUIDANCE = 100
"""Far beyond it, values overflow and what comes out is no sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """How a song is sampled.

    Attributes:
        seed: Of the first noise.
        n_steps: Steps of the sampler.
        guidance: Weight of classifier-free guidance; 1 is none.
    """

    seed: int = 0
    n_steps: int = 40
    guidance: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedSong:
    """A song that was made, and what made it.

    Attributes:
        marked: Its place in the register, and its content credentials.
        stamp: What its model is marked with; "" if it is licensed.
        notices: What must be said with it, such as that the model holds
            withdrawn works.
    """

    path: Path
    prompt: str
    seed: int
    duration_s: float
    model_id: str
    model_digest: str
    marked: Marked
    stamp: str = ""
    notices: tuple[str, ...] = ()


def _tags(
    prompt: str, settings: SamplingSettings, record: ModelRecord
) -> dict[str, str]:
    """Return the tags that say what made a song."""
    tags = {
        "contrafact_prompt": prompt,
        "contrafact_seed": str(settings.seed),
        "contrafact_steps": str(settings.n_steps),
        "contrafact_guidance": repr(settings.guidance),
        "contrafact_model": record.id,
        "contrafact_model_digest": record.digest,
    }
    if record.stamp:
        tags["contrafact_stamp"] = record.stamp
    return tags


def generate(  # noqa: PLR0913 - options of a command
    workspace: Workspace,
    prompt: str,
    *,
    model: str,
    seed: int = 0,
    seconds: float = 8.0,
    out: Path,
    n_steps: int = 40,
    guidance: float = 2.0,
    unmarked_because: str | None = None,
    watermark: WatermarkChoice | None = None,
) -> GeneratedSong:
    """Generate a song and write it, with what made it in its tags and marks.

    The samples are the same for the same model, prompt and seed. So are the
    bytes of a file without marks; signatures differ each time.

    Args:
        workspace: Where the model is.
        prompt: Text; "" leaves the model free.
        model: Name of the model.
        seed: The same seed gives the same samples.
        seconds: Length; rounded up to whole latent tokens.
        out: A `.wav` or `.flac` file.
        n_steps: Steps of the sampler.
        guidance: Weight of classifier-free guidance; 1 is none.
        unmarked_because: Why the file gets no content credentials, if it shall
            get none; the register of outputs keeps the reason.
        watermark: Put this mark inside the sound, too.

    Raises:
        SigningKeyError: If the key to mark it with cannot be used.
        UnknownModelError: If there is no such model.
        WithdrawnError: If it holds a withdrawn work whose policy forbids this.
        ConfigError: If prompt, length, steps or guidance cannot be used.
        AudioError: If `out` is neither WAV nor FLAC.
        StorageError: If it cannot be written.
        WatermarkError: If the song cannot carry the watermark.
    """
    check_prompt(prompt)
    check_suffix(out)
    marking = prepare_marking(unmarked_because)
    torch.set_num_threads(1)
    store = home_of(workspace, model)
    record = find_model(store, model)
    notices = check_serving(store, record)
    generator = open_model(record)
    settings = SamplingSettings(seed=seed, n_steps=n_steps, guidance=guidance)
    samples = sample_audio(generator, prompt, seconds=seconds, settings=settings)
    tags = _tags(prompt, settings, record)
    sound = samples.numpy()
    if watermark is not None:
        digest = sound_of(sound, generator.sample_rate).samples_digest
        sound, said = watermarked(
            sound, generator.sample_rate, watermark, digest=digest
        )
        marking = replace(marking, watermark=said)
    data = encode_audio(out, sound, generator.sample_rate, tags=tags)
    made = {
        "prompt": prompt,
        "seed": str(seed),
        "model": record.id,
        "model_digest": record.digest,
    }
    marked = write_marked(store, data, out, made=made, marking=marking)
    return GeneratedSong(
        path=out,
        prompt=prompt,
        seed=seed,
        duration_s=samples.shape[-1] / generator.sample_rate,
        model_id=record.id,
        model_digest=record.digest,
        marked=marked,
        stamp=record.stamp,
        notices=notices,
    )


def check_prompt(prompt: str) -> None:
    """Raise unless the text can be kept in tags and given back as it was.

    Raises:
        ConfigError: If it is too long, or holds what is no text.
    """
    if len(prompt) > _LONGEST_PROMPT:
        raise ConfigError(
            f"The prompt has {len(prompt)} characters; up to {_LONGEST_PROMPT} are "
            "taken, and models read fewer still. Shorten it."
        )
    odd = [c for c in prompt if unicodedata.category(c) in _NO_TEXT and c not in "\n\t"]
    if odd:
        raise ConfigError(
            f"The prompt holds the character U+{ord(odd[0]):04X}, which is no text. "
            "Leave it out."
        )


def _check_settings(settings: SamplingSettings) -> None:
    if not 1 <= settings.n_steps <= _MOST_STEPS:
        raise ConfigError(
            f"Steps must be 1 to {_MOST_STEPS}; got {settings.n_steps}. More change "
            "nothing that can be heard."
        )
    # Not a number fails every comparison.
    if not abs(settings.guidance) <= _MOST_GUIDANCE:
        raise ConfigError(
            f"Guidance must be a number from -{_MOST_GUIDANCE} to {_MOST_GUIDANCE}; "
            f"got {settings.guidance}. Most models sound best between 1 and 8."
        )


def sample_audio(
    generator: Generator, prompt: str, *, seconds: float, settings: SamplingSettings
) -> torch.Tensor:
    """Return a song as samples, `(channel, time)`, peaks within [-1, 1].

    Raises:
        ConfigError: If length, steps or guidance is out of range.
    """
    longest_s = generator.max_tokens / generator.token_rate_hz
    if not 0 < seconds <= longest_s:
        raise ConfigError(
            f"This model makes more than 0 and up to {longest_s:.1f} s of music; got "
            f"{seconds} s. Ask for a length between."
        )
    _check_settings(settings)
    n_tokens = min(generator.max_tokens, -int(-seconds * generator.token_rate_hz // 1))
    batch = generator.sample(
        [prompt],
        n_tokens=[n_tokens],
        seed=settings.seed,
        n_steps=settings.n_steps,
        guidance=settings.guidance,
    )
    audio = generator.decode(batch.latents)[0]
    return audio / audio.abs().max().clamp_min(1.0)
