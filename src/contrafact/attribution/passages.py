"""Where in the song, and where in the recording: passages that matched most.

A gradient is a sum over time steps. Its product with the other side's gradient
splits into a part for each step; the stretch with the largest sum is the
passage. Layers that see no time step of their own (text, duration) are left
out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from contrafact.attribution.draws import Draws
from contrafact.attribution.gradients import LayerGradients, tapped
from contrafact.generators.base import Conditioning, Generator, LatentBatch

__all__ = ["best_stretch", "influence_by_token"]


def influence_by_token(
    generator: Generator,
    batch: LatentBatch,
    conditioning: Conditioning,
    draws: Draws,
    direction: LayerGradients,
) -> Tensor:
    """Split the product of an example's gradient with a direction over time.

    Args:
        generator: The model.
        batch: One example.
        conditioning: Its conditioning.
        draws: Shared draws.
        direction: The other side's gradient times the inverse Fisher matrix,
            `(1, 1, *shape)` a parameter.

    Returns:
        `(n_tokens,)`; zero where there is padding.
    """
    n_tokens = batch.latents.shape[-1]
    layers, inputs, grads = tapped(generator, batch, conditioning, draws, "loss")
    total = torch.zeros(n_tokens)
    for name, layer in layers.items():
        weight = direction[f"{name}.weight"][0, 0]
        part = _by_position(layer, inputs[name], grads[name], weight)
        if part is None or part.shape[-1] not in (n_tokens, n_tokens + 1):
            continue
        total += part.reshape(-1, part.shape[-1]).sum(0)[-n_tokens:]
    return total * batch.mask[0]


def _by_position(
    layer: nn.Module, given: Tensor, grad: Tensor, weight: Tensor
) -> Tensor | None:
    """The layer's part of the product for every row and position."""
    given, grad = given.float(), grad.float()
    if isinstance(layer, nn.Conv1d):
        return torch.einsum("bot,oi,bit->bt", grad, weight[..., 0], given)
    if given.ndim != 3 or isinstance(layer, nn.LayerNorm):
        return None
    return ((grad @ weight) * given).sum(-1)


def best_stretch(values: Tensor, length: int) -> tuple[int, int, float]:
    """Return start, end and sum of the stretch of `length` with the largest sum.

    Example:
        >>> best_stretch(torch.tensor([0.0, 1.0, 2.0, 0.0]), 2)
        (1, 3, 3.0)
    """
    length = min(length, len(values))
    sums: Any = values.unfold(0, length, 1).sum(-1)
    start = int(sums.argmax())
    return start, start + length, float(sums[start])
