"""The one protocol behind which every generative model stands.

Here: what a generator must offer, and the two batches that cross the seam.
Not here: anything about one model, about training, or about attribution.

The words: a *token* is one step of the latents in time, a *latent* what the
codec's `encode` returns. Audio runs `(batch, channel, time)` at `sample_rate`,
latents run `(batch, latent_channel, n_tokens)`. Times run from 0, where the
latents are clean, to 1, where nothing but noise is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from contrafact.core.errors import GeneratorError
from contrafact.core.units import Digest

__all__ = ["Conditioning", "Generator", "LatentBatch", "Rows"]

Rows = slice | Sequence[int] | Tensor
"""Which rows of a batch to take, in this order: positions, slice or index."""


def _rows(index: Rows) -> slice | Tensor:
    if isinstance(index, slice | Tensor):
        return index
    return torch.tensor(list(index), dtype=torch.long)


def _check_batch(what: str, **parts: tuple[Tensor, int]) -> None:
    """Raise unless every part has its number of axes and the same batch size."""
    shapes = {name: tuple(tensor.shape) for name, (tensor, _) in parts.items()}
    has_axes = all(tensor.ndim == n_axes for tensor, n_axes in parts.values())
    if not has_axes or len({shape[0] for shape in shapes.values()}) != 1:
        wanted = ", ".join(f"{name} {n}" for name, (_, n) in parts.items())
        raise GeneratorError(
            f"{what} has the wrong shape: found {shapes}, wanted one batch size "
            f"and this many axes: {wanted}."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """What text prompts and lengths become; one row per prompt.

    Attributes:
        tokens: Cross-attention states, `(batch, n_text, channel)`, float.
        mask: `(batch, n_text)`, bool; True at the tokens that say something,
            at least one in every row.
        pooled: Global states (duration and the like), `(batch, 1, channel)`;
            this `channel` need not be that of `tokens`.

    Raises:
        GeneratorError: If the shapes do not fit together.
    """

    tokens: Tensor
    mask: Tensor
    pooled: Tensor

    def __post_init__(self) -> None:
        """Check that the three parts belong together."""
        _check_batch(
            "A conditioning",
            tokens=(self.tokens, 3),
            mask=(self.mask, 2),
            pooled=(self.pooled, 3),
        )

    def __len__(self) -> int:
        """Return the number of prompts."""
        return int(self.tokens.shape[0])

    def select(self, index: Rows) -> Conditioning:
        """Return the rows at `index`, in its order; rows may repeat."""
        rows = _rows(index)
        return Conditioning(self.tokens[rows], self.mask[rows], self.pooled[rows])

    def repeat(self, n: int) -> Conditioning:
        """Return every row `n` times, copies side by side: a a b b.

        Example:
            >>> row = torch.zeros(2, 3, 4), torch.ones(2, 3) > 0, torch.zeros(2, 1, 4)
            >>> len(Conditioning(*row).repeat(3))
            6
        """
        return Conditioning(
            self.tokens.repeat_interleave(n, dim=0),
            self.mask.repeat_interleave(n, dim=0),
            self.pooled.repeat_interleave(n, dim=0),
        )

    def to(self, device: torch.device | str) -> Conditioning:
        """Return the same on another device."""
        return Conditioning(
            self.tokens.to(device), self.mask.to(device), self.pooled.to(device)
        )


@dataclass(frozen=True, slots=True, eq=False)
class LatentBatch:
    """Latents of several recordings, padded at the end to one length.

    Attributes:
        latents: `(batch, latent_channel, time)`, float32; zero where padded.
        mask: `(batch, time)`, bool; True where there is sound, which is one
            unbroken run from the start.

    Raises:
        GeneratorError: If the shapes do not fit together.
    """

    latents: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        """Check that the two parts belong together."""
        _check_batch("A latent batch", latents=(self.latents, 3), mask=(self.mask, 2))
        if self.latents.shape[-1] != self.mask.shape[-1]:
            raise GeneratorError(
                f"A latent batch has {self.latents.shape[-1]} tokens but a mask of "
                f"{self.mask.shape[-1]}; pad both to one length."
            )

    def __len__(self) -> int:
        """Return the number of examples."""
        return int(self.latents.shape[0])

    @classmethod
    def stack(cls, latents: Sequence[Tensor]) -> LatentBatch:
        """Return one batch of latents of any lengths, padded with zeros.

        Args:
            latents: One or more tensors, `(latent_channel, n_tokens)` each.

        Returns:
            The batch, as long as its longest row.

        Raises:
            GeneratorError: If there is none, or their channels differ.

        Example:
            >>> LatentBatch.stack([torch.ones(4, 2), torch.ones(4, 3)]).n_tokens
            (2, 3)
        """
        if len({row.shape[:-1] for row in latents}) != 1 or latents[0].ndim != 2:
            raise GeneratorError(
                "A batch needs one or more latents of equal channels; found shapes "
                f"{[tuple(row.shape) for row in latents]}."
            )
        lengths = torch.tensor([row.shape[-1] for row in latents])
        padded = latents[0].new_zeros(
            len(latents), latents[0].shape[0], int(lengths.max()), dtype=torch.float32
        )
        for place, row in zip(padded, latents, strict=True):
            place[:, : row.shape[-1]] = row
        mask = torch.arange(padded.shape[-1])[None] < lengths[:, None]
        return cls(padded, mask.to(padded.device))

    @property
    def n_tokens(self) -> tuple[int, ...]:
        """The length of each row without its padding."""
        return tuple(int(n) for n in self.mask.sum(dim=-1))

    def select(self, index: Rows) -> LatentBatch:
        """Return the rows at `index`, in its order; rows may repeat."""
        rows = _rows(index)
        return LatentBatch(self.latents[rows], self.mask[rows])

    def repeat(self, n: int) -> LatentBatch:
        """Return every row `n` times, copies side by side: a a b b."""
        return LatentBatch(
            self.latents.repeat_interleave(n, dim=0),
            self.mask.repeat_interleave(n, dim=0),
        )

    def to(self, device: torch.device | str) -> LatentBatch:
        """Return the same on another device."""
        return LatentBatch(self.latents.to(device), self.mask.to(device))


@runtime_checkable
class Generator(Protocol):
    """A text-to-music latent diffusion model, frozen unless told otherwise.

    Everything is deterministic: the same arguments give the same result. Up to
    rounding, a row's result does not depend on which other rows share its
    batch; in `sample` its place in the batch may count.
    """

    @property
    def name(self) -> str:
        """What to call the model; for people, not for comparing models."""

    @property
    def sample_rate(self) -> int:
        """Sample rate of the audio, in Hz."""

    @property
    def n_channels(self) -> int:
        """Channels of the audio: 1 for mono, 2 for stereo."""

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""

    @property
    def max_tokens(self) -> int:
        """The greatest length in tokens that the model can generate."""

    @property
    def token_rate_hz(self) -> float:
        """Tokens per second of audio."""

    @property
    def digest(self) -> Digest:
        """SHA-256 over the configuration and the weights as they are now.

        Two generators of one digest give the same results. It does not depend
        on where the model lies or on when it was saved.
        """

    def encode(self, audio: Tensor) -> Tensor:
        """Return the latents of audio: the mean of the codec's posterior.

        A last token that the audio does not fill is filled with silence.

        Args:
            audio: `(batch, n_channels, time)` at `sample_rate`, in [-1, 1].

        Returns:
            `(batch, latent_channels, n_tokens)`, float32, without gradient;
            `n_tokens` is `time * token_rate_hz / sample_rate`, rounded up.

        Raises:
            GeneratorError: If the channels are wrong, the audio is shorter
                than one token or holds values that are not finite.
        """

    def decode(self, latents: Tensor) -> Tensor:
        """Return the audio of latents.

        Args:
            latents: `(batch, latent_channels, n_tokens)`.

        Returns:
            `(batch, n_channels, time)`, float32, without gradient; `time` is
            `n_tokens * sample_rate / token_rate_hz`.

        Raises:
            GeneratorError: If the channels are wrong or there is no token.
        """

    def condition(
        self, prompts: Sequence[str], *, n_tokens: Sequence[int]
    ) -> Conditioning:
        """Return what the transformer is told about each prompt and length.

        Args:
            prompts: Texts; the empty text asks for the unconditional model.
            n_tokens: Length of the music to each prompt, in tokens, from 1 to
                `max_tokens`.

        Returns:
            One row per prompt, without gradient.

        Raises:
            GeneratorError: If the two differ in number, there is none, or a
                length is out of range.
        """

    def predict(
        self, noisy: Tensor, times: Tensor, conditioning: Conditioning, mask: Tensor
    ) -> Tensor:
        """Return the transformer's output: the velocity at `noisy`.

        What stands at padded positions, in and out, has no effect on the rest
        and no meaning.

        Args:
            noisy: Noisy latents, `(batch, latent_channels, time)`.
            times: Noise times in [0, 1], `(batch,)`.
            conditioning: One row per example.
            mask: True where there is sound, `(batch, time)`.

        Returns:
            `(batch, latent_channels, time)`, with gradient.

        Raises:
            GeneratorError: If the shapes do not fit the model.
        """

    def loss(
        self,
        batch: LatentBatch,
        conditioning: Conditioning,
        *,
        times: Tensor,
        noise: Tensor,
        mask_padding: bool = True,
    ) -> Tensor:
        """Return each example's training loss at given noise draws.

        It is the mean squared error of the predicted velocity, in the units
        that the model was trained in.

        Args:
            batch: The examples.
            conditioning: One row per example.
            times: Noise times in [0, 1], `(batch,)`.
            noise: Standard normal, `(batch, latent_channels, time)`.
            mask_padding: Whether to average over unpadded elements only, or
                over all of them.

        Returns:
            `(batch,)`, float32, not negative, differentiable with respect to
            `parameters()`. With `mask_padding` it does not depend on the
            latents or the noise at padded positions, nor on how many there are.

        Raises:
            GeneratorError: If the shapes do not fit together or the model, or
                if a row is nothing but padding.
        """

    def sample(
        self,
        prompts: Sequence[str],
        *,
        n_tokens: Sequence[int],
        seed: int,
        n_steps: int,
        guidance: float,
    ) -> LatentBatch:
        """Generate music and return its latents, ready for `decode`.

        Args:
            prompts: Texts; the empty text leaves the model free.
            n_tokens: Length to each prompt, in tokens, from 1 to `max_tokens`.
            seed: The same seed gives the same latents.
            n_steps: Steps of the sampler, at least 1.
            guidance: Weight of classifier-free guidance; 1 is none.

        Returns:
            One row per prompt, without gradient.

        Raises:
            GeneratorError: As `condition`, or if `n_steps` is below 1.
        """

    def module(self) -> nn.Module:
        """Return the transformer, in evaluation mode."""

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the transformer's trainable parameters by name.

        These are the only ones that attribution looks at, named and ordered
        as `module().named_parameters()` has them; the live ones, no copies.
        """

    def checkpoint(self, name: str) -> AbstractContextManager[None]:
        """Return a context in which the model is as it was during training.

        On leaving it, the parameters are again what they were on entering.

        Args:
            name: Name of a checkpoint kept with the model.

        Raises:
            GeneratorError: If the model keeps no such checkpoint.
        """

    def load_parameters(self, state: Mapping[str, Tensor]) -> None:
        """Overwrite all of `parameters()` in place.

        Args:
            state: A tensor for every name of `parameters()`, of its shape.

        Raises:
            GeneratorError: If a name is missing or unknown, or a shape differs;
                then nothing has been overwritten.
        """
