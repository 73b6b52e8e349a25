"""What a prompt and a length become in Stable Audio, as published.

Cross-attention sees the text, then two numbers: where the window starts (0 s)
and how long the music is. Global states are those two numbers alone. The
unconditional model is told nothing by cross-attention but still the numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from contrafact.generators._stable_audio_parts import StableAudioParts
from contrafact.generators.base import Conditioning

__all__ = ["condition_on", "without_text"]

_log = logging.getLogger(__name__)


def condition_on(
    parts: StableAudioParts, prompts: Sequence[str], *, lengths_s: Tensor
) -> Conditioning:
    """Return what the transformer is told about each prompt and length.

    Args:
        parts: The model.
        prompts: Texts; an empty one blanks its row of cross-attention.
        lengths_s: Length of the music in seconds, `(batch,)`; where it lies is
            where everything is computed.

    Returns:
        Text of the tokenizer's whole length and two numbers in each row.
    """
    text, text_mask = _read_texts(parts, prompts, lengths_s.device)
    numbers = parts.projection(
        start_seconds=torch.zeros_like(lengths_s), end_seconds=lengths_s
    )
    start, end = numbers.seconds_start_hidden_states, numbers.seconds_end_hidden_states
    is_text = torch.tensor([prompt != "" for prompt in prompts])[:, None]
    is_text = is_text.to(lengths_s.device)
    tokens = torch.cat([text, start, end], dim=1) * is_text[..., None]
    is_number = is_text.new_ones(len(prompts), 2)
    mask = torch.cat([text_mask & is_text, is_number], dim=1)
    return Conditioning(tokens, mask, torch.cat([start, end], dim=2))


def without_text(conditioning: Conditioning) -> Conditioning:
    """Return the conditioning of the empty text at the same lengths."""
    mask = conditioning.mask.clone()
    mask[:, :-2] = False
    blank = torch.zeros_like(conditioning.tokens)
    return Conditioning(blank, mask, conditioning.pooled)


def _read_texts(
    parts: StableAudioParts, prompts: Sequence[str], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return projected states, `(batch, n_text, channel)`, and their mask.

    States beyond the end of a text are zero.
    """
    texts, limit = list(prompts), parts.tokenizer.model_max_length
    for text, ids in zip(texts, parts.tokenizer(texts).input_ids, strict=True):
        if len(ids) > limit:
            _log.warning(
                "Prompt %r has %d tokens; the model reads %d.", text, len(ids), limit
            )
    inputs = parts.tokenizer(
        texts,
        padding="max_length",
        max_length=limit,
        truncation=True,
        return_tensors="pt",
    ).to(device)
    states = parts.text_encoder(inputs.input_ids, attention_mask=inputs.attention_mask)[
        0
    ]
    states = parts.projection(text_hidden_states=states).text_hidden_states
    mask: Tensor = inputs.attention_mask.bool()
    return states * mask[..., None], mask
