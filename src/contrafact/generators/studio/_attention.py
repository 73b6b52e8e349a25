"""Attention of the studio's transformer, written for small sizes on a CPU.

It computes what diffusers' own processor for Stable Audio does, in fewer and
cheaper passes over memory: mask and scale enter with the product of queries and
keys, rotation is two passes instead of seven, and there is no guard against
rows that are masked throughout. The projections are called as modules, so that
whoever taps their inputs and outputs still finds them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch import Tensor

_BLOCKED = -3e4  # added to scores; its exponential is exactly 0 in every type


class Rotary(NamedTuple):
    """Tables of rotary position embedding, for all heads side by side.

    Attributes:
        cosines: Of each position's angles, `(n_tokens, channel)`; 1 in the
            channels that are not turned.
        sines: The same; 0 in the channels that are not turned.
        swap: Takes a head's channels to those it is mixed with,
            `(head_width, head_width)`.

    References:
        Su et al., "RoFormer", 2021.
    """

    cosines: Tensor
    sines: Tensor
    swap: Tensor


@lru_cache(maxsize=64)
def rotary_tables(n_tokens: int, *, n_heads: int, head_width: int) -> Rotary:
    """Return the tables for so many tokens; half of each head is turned."""
    cosines, sines = get_1d_rotary_pos_embed(
        head_width // 2, n_tokens, use_real=True, repeat_interleave_real=False
    )
    n_turned = cosines.shape[-1]
    still = torch.zeros(n_tokens, head_width - n_turned)
    swap = torch.zeros(head_width, head_width)
    real = torch.arange(n_turned // 2)
    imaginary = real + n_turned // 2
    swap[imaginary, real], swap[real, imaginary] = -1.0, 1.0
    return Rotary(
        torch.cat([cosines, still + 1], dim=-1).repeat(1, n_heads),
        torch.cat([sines, still], dim=-1).repeat(1, n_heads),
        swap,
    )


class PlainAttention:
    """An attention processor in plain arithmetic, for `set_attn_processor`."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: Rotary | None = None,
    ) -> Tensor:
        """Attend from the states to the encoder's states, or to themselves.

        Args:
            attn: The attention whose projections are used; as many heads for
                keys as for queries.
            hidden_states: `(batch, n_queries, channel)`.
            encoder_hidden_states: `(batch, n_keys, channel)`; None for the same.
            attention_mask: `(batch, n_keys)`, bool; True where there is a key,
                at least once in every row.
            rotary_emb: How queries and keys are turned; None leaves them.

        Returns:
            `(batch, n_queries, channel)`.
        """
        if encoder_hidden_states is None:
            encoder_hidden_states = hidden_states
        query, key = attn.to_q(hidden_states), attn.to_k(encoder_hidden_states)
        value = attn.to_v(encoder_hidden_states)
        if rotary_emb is not None:
            query, key = _turn(query, rotary_emb), _turn(key, rotary_emb)
        query, key, value = (_by_head(x, attn.heads) for x in (query, key, value))
        mixed = _attend(query, key, value, attention_mask)
        mixed = mixed.unflatten(0, (-1, attn.heads)).transpose(1, 2).flatten(2)
        output: Tensor = attn.to_out[0](mixed)
        return output


def _turn(states: Tensor, rotary: Rotary) -> Tensor:
    """Turn each position by its angles, `(batch, n_tokens, channel)`."""
    cosines, sines, swap = (table.to(states) for table in rotary)
    swapped = (states.unflatten(-1, (-1, len(swap))) @ swap).flatten(-2)
    turned: Tensor = torch.addcmul(states * cosines, swapped, sines)
    return turned


def _by_head(states: Tensor, n_heads: int) -> Tensor:
    """Return `(batch * n_heads, n_tokens, head_width)`."""
    heads: Tensor = states.unflatten(-1, (n_heads, -1)).transpose(1, 2)
    return heads.flatten(0, 1)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Return the values' mean under the softmax of the scores."""
    added = query.new_zeros(1, 1, 1)
    if mask is not None:
        added = query.new_zeros(mask.shape).masked_fill_(~mask, _BLOCKED)
        added = added.repeat_interleave(len(query) // len(mask), dim=0)[:, None]
    scale = 1 / math.sqrt(query.shape[-1])
    scores = torch.baddbmm(added, query, key.transpose(1, 2), alpha=scale)
    # In float32, for the softmax of narrow types is several times slower.
    weights = scores.float().softmax(dim=-1).to(value.dtype)
    mixed: Tensor = torch.bmm(weights, value)
    return mixed
