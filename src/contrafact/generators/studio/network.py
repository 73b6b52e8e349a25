"""The studio's network: a Stable Audio transformer at small size.

Rectified flow (Liu et al., ICLR 2023): `x_t = (1 - t) x + t noise`, and the
network predicts the velocity `noise - x`.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import StableAudioDiTModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from contrafact.core.errors import GeneratorError
from contrafact.generators.base import Conditioning
from contrafact.generators.studio._attention import PlainAttention, rotary_tables
from contrafact.generators.studio.text import N_TEXT_HEADS, TextEncoder, Vocabulary

__all__ = ["NetworkConfig", "StudioNetwork", "arithmetic", "fast_matrix_products"]

_N_DURATION = 16  # Fourier features of the duration


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Shape of the network.

    Attributes:
        latent_channels: Of the codec.
        max_tokens: Longest window, in latent tokens.
        n_layers: Transformer blocks.
        n_heads: Attention heads, `head_width` channels each.
        head_width: Channels of a head, a multiple of 4.
        n_text: Words of a prompt that are read.

    Raises:
        GeneratorError: If no network has this shape.
    """

    latent_channels: int = 64
    max_tokens: int = 96
    n_layers: int = 3
    n_heads: int = 4
    head_width: int = 32
    n_text: int = 40

    def __post_init__(self) -> None:
        """Check that every size makes sense."""
        for name, size in asdict(self).items():
            if type(size) is not int or size < 1:
                raise GeneratorError(
                    f"The network's {name} is {size!r}; give a whole number from 1."
                )
        # Half of a head is turned in pairs; the text encoder has its own heads.
        if self.head_width % 4 or self.width % N_TEXT_HEADS:
            raise GeneratorError(
                f"The network's head_width is {self.head_width}; give a multiple of 4."
            )

    @property
    def width(self) -> int:
        """Channels inside the transformer."""
        return self.n_heads * self.head_width


@contextlib.contextmanager
def fast_matrix_products(enabled: bool = True) -> Iterator[None]:
    """Run matrix products in bfloat16 where that is faster, attention plainly.

    On CPUs with bfloat16 units this halves the cost of a training step; on others,
    where it would be emulated at twice the cost, it is left alone. The fused
    attention's backward is slower than the plain one at these sizes.
    """
    if not enabled:
        yield
        return
    rounded = torch.autocast(
        "cpu", dtype=torch.bfloat16, enabled=arithmetic() == "bfloat16"
    )
    with rounded, sdpa_kernel(SDPBackend.MATH):
        yield


@functools.cache
def arithmetic() -> str:
    """Return in what this processor multiplies fast: "bfloat16" or "float32".

    Weights trained in the one are not those trained in the other from the same
    seed, nor are those of two makes of processor.
    """
    # The method is newer than the oldest torch that is supported.
    found: Callable[[], Mapping[str, Any]] = getattr(
        torch.cpu, "get_capabilities", dict
    )
    capabilities = found()
    units = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
    return "bfloat16" if any(capabilities.get(u) for u in units) else "float32"


class StudioNetwork(nn.Module):
    """Text encoder and transformer; predicts velocities."""

    def __init__(self, config: NetworkConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.text = TextEncoder(vocabulary, width=width, n_text=config.n_text)
        self.transformer = StableAudioDiTModel(
            sample_size=config.max_tokens,
            in_channels=config.latent_channels,
            out_channels=config.latent_channels,
            num_layers=config.n_layers,
            attention_head_dim=config.head_width,
            num_attention_heads=config.n_heads,
            num_key_value_attention_heads=config.n_heads,
            cross_attention_dim=width,
            cross_attention_input_dim=width,
            global_states_input_dim=width + _N_DURATION,
            time_proj_dim=64,
        )
        self.transformer.set_attn_processor(PlainAttention())
        # Both convolutions stand on a bypass; from nothing they start as identities.
        nn.init.zeros_(self.transformer.postprocess_conv.weight)
        nn.init.zeros_(self.transformer.preprocess_conv.weight)

    def condition(self, prompts: Sequence[str], n_tokens: Tensor) -> Conditioning:
        """Encode prompts and durations.

        Args:
            prompts: One a row; "" for no prompt.
            n_tokens: Durations in latent tokens, `(batch,)`.
        """
        numbers = self.text.number(prompts).to(n_tokens.device)
        states, mask, pooled = self.text(numbers)
        duration = n_tokens.float() / self.config.max_tokens
        octave = torch.arange(_N_DURATION // 2, device=n_tokens.device)
        angle = math.pi * duration[:, None] * 2.0**octave
        features = torch.cat([angle.sin(), angle.cos()], dim=-1)
        globals_ = torch.cat([pooled, features.to(pooled.dtype)], dim=-1)
        return Conditioning(tokens=states, mask=mask, pooled=globals_[:, None])

    def velocity(
        self, noisy: Tensor, times: Tensor, conditioning: Conditioning, mask: Tensor
    ) -> Tensor:
        """Predict the velocity.

        Args:
            noisy: Noisy latents, `(batch, channel, time)`.
            times: Noise times in [0, 1], `(batch,)`.
            conditioning: One row per example.
            mask: True where there is sound, `(batch, time)`.

        Returns:
            `(batch, channel, time)`.
        """
        # The global state takes a position of its own, before the first token.
        rotary = rotary_tables(
            noisy.shape[-1] + 1,
            n_heads=self.config.n_heads,
            head_width=self.config.head_width,
        )
        output: Tensor = self.transformer(
            noisy,
            timestep=times,
            encoder_hidden_states=conditioning.tokens,
            global_hidden_states=conditioning.pooled,
            rotary_embedding=rotary,
            attention_mask=mask,
            encoder_attention_mask=conditioning.mask,
            return_dict=False,
        )[0]
        return output
