"""The two batches that cross the seam between generators and everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contrafact.core.errors import GeneratorError

__all__ = ["Conditioning", "LatentBatch", "Rows"]

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
