"""Numbers that are none: whose they are, said in one line and before they spread.

One gradient that is not finite spoils every answer of an index, for the matrices
between features are inverted as a whole. So whatever goes into one passes here first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from contrafact.core.errors import AttributionError, QueryError
from contrafact.generators.latents import LatentSet

__all__ = [
    "odd_rows",
    "require_finite_asked",
    "require_finite_null",
    "require_finite_weights",
    "require_finite_windows",
]

_N_NAMED = 5

Gradients = Tensor | Mapping[str, Tensor]
"""Numbers of each row, `(n_row, ...)`; or some for each parameter."""


def require_finite_weights(parameters: Mapping[str, nn.Parameter]) -> None:
    """Raise unless every weight of a model is a number.

    Raises:
        AttributionError: If not; the first parameter is named.
    """
    odd = [name for name, p in parameters.items() if not torch.isfinite(p).all()]
    if odd:
        raise AttributionError(
            f"The model's weights are not finite in {len(odd)} of {len(parameters)} "
            f"parameters, the first being {odd[0]}; nothing can be attributed by them. "
            "Copy the model again, or train it again with a lower learning rate."
        )


def require_finite_windows(
    found: Gradients, train: LatentSet, rows: Sequence[int]
) -> None:
    """Raise unless what was taken of some windows is finite, and its square too.

    Args:
        found: One row a window.
        train: The corpus.
        rows: Which windows they are.

    Raises:
        AttributionError: If not; the recordings are named.
    """
    odd = [rows[i] for i in odd_rows(found)]
    if not odd:
        return
    names = list(dict.fromkeys(train.windows[row].recording_id for row in odd))
    more = ", ..." if len(names) > _N_NAMED else ""
    largest = max(float(train.latents[row].abs().max()) for row in odd)
    raise AttributionError(
        f"Loss or gradient of {len(names)} recording(s) is not finite or too large: "
        f"{', '.join(names[:_N_NAMED])}{more} (latents up to {largest:.3g}). Nothing "
        "of them was kept, and what is done stays. If the audio is damaged, train "
        "again without it; if all recordings fail, the model's weights are at fault."
    )


def require_finite_asked(found: Gradients, prompts: Sequence[str], first: int) -> None:
    """Raise unless what was taken of songs is finite, and its square too.

    Args:
        found: One row a song.
        prompts: What each was made from.
        first: Number of the first of them, from 0.

    Raises:
        QueryError: If not; the song is named by its number and prompt.
    """
    for row in odd_rows(found)[:1]:
        raise QueryError(
            f"The gradients of query {first + row + 1} ({prompts[row][:40]!r}) are not "
            "finite or too large, so nothing can be said of it. Check its latents: "
            "they must be finite, and of the size of the corpus's."
        )


def require_finite_null(found: Gradients) -> None:
    """Raise unless what was taken of a sound without a source is finite.

    Raises:
        AttributionError: If not.
    """
    if odd_rows(found):
        raise AttributionError(
            "The gradients of a sound without any source, noise or chords, are "
            "not finite: the model's weights or its arithmetic overflow. "
            "Train the model again with a lower learning rate."
        )


def odd_rows(found: Gradients) -> list[int]:
    """Return the rows whose squared length is not finite in float32."""
    parts = [found] if isinstance(found, Tensor) else list(found.values())
    squares = [part.float().flatten(1).square().sum(1) for part in parts]
    length = torch.stack(squares).sum(0)
    return [int(i) for i in (~torch.isfinite(length)).nonzero()[:, 0]]
