"""EK-FAC: a Kronecker-factored Fisher matrix from what goes in and comes out.

`KroneckerFisher.of` finds its bases in whole gradients, as Shampoo does. Here
they are those of a layer's inputs and of its outputs' gradients, as the papers
on EK-FAC have them; variances are measured in them either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from contrafact.attribution.base import Example
from contrafact.attribution.draws import Draws
from contrafact.attribution.gradients import (
    LayerGradients,
    Measurement,
    gradients_of,
    tapped,
)
from contrafact.attribution.preconditioning import KroneckerFisher, eigenvectors
from contrafact.core.errors import AttributionError
from contrafact.generators.base import Generator

__all__ = ["kronecker_fisher"]

_DRAWS_AT_ONCE = 16


def kronecker_fisher(
    generator: Generator,
    examples: Iterable[Example],
    draws: Draws,
    *,
    damping: float,
    measurement: Measurement = "loss",
    mask_padding: bool = True,
    check: Callable[[int, LayerGradients], None] = lambda *_: None,
) -> KroneckerFisher:
    """Return the EK-FAC approximation of the empirical Fisher matrix.

    Every draw of every example counts as one gradient. Positions of a layer are
    taken as independent, which is K-FAC's assumption; the variances measured
    afterwards undo part of the harm. Biases and norms get one variance an entry.

    Args:
        generator: The model.
        examples: Batches, read twice; give a list.
        draws: Noise draws of each example.
        damping: Added to each variance, in units of the parameter's mean one.
        measurement: What is differentiated.
        mask_padding: See `Generator.loss`.
        check: Called with the number of each example and the gradients of what came
            out of layers, one row each, before they count; may raise.

    Raises:
        AttributionError: If there is no example.

    References:
        Martens and Grosse, "Optimizing neural networks with Kronecker-factored
        approximate curvature", ICML 2015; George et al., "Fast approximate
        natural gradient descent in a Kronecker-factored eigenbasis", NeurIPS
        2018; Grosse et al., "Studying large language model generalization with
        influence functions", 2023, arXiv 2308.03296.
    """
    parts = [
        draws.part(slice(start, start + _DRAWS_AT_ONCE))
        for start in range(0, len(draws), _DRAWS_AT_ONCE)
    ]
    pairs = [(example, part) for example in examples for part in parts]
    if not pairs:
        raise AttributionError("A Fisher matrix needs at least one example.")
    moments: dict[str, tuple[Tensor, Tensor]] = {}
    for number, (example, part) in enumerate(pairs):
        layers, inputs, grads = tapped(
            generator, *example, part, measurement, mask_padding=mask_padding
        )
        whole = {name: grad.reshape(1, -1) for name, grad in grads.items()}
        check(number // len(parts), whole)
        for name, layer in layers.items():
            if not isinstance(layer, nn.LayerNorm):
                _add(moments, f"{name}.weight", layer, inputs[name], grads[name])

    def gradients() -> Iterator[LayerGradients]:
        for example, part in pairs:
            yield gradients_of(
                generator, *example, part,
                measurement=measurement, mask_padding=mask_padding,
            )  # fmt: skip

    kind = next(iter(generator.parameters().values())).dtype
    bases = {
        name: (eigenvectors(out).to(kind), eigenvectors(given).to(kind))
        for name, (out, given) in moments.items()
    }
    return KroneckerFisher.in_bases(bases, gradients(), damping=damping)


def _add(
    moments: dict[str, tuple[Tensor, Tensor]],
    name: str,
    layer: nn.Module,
    given: Tensor,
    grad: Tensor,
) -> None:
    """Add second moments over all rows and positions, of outputs and inputs."""
    if isinstance(layer, nn.Conv1d):
        given, grad = given.transpose(1, 2), grad.transpose(1, 2)
    flat = [x.reshape(-1, x.shape[-1]).float() for x in (grad, given)]
    if given.dtype == torch.float64:
        flat = [x.reshape(-1, x.shape[-1]) for x in (grad, given)]
    found = [(x.T @ x).double() for x in flat]
    if name in moments:
        found = [a + b for a, b in zip(moments[name], found, strict=True)]
    moments[name] = found[0], found[1]
