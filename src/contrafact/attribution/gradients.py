"""Per-example gradients of a generator's loss, exactly and in one pass.

The gradient of a linear layer's weight for one example is a product of what
went into the layer and the gradient of what came out. Both are tapped during
one batched pass, so that the gradients of many examples and draws cost about
as much as one training step on them. The slow twin, a loop of autograd calls,
is in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from contrafact.attribution.draws import Draws
from contrafact.core.errors import AttributionError
from contrafact.generators.base import Conditioning, Generator, LatentBatch

__all__ = ["LayerGradients", "Measurement", "Normalisation", "gradients_of"]

Measurement = Literal["loss", "squared_output"]
Normalisation = Literal["none", "example"]
LayerGradients = dict[str, Tensor]
"""Per parameter name, `(batch, n_sets, *parameter.shape)`, float32."""


class _Tap:
    """Inputs and outputs of every layer of a module that has parameters."""

    def __init__(self, module: nn.Module) -> None:
        self.layers = _tappable(module)
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self._hooks = [
            layer.register_forward_hook(self._keep(name))
            for name, layer in self.layers.items()
        ]

    def _keep(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.inputs[name], self.outputs[name] = inputs[0].detach(), output

        return keep

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()


def _tappable(module: nn.Module) -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {}
    for name, layer in module.named_modules():
        own = [p for p in layer.parameters(recurse=False) if p.requires_grad]
        if not own:
            continue
        is_pointwise = isinstance(layer, nn.Conv1d) and layer.kernel_size == (1,)
        if not (is_pointwise or isinstance(layer, nn.Linear | nn.LayerNorm)):
            raise AttributionError(
                f"Layer {name!r} is a {type(layer).__name__}; per-example gradients "
                "are known for Linear, LayerNorm and Conv1d of width 1 only."
            )
        layers[name] = layer
    return layers


def gradients_of(
    generator: Generator,
    batch: LatentBatch,
    conditioning: Conditioning,
    draws: Draws,
    *,
    measurement: Measurement = "loss",
    normalisation: Normalisation = "none",
    stratum_weights: Tensor | None = None,
) -> LayerGradients:
    """Return the gradient of each example's measurement, mean over its draws.

    Args:
        generator: The model, whose `parameters()` are differentiated.
        batch: The examples.
        conditioning: One row per example.
        draws: Shared draws.
        measurement: `loss`, or the mean squared output of D-TRAK.
        normalisation: `example` divides each stratum's gradient by its length,
            so that no noise level drowns the others; `none` keeps units.
        stratum_weights: `(n_strata,)`, multiplies each stratum; default ones.

    Returns:
        Per parameter `(batch, n_sets, *shape)`: one gradient a set of draws;
        their mean is the example's gradient.

    References:
        Goodfellow, "Efficient per-example gradient computations", 2015;
        Zheng et al., "Intriguing properties of data attribution on diffusion
        models" (D-TRAK), ICLR 2024; Lin et al., "Diffusion attribution score";
        DMin, CVPR 2026, for the normalisation by noise level.
    """
    tap = _Tap(generator.module())
    try:
        values = _measure(generator, batch, conditioning, draws, measurement)
        outputs = [tap.outputs[name] for name in tap.layers]
        grads = torch.autograd.grad(values.sum(), outputs, allow_unused=True)
    finally:
        tap.close()
    rows = (len(batch), draws.n_sets, draws.n_strata)
    found: LayerGradients = {}
    for (name, layer), grad in zip(tap.layers.items(), grads, strict=True):
        given = torch.zeros_like(tap.outputs[name]) if grad is None else grad
        for suffix, value in _layer_gradients(layer, tap.inputs[name], given).items():
            found[f"{name}.{suffix}"] = value.reshape(*rows, *value.shape[1:])
    return _over_strata(found, normalisation, stratum_weights)


def _measure(
    generator: Generator,
    batch: LatentBatch,
    conditioning: Conditioning,
    draws: Draws,
    measurement: Measurement,
) -> Tensor:
    times, noise = draws.at(batch)
    many, said = batch.repeat(len(draws)), conditioning.repeat(len(draws))
    with torch.enable_grad():
        if measurement == "loss":
            return generator.loss(many, said, times=times, noise=noise)
        t = times[:, None, None]
        noisy = (1 - t) * many.latents + t * noise
        output = generator.predict(noisy, times, said, many.mask)
        weight = many.mask.float()
        squared = output.square().mean(1) * weight
        return squared.sum(1) / weight.sum(1)


def _layer_gradients(layer: nn.Module, given: Tensor, grad: Tensor) -> dict[str, Tensor]:
    """Gradients of one layer's parameters for every row of the batch."""
    if isinstance(layer, nn.Conv1d):
        weight = torch.bmm(grad, given.to(grad.dtype).transpose(1, 2))
        return {"weight": weight.float()[..., None]}
    if given.ndim == 2:
        given, grad = given[:, None], grad[:, None]
    if isinstance(layer, nn.LayerNorm):
        normed = nn.functional.layer_norm(
            given.float(), layer.normalized_shape, eps=layer.eps
        )
        return {
            "weight": (grad.float() * normed).sum(1),
            "bias": grad.float().sum(1),
        }
    weight = torch.bmm(grad.transpose(1, 2), given.to(grad.dtype)).float()
    if layer.bias is None:
        return {"weight": weight}
    return {"weight": weight, "bias": grad.float().sum(1)}


def _over_strata(
    found: LayerGradients,
    normalisation: Normalisation,
    stratum_weights: Tensor | None,
) -> LayerGradients:
    """Weigh the strata and average over them."""
    first = next(iter(found.values()))
    weights = torch.ones(first.shape[:3])
    if stratum_weights is not None:
        weights = weights * stratum_weights
    if normalisation == "example":
        square = sum(v.flatten(3).square().sum(-1) for v in found.values())
        weights = weights / torch.as_tensor(square).sqrt().clamp_min(1e-20)
    return {
        name: torch.einsum("ens,ensp->enp", weights, value.flatten(3)).reshape(
            *value.shape[:2], *value.shape[3:]
        )
        / weights.shape[-1]
        for name, value in found.items()
    }


def flatten(gradients: LayerGradients, names: Sequence[str] | None = None) -> Tensor:
    """Return gradients as rows, `(batch, n_sets, n_parameters)`."""
    order = names or list(gradients)
    return torch.cat([gradients[name].flatten(2) for name in order], dim=-1)
