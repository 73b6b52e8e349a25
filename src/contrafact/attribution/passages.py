"""Where in the song, and where in the recording: passages that matched most.

A gradient is a sum over time steps. Its product with the other side's gradient
splits into a part for each step; the stretch with the largest sum is the
passage. Only the layers that the generator names as running over tokens count
(`Generator.token_layers`); those that see the text or the duration do not, even
where a text is as long as a song.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from contrafact.attribution.draws import Draws
from contrafact.attribution.gradients import LayerGradients, tapped
from contrafact.generators.base import Conditioning, Generator, LatentBatch

__all__ = ["InfluenceMap", "best_stretch", "influence_by_token", "influence_map"]

Side = tuple[LatentBatch, Conditioning]
"""One example and its conditioning."""
Natural = Callable[[LayerGradients], LayerGradients]
"""Multiplies gradients with the inverse Fisher matrix."""


@dataclass(frozen=True, slots=True, eq=False)
class InfluenceMap:
    """Influence of a recording on a query, split over both their times.

    Attributes:
        values: `(n_query_spans, n_recording_spans)`, float32.
        by_layer: The same, split over layers instead.
    """

    values: Tensor
    by_layer: Mapping[str, float]


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
    for name, first in generator.token_layers().items():
        weight = direction[f"{name}.weight"][0, 0]
        part = _by_position(layers[name], inputs[name], grads[name], weight)
        if part is not None:
            # A model may pad its window behind the tokens.
            total += part.sum(0)[first : first + n_tokens]
    return total * batch.mask[0]


def influence_map(
    generator: Generator,
    query: Side,
    recording: Side,
    *,
    draws: Draws,
    natural: Natural,
    n_tokens: int,
) -> InfluenceMap:
    """Split the influence of a recording on a query over both their times.

    A gradient is a sum over time steps on either side, so its product with the
    other side's is a sum over pairs of spans; nothing but the two gradients is
    needed for it.

    Args:
        generator: The model.
        query: One example.
        recording: Another.
        draws: Shared draws.
        natural: Applied to the query's side.
        n_tokens: Length of a span; the last may be shorter.

    Returns:
        Influence through the layers that run over time, weights only, and through
        time steps on both sides.
    """
    rows = natural(_by_span(generator, query, draws, n_tokens))
    columns = _by_span(generator, recording, draws, n_tokens)
    parts = {
        name: rows[name].flatten(2)[0].float() @ columns[name].flatten(2)[0].float().T
        for name in rows
    }
    return InfluenceMap(
        torch.stack(list(parts.values())).sum(0),
        {name.removesuffix(".weight"): float(x.sum()) for name, x in parts.items()},
    )


def _by_span(
    generator: Generator, side: Side, draws: Draws, length: int
) -> LayerGradients:
    """Return the gradient of each span, `(1, n_spans, *shape)` a matrix."""
    batch, said = side
    n_tokens = int(batch.mask[0].sum())
    layers, inputs, grads = tapped(generator, batch, said, draws, "loss")
    found = {}
    for name, first in generator.token_layers().items():
        layer, given, grad = layers[name], inputs[name], grads[name]
        if isinstance(layer, nn.LayerNorm):
            continue
        if isinstance(layer, nn.Conv1d):
            given, grad = given.transpose(1, 2), grad.transpose(1, 2)
        spans = []
        for start in range(first, first + n_tokens, length):
            some = slice(start, min(start + length, first + n_tokens))
            a, g = (x[:, some].flatten(0, 1).float() for x in (given, grad))
            # Sets of draws add up in the loss whose gradient was tapped.
            spans.append(g.T @ a / draws.n_sets)
        gradient = torch.stack(spans)[None]
        is_wide = isinstance(layer, nn.Conv1d)
        found[f"{name}.weight"] = gradient[..., None] if is_wide else gradient
    return found


def _by_position(
    layer: nn.Module, given: Tensor, grad: Tensor, weight: Tensor
) -> Tensor | None:
    """The layer's part of the product, `(row, position)`; None of a norm."""
    if isinstance(layer, nn.LayerNorm):
        return None
    given, grad = given.float(), grad.float()
    if isinstance(layer, nn.Conv1d):
        return torch.einsum("bot,oi,bit->bt", grad, weight[..., 0], given)
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
