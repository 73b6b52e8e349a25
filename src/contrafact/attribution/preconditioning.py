"""Preconditioners: the inverse square root of an approximate Fisher matrix.

Applied to a query's and a training example's gradient alike, so that their
plain dot product is the preconditioned one. Always *before* compression:
compressed gradients can no longer be told which directions matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from contrafact.attribution.gradients import LayerGradients, precise

__all__ = ["DiagonalFisher", "KroneckerFisher", "Preconditioner", "eigenvectors"]

_LONGEST_TURNED = 256


class Preconditioner(Protocol):
    """What an index needs of a preconditioner."""

    def whiten(self, gradients: LayerGradients) -> LayerGradients:
        """Return gradients times the inverse square root of the Fisher matrix.

        The rows of the result may be expressed in another basis of each
        parameter's space; dot products are what they mean.
        """

    def second_moments(self) -> dict[str, Tensor]:
        """Return the mean squared whitened gradient of each coordinate."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the state, to be saved."""


class DiagonalFisher:
    """One variance a parameter, as in elastic weight consolidation.

    Args:
        fisher: Mean squared gradient, by parameter name.
        damping: Added to each, in units of the mean over all parameters.

    References:
        Kirkpatrick et al., "Overcoming catastrophic forgetting", PNAS 2017;
        Choi et al., "Large-scale training data attribution for music
        generative models via unlearning", 2025.
    """

    def __init__(self, fisher: Mapping[str, Tensor], *, damping: float) -> None:
        self.fisher = dict(fisher)
        self.damping = damping
        total = sum(float(f.double().sum()) for f in self.fisher.values())
        count = sum(f.numel() for f in self.fisher.values())
        self.floor = damping * total / count

    @classmethod
    def of(cls, batches: Iterable[LayerGradients], *, damping: float) -> DiagonalFisher:
        """Return the preconditioner of sampled gradients, `(batch, n_sets, ...)`.

        Every set counts as a gradient of its own; give sets of one draw for
        the Fisher matrix of the paper. Batches are read once, one at a time.
        """
        total: dict[str, Tensor] = {}
        count = 0
        for batch in batches:
            for name, rows in batch.items():
                square = rows.flatten(0, 1).square()
                total[name] = total.get(name, 0) + square.sum(0, dtype=torch.float64)
            count += len(square)
        kind = square.dtype
        fisher = {name: (t / count).to(kind) for name, t in total.items()}
        return cls(fisher, damping=damping)

    def inverse(self, name: str) -> Tensor:
        """Return the inverse damped Fisher diagonal of one parameter."""
        return 1 / (self.fisher[name] + self.floor)

    def scale(self, name: str) -> Tensor:
        """Return what a parameter's gradient is multiplied by when whitened."""
        return self.inverse(name).sqrt()

    def basis(self, name: str) -> tuple[None, None]:
        """Return what turns rows and columns: nothing does."""
        del name
        return None, None

    def whiten(self, gradients: LayerGradients) -> LayerGradients:
        """See `Preconditioner.whiten`."""
        return {n: g * self.scale(n) for n, g in gradients.items()}

    def second_moments(self) -> dict[str, Tensor]:
        """See `Preconditioner.second_moments`."""
        return {n: f * self.inverse(n) for n, f in self.fisher.items()}

    def tensors(self) -> dict[str, Tensor]:
        """See `Preconditioner.tensors`."""
        return {f"fisher/{n}": f.contiguous() for n, f in self.fisher.items()}

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], *, damping: float
    ) -> DiagonalFisher:
        """Return the preconditioner that `tensors` came from."""
        found = {n.removeprefix("fisher/"): t for n, t in tensors.items()}
        return cls(found, damping=damping)


class KroneckerFisher:
    """Variances in the eigenbasis of a Kronecker product, one product a matrix.

    The basis comes from the second moments of the gradient's rows and columns,
    the variances are measured in it. A side longer than 256 keeps its own
    basis: turning it costs as much as the gradient itself. Vectors get one
    variance an entry.

    Args:
        bases: By matrix name, the eigenvectors of its rows and its columns.
        variances: By name, mean squared gradient in that basis.
        damping: Added to each variance, in units of the parameter's mean one.

    References:
        George et al., "Fast approximate natural gradient descent in a
        Kronecker-factored eigenbasis", NeurIPS 2018; Gupta et al., "Shampoo",
        ICML 2018.
    """

    def __init__(
        self,
        bases: Mapping[str, tuple[Tensor, Tensor]],
        variances: Mapping[str, Tensor],
        *,
        damping: float,
    ) -> None:
        self.bases = dict(bases)
        self.variances = dict(variances)
        self.damping = damping

    @classmethod
    def of(
        cls, batches: Iterable[LayerGradients], *, damping: float
    ) -> KroneckerFisher:
        """Return the preconditioner of sampled gradients, `(batch, n_sets, ...)`."""
        batches = list(batches)
        bases: dict[str, tuple[Tensor, Tensor]] = {}
        variances: dict[str, Tensor] = {}
        for name in batches[0]:
            rows = torch.cat([precise(b[name]) for b in batches])
            if _is_matrix(rows):
                matrices = rows.flatten(0, 1).flatten(2)
                bases[name] = _basis(matrices.mT), _basis(matrices)
                rows = _rotate(rows, bases[name])
            variances[name] = rows.square().mean((0, 1))
        return cls(bases, variances, damping=damping)

    @classmethod
    def in_bases(
        cls,
        bases: Mapping[str, tuple[Tensor, Tensor]],
        batches: Iterable[LayerGradients],
        *,
        damping: float,
    ) -> KroneckerFisher:
        """Return the preconditioner of these bases, its variances measured.

        Args:
            bases: By matrix name, the eigenvectors of its rows and columns.
            batches: Sampled gradients, `(batch, n_sets, ...)`; every set counts
                as one of its own. They are read once, one at a time.
            damping: See the class.
        """
        total: dict[str, Tensor] = {}
        count = 0
        for batch in batches:
            for name, rows in batch.items():
                turned = _rotate(rows, bases[name]) if name in bases else rows
                square = turned.flatten(0, 1).double().square()
                total[name] = total.get(name, 0) + square.sum(0)
            count += len(square)
        kind = rows.dtype
        return cls(
            bases, {n: (t / count).to(kind) for n, t in total.items()}, damping=damping
        )

    def floor(self, name: str) -> Tensor:
        """Return what is added to every variance of a parameter."""
        return self.damping * self.variances[name].mean() + 1e-30

    def scale(self, name: str) -> Tensor:
        """Return what a parameter's turned gradient is multiplied by."""
        return (self.variances[name] + self.floor(name)).rsqrt()

    def basis(self, name: str) -> tuple[Tensor | None, Tensor | None]:
        """Return what turns rows and columns of a parameter; None where nothing."""
        left, right = self.bases.get(name, (torch.zeros(0), torch.zeros(0)))
        return left if len(left) else None, right if len(right) else None

    def whiten(self, gradients: LayerGradients) -> LayerGradients:
        """See `Preconditioner.whiten`."""
        turned = {
            name: _rotate(g, self.bases[name]) if name in self.bases else g
            for name, g in gradients.items()
        }
        return {name: g * self.scale(name) for name, g in turned.items()}

    def natural(self, gradients: LayerGradients) -> LayerGradients:
        """Return gradients times the inverse of the Fisher matrix, own basis."""
        found = {}
        for name, white in self.whiten(gradients).items():
            scaled = white * self.scale(name)
            if name in self.bases:
                left, right = self.bases[name]
                scaled = scaled @ right.T if len(right) else scaled
                scaled = left @ scaled if len(left) else scaled
            found[name] = scaled.reshape(gradients[name].shape)
        return found

    def second_moments(self) -> dict[str, Tensor]:
        """See `Preconditioner.second_moments`."""
        return {n: v * self.scale(n).square() for n, v in self.variances.items()}

    def tensors(self) -> dict[str, Tensor]:
        """See `Preconditioner.tensors`."""
        found = {f"variance/{n}": v for n, v in self.variances.items()}
        for name, (left, right) in self.bases.items():
            found |= {f"left/{name}": left, f"right/{name}": right}
        return {name: value.contiguous() for name, value in found.items()}

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], *, damping: float
    ) -> KroneckerFisher:
        """Return the preconditioner that `tensors` came from."""

        def part(kind: str) -> dict[str, Tensor]:
            prefix = f"{kind}/"
            return {
                n.removeprefix(prefix): t
                for n, t in tensors.items()
                if n.startswith(prefix)
            }

        left, right = part("left"), part("right")
        bases = {name: (left[name], right[name]) for name in left}
        return cls(bases, part("variance"), damping=damping)


def _basis(matrices: Tensor) -> Tensor:
    """Eigenvectors of the second moment of the last axis, `(n, rows, size)`.

    Empty where the axis is too long to turn.
    """
    size = matrices.shape[-1]
    if size > _LONGEST_TURNED:
        return matrices.new_zeros(0, 0)
    flat = matrices.reshape(-1, size)
    return eigenvectors(flat.T @ flat)


def eigenvectors(matrix: Tensor) -> Tensor:
    """Return the eigenvectors of a symmetric matrix as columns, its own type.

    The same input gives the same: the largest entry of each is positive.
    """
    vectors: Tensor = torch.linalg.eigh(matrix.double())[1]
    # A sign of its own for each vector, so that the same input gives the same.
    largest = vectors.abs().argmax(dim=0)
    signs = vectors[largest, torch.arange(vectors.shape[1])].sign()
    return (vectors * signs).to(matrix.dtype).contiguous()


def _is_matrix(gradients: Tensor) -> bool:
    """Tell whether `(batch, n_sets, *shape)` are gradients of a matrix."""
    return gradients.ndim > 3


def _rotate(gradients: Tensor, bases: tuple[Tensor, Tensor]) -> Tensor:
    """Express `(batch, n_sets, out, in[, 1])` gradients in the basis."""
    left, right = bases
    turned = gradients.flatten(3)
    if len(right):
        turned = turned @ right
    return left.T @ turned if len(left) else turned
