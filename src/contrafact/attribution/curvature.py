"""The Gauss-Newton matrix of the training loss, as products with vectors.

The matrix is never formed. A product is one forward pass and three backward ones:
the transposed Jacobian applied to a dummy is linear in it, so differentiating that
once more gives the Jacobian's product, without forward-mode differentiation and
without a step whose length would have to be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from contrafact.attribution.base import Example
from contrafact.attribution.draws import Draws
from contrafact.generators.base import Generator

__all__ = ["GaussNewton", "solve_by_conjugate_gradients"]


@dataclass(frozen=True, slots=True, eq=False)
class GaussNewton:
    """The mean Gauss-Newton matrix of some examples' losses at some draws.

    Attributes:
        generator: The model.
        examples: Batches.
        draws: Noise draws of each example.

    References:
        Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation
        1994; Schraudolph, "Fast curvature matrix-vector products", 2002.
    """

    generator: Generator
    examples: Sequence[Example]
    draws: Draws

    def product(self, vector: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the matrix times a vector, by parameter name."""
        n_rows = sum(len(batch) for batch, _ in self.examples) * len(self.draws)
        total = {name: torch.zeros_like(part) for name, part in vector.items()}
        for example in self.examples:
            for name, part in self._of_one(example, vector).items():
                total[name] += part / n_rows
        return total

    def _of_one(self, example: Example, vector: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the product summed over the rows of one batch."""
        batch, said = example
        times, noise = self.draws.at(batch)
        many, told = batch.repeat(len(self.draws)), said.repeat(len(self.draws))
        parameters = self.generator.parameters()
        weights = list(parameters.values())
        # The fused kernels of attention cannot be differentiated twice.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            noisy = self.generator.noised(many.latents, noise, times)
            output = self.generator.predict(noisy, times, told, many.mask)
            dummy = torch.zeros_like(output, requires_grad=True)
            back = torch.autograd.grad(
                output, weights, dummy, create_graph=True, materialize_grads=True
            )
            along = sum(
                (g * vector[n]).sum() for n, g in zip(parameters, back, strict=True)
            )
            assert isinstance(along, Tensor)
            (moved,) = torch.autograd.grad(along, dummy, retain_graph=True)
            mask = many.mask[:, None].to(output.dtype)
            n_entries = mask.sum((1, 2), keepdim=True) * output.shape[1]
            found = torch.autograd.grad(
                output, weights, 2 * moved * mask / n_entries, materialize_grads=True
            )
        return dict(zip(parameters, found, strict=True))


def solve_by_conjugate_gradients(
    product: Callable[[Tensor], Tensor],
    wanted: Tensor,
    *,
    precondition: Callable[[Tensor], Tensor],
    n_steps: int,
    tolerance: float,
) -> Tensor:
    """Return `x` with `product(x)` about `wanted`, for a positive definite matrix.

    Args:
        product: Multiplies with the matrix.
        wanted: `(n,)`.
        precondition: Multiplies with an approximation of its inverse, itself
            symmetric and positive definite; its product with `wanted` is where
            the search begins.
        n_steps: At most.
        tolerance: Length of the residual, in units of that of `wanted`, at which
            the search ends.

    References:
        Hestenes and Stiefel, 1952; Martens, "Deep learning via Hessian-free
        optimization", ICML 2010.
    """
    x = precondition(wanted)
    rest = wanted - product(x)
    length, enough = _dot(rest, rest), tolerance**2 * _dot(wanted, wanted)
    step = turned = precondition(rest)
    before = _dot(rest, turned)
    for _ in range(n_steps):
        if length <= enough or before <= 0:
            break
        moved = product(step)
        far = before / _dot(step, moved)
        x, rest = x + far * step, rest - far * moved
        length, turned = _dot(rest, rest), precondition(rest)
        now = _dot(rest, turned)
        step, before = turned + (now / before) * step, now
    return x


def _dot(one: Tensor, other: Tensor) -> float:
    return float((one.double() * other.double()).sum())
