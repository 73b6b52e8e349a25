"""Whitened gradients at some coordinates, without ever making the others.

An index keeps a few of every gradient's whitened coordinates. In the basis of the
preconditioner such a coordinate is one row of a layer's turned output gradient
times one column of its turned input. Only rows and columns that are asked for are
turned, so that many gradients cost hardly more than the pass they come from. The
slow twin, which whitens whole gradients and then chooses, is in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from contrafact.attribution.draws import Draws
from contrafact.attribution.gradients import (
    Measurement,
    layer_gradients,
    precise,
    tapped,
)
from contrafact.attribution.preconditioning import DiagonalFisher, KroneckerFisher
from contrafact.generators.base import Conditioning, Generator, LatentBatch

__all__ = ["Coordinates"]


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """The coordinates of one parameter.

    Attributes:
        rows, columns: Which rows and columns of the turned matrix they lie in,
            in rising order; for a vector, `columns` is empty.
        place: Of each coordinate in the flattened matrix of those alone.
        left, right: What turns rows and columns; None for their own basis.
        scale: What each coordinate is multiplied by.
    """

    rows: Tensor
    columns: Tensor
    place: Tensor
    left: Tensor | None
    right: Tensor | None
    scale: Tensor

    @property
    def is_vector(self) -> bool:
        return not len(self.columns)

    def of(self, given: Tensor, grad: Tensor) -> Tensor:
        """Return them for a layer's weight, `(n_rows, n_coordinate)`.

        Args:
            given: What went in, `(n_rows, n_token, n_in)`.
            grad: The gradient of what came out, `(n_rows, n_token, n_out)`.
        """
        out = _turned(grad, self.left, self.rows)
        into = _turned(given, self.right, self.columns)
        return torch.bmm(out.mT, into).flatten(1)[:, self.place] * self.scale

    def picked(self, vector: Tensor) -> Tensor:
        """Return them for a parameter that is a vector, `(n_rows, n_coordinate)`."""
        return vector[:, self.rows] * self.scale


def _turned(rows: Tensor, basis: Tensor | None, wanted: Tensor) -> Tensor:
    rows = precise(rows)
    return rows[..., wanted] if basis is None else rows @ basis


class Coordinates:
    """Some coordinates of the whitened gradient of every example.

    Args:
        entries: By parameter name; parameters without any are left out.

    References:
        Goodfellow, "Efficient per-example gradient computations", 2015; George et
        al., "Fast approximate natural gradient descent in a Kronecker-factored
        eigenbasis", NeurIPS 2018.
    """

    def __init__(self, entries: Mapping[str, _Entries]) -> None:
        self._entries = dict(entries)

    @classmethod
    def of(
        cls,
        preconditioner: DiagonalFisher | KroneckerFisher,
        shapes: Mapping[str, Sequence[int]],
        kept: Tensor,
    ) -> Self:
        """Return the coordinates that an index keeps.

        Args:
            preconditioner: What whitens.
            shapes: Of the parameters, by name.
            kept: Places in the flattened gradient, parameters in the order of
                their names; in rising order.
        """
        entries, first = {}, 0
        for name in sorted(shapes):
            shape = list(shapes[name])
            size = int(torch.Size(shape).numel())
            mine = kept[(kept >= first) & (kept < first + size)] - first
            if len(mine):
                entries[name] = _entries_of(preconditioner, name, shape, mine)
            first += size
        return cls(entries)

    def features(
        self,
        generator: Generator,
        batch: LatentBatch,
        conditioning: Conditioning,
        draws: Draws,
        *,
        measurement: Measurement = "loss",
    ) -> Tensor:
        """Return the coordinates for each example and set of draws.

        Returns:
            `(batch, n_sets, n_coordinate)`, float32, in the order of `kept`.
        """
        layers, inputs, grads = tapped(
            generator, batch, conditioning, draws, measurement
        )
        n_rows = len(batch) * draws.n_sets
        found: dict[str, Tensor] = {}
        for name, layer in layers.items():
            found |= self._of_layer(name, layer, inputs[name], grads[name], n_rows)
        rows = torch.cat([found[name] for name in self._entries], dim=1)
        return rows.reshape(len(batch), draws.n_sets, -1).float()

    def _of_layer(
        self, name: str, layer: nn.Module, given: Tensor, grad: Tensor, n_rows: int
    ) -> dict[str, Tensor]:
        found = {}
        mine = {n: self._entries.get(f"{name}.{n}") for n in ("weight", "bias")}
        weight = mine["weight"]
        if weight is not None and not weight.is_vector:
            if isinstance(layer, nn.Conv1d):
                given, grad = given.transpose(1, 2), grad.transpose(1, 2)
            given = given.reshape(n_rows, -1, given.shape[-1])
            grad = grad.reshape(n_rows, -1, grad.shape[-1])
            found[f"{name}.weight"] = weight.of(given, grad)
            if mine["bias"] is not None:
                vector = precise(grad).sum(1)
                found[f"{name}.bias"] = mine["bias"].picked(vector)
        elif any(entry is not None for entry in mine.values()):
            parts = layer_gradients(layer, given, grad, n_rows=n_rows)
            for suffix, entry in mine.items():
                if entry is not None:
                    found[f"{name}.{suffix}"] = entry.picked(parts[suffix])
        return found


def _entries_of(
    preconditioner: DiagonalFisher | KroneckerFisher,
    name: str,
    shape: Sequence[int],
    mine: Tensor,
) -> _Entries:
    scale = preconditioner.scale(name).flatten()[mine]
    if len(shape) == 1:
        return _Entries(mine, mine[:0], mine[:0], None, None, scale)
    width = shape[1]
    rows, row = (mine // width).unique(return_inverse=True)
    columns, column = (mine % width).unique(return_inverse=True)
    left, right = preconditioner.basis(name)
    return _Entries(
        rows=rows,
        columns=columns,
        place=row * len(columns) + column,
        left=None if left is None else left[:, rows].contiguous(),
        right=None if right is None else right[:, columns].contiguous(),
        scale=scale,
    )
