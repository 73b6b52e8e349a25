"""What generators of the Stable Audio transformer class have in common."""

from __future__ import annotations

import re

from torch import nn

__all__ = ["token_layers", "trainable_parameters"]

# Before the global state takes a position of its own, and after it has left.
_AT_THE_EDGES = re.compile(r"preprocess_conv|proj_in|postprocess_conv")
_INSIDE = re.compile(r"proj_out|transformer_blocks\..+")
# Keys and values of cross-attention are made of the text.
_OF_THE_TEXT = re.compile(r"transformer_blocks\.\d+\.attn2\.(to_k|to_v|norm_k)")


def token_layers(transformer: nn.Module) -> dict[str, int]:
    """Return the layers that run over tokens; see `Generator.token_layers`.

    Args:
        transformer: A diffusers `StableAudioDiTModel`.
    """
    found = {}
    for name, layer in transformer.named_modules():
        if not any(p.requires_grad for p in layer.parameters(recurse=False)):
            continue
        if _AT_THE_EDGES.fullmatch(name):
            found[name] = 0
        elif _INSIDE.fullmatch(name) and not _OF_THE_TEXT.fullmatch(name):
            found[name] = 1
    return found


def trainable_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return a module's trainable parameters by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}
