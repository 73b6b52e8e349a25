"""The catalog's recordings as latents, encoded once and cached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from contrafact.catalog import Workspace, read_audio
from contrafact.catalog.atomic import write_bytes
from contrafact.catalog.pitch import change_pitch
from contrafact.core.entities import Recording
from contrafact.core.errors import TrainingError
from contrafact.generators.latents import LatentSet, LatentWindow, cut_windows

__all__ = ["Encoding", "corpus_latents", "encode_file"]

_N_THREADS = 2
_PIECE_TOKENS = 960  # a long file is encoded two minutes at a time

Tell = Callable[[int, int], None]


class Encoding:
    """What turns audio into latents: a codec and its measures.

    Args:
        encode: `(1, 1, time)` audio to `(1, channel, n_tokens)` latents.
        sample_rate: Of the audio, Hz.
        samples_per_token: Samples a token stands for.
        key: Names the codec, for the cache.
    """

    def __init__(
        self,
        encode: Callable[[Tensor], Tensor],
        *,
        sample_rate: int,
        samples_per_token: int,
        key: str,
    ) -> None:
        self.encode, self.key = encode, key
        self.sample_rate, self.samples_per_token = sample_rate, samples_per_token

    @property
    def token_s(self) -> float:
        """Seconds a token stands for."""
        return self.samples_per_token / self.sample_rate


def encode_file(
    path: Path, encoding: Encoding, *, duration_s: float, semitones: float = 0.0
) -> Tensor:
    """Return the latents of an audio file, `(channel, n_tokens)`.

    Silence is added to a recording shorter than one token. The file is taken
    `semitones` higher than it is.
    """
    piece_s = _PIECE_TOKENS * encoding.token_s
    parts: list[Tensor] = []
    start_s = 0.0
    while start_s < duration_s or not parts:
        audio = read_audio(
            path, sample_rate=encoding.sample_rate, start_s=start_s, duration_s=piece_s
        )
        samples = torch.from_numpy(change_pitch(audio, semitones).samples)[None]
        missing = max(0, encoding.samples_per_token - samples.shape[-1])
        if missing < encoding.samples_per_token:
            padded = torch.nn.functional.pad(samples, (0, missing))
            parts.append(encoding.encode(padded)[0])
        start_s += piece_s
    return torch.cat(parts, dim=-1).contiguous()


def corpus_latents(
    workspace: Workspace,
    recordings: Sequence[Recording],
    encoding: Encoding,
    *,
    max_tokens: int,
    tell: Tell,
) -> LatentSet:
    """Return the latent windows of recordings, in their order.

    Args:
        workspace: Where the files and the cache are.
        recordings: What to encode.
        encoding: The codec.
        max_tokens: Longest window.
        tell: Called with (done, total).

    Raises:
        TrainingError: If there is no recording.
    """
    if not recordings:
        raise TrainingError(
            "The catalog is empty; take recordings in with `contrafact ingest PATH`."
        )
    windows: list[LatentWindow] = []
    latents: list[Tensor] = []
    each = _side_by_side(partial(_cached, workspace, encoding), recordings)
    for done, (recording, encoded) in enumerate(each, start=1):
        for first, part in cut_windows(encoded, max_tokens=max_tokens):
            window = LatentWindow(
                recording_id=recording.id,
                start_s=first * encoding.token_s,
                caption=recording.caption or recording.title,
                caption_anonymous=recording.caption_anonymous or "",
            )
            windows.append(window)
            latents.append(part)
        tell(done, len(recordings))
    return LatentSet(tuple(windows), tuple(latents))


def _side_by_side(
    encoded: Callable[[Recording], Tensor], recordings: Sequence[Recording]
) -> Iterator[tuple[Recording, Tensor]]:
    """Yield recordings with their latents, in order, encoded in a few threads.

    Most of it is spent outside of Python. Each thread computes alone, so that the
    bytes do not depend on how many there are.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(
            _N_THREADS, initializer=torch.set_num_threads, initargs=(1,)
        ) as executor:
            yield from zip(recordings, executor.map(encoded, recordings), strict=True)
    finally:
        torch.set_num_threads(n_threads)


def _cached(workspace: Workspace, encoding: Encoding, recording: Recording) -> Tensor:
    folder = workspace.cache_dir / "latents" / encoding.key[:16]
    path = folder / f"{recording.digest}.safetensors"
    try:
        return load_file(path)["latents"]
    except (OSError, SafetensorError, KeyError):
        pass  # Not there yet, or damaged: a cache is simply made again.
    latents = encode_file(
        workspace.audio_path(recording), encoding, duration_s=recording.duration_s
    )
    # As bytes: safetensors does not tell a full disk from other errors.
    write_bytes(path, save({"latents": latents}))
    return latents
