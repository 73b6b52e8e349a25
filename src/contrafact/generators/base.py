"""The one protocol behind which every generative model stands.

Here: what a generator must offer. The batches that cross the seam are in
`batches.py`.
Not here: anything about one model, about training, or about attribution.

The words: a *token* is one step of the latents in time, a *latent* what the
codec's `encode` returns. Audio runs `(batch, channel, time)` at `sample_rate`,
latents run `(batch, latent_channel, n_tokens)`. Times run from 0, where the
latents are clean, to 1, where nothing but noise is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from contrafact.core.units import Digest
from contrafact.generators.batches import Conditioning, LatentBatch, Rows

__all__ = ["Conditioning", "Generator", "LatentBatch", "Rows", "Untrainable"]


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

    def noised(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Return latents as they are at noise times, as `loss` shows them.

        Args:
            latents: `(batch, latent_channels, time)`.
            noise: Standard normal, of the same shape.
            times: Noise times in [0, 1], `(batch,)`.

        Returns:
            Of the shape of `latents`: they themselves at 0, the noise at 1.
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

    def token_layers(self) -> Mapping[str, int]:
        """Return which layers of `module()` run over the tokens of the latents.

        Layers that run over the text, or see no time step of their own, are
        not among them, however long their inputs are.

        Returns:
            By name of the layer, how many positions of its input and output
            come before that of the first token.
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


@runtime_checkable
class Untrainable(Protocol):
    """A model that can show itself as it was before training."""

    def untrained(self, seed: int) -> AbstractContextManager[None]:
        """Return a context with the weights that training with `seed` began from."""
