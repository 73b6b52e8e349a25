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

__all__ = [
    "LayerGradients",
    "Measurement",
    "flatten",
    "gradients_of",
    "layer_gradients",
    "precise",
    "tapped",
]

Measurement = Literal["loss", "squared_output", "directed_output"]
"""The loss; the mean squared output of D-TRAK; or the output along random
directions, whose gradients' mean outer product is the Gauss-Newton matrix of the
loss. A direction is the noise of another draw: take two draws or more."""
LayerGradients = dict[str, Tensor]
"""Per parameter name, `(batch, n_sets, *parameter.shape)`; float32, or float64 where
the model computes in it."""


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

    def _keep(
        self, name: str
    ) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if name in self.outputs:
                raise AttributionError(
                    f"Layer {name!r} runs twice in one pass; per-example gradients "
                    "are known for layers that run once."
                )
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
        is_pointwise = (
            isinstance(layer, nn.Conv1d)
            and layer.kernel_size == (1,)
            and layer.groups == 1
        )
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
    mask_padding: bool = True,
) -> LayerGradients:
    """Return the gradient of each example's measurement, mean over a set of draws.

    Args:
        generator: The model, whose `parameters()` are differentiated.
        batch: The examples.
        conditioning: One row per example.
        draws: Shared draws.
        measurement: What is differentiated.
        mask_padding: See `Generator.loss`.

    Returns:
        Per parameter `(batch, n_sets, *shape)`: one gradient a set of draws;
        their mean is the example's gradient.

    References:
        Goodfellow, "Efficient per-example gradient computations", 2015;
        Zheng et al., "Intriguing properties of data attribution on diffusion
        models" (D-TRAK), ICLR 2024.
    """
    layers, inputs, grads = tapped(
        generator, batch, conditioning, draws, measurement, mask_padding=mask_padding
    )
    rows = (len(batch), draws.n_sets)
    found: LayerGradients = {}
    for name, layer in layers.items():
        parts = layer_gradients(
            layer, inputs[name], grads[name], n_rows=rows[0] * rows[1]
        )
        for suffix, value in parts.items():
            found[f"{name}.{suffix}"] = value.reshape(*rows, *value.shape[1:])
    return found


def tapped(
    generator: Generator,
    batch: LatentBatch,
    conditioning: Conditioning,
    draws: Draws,
    measurement: Measurement,
    *,
    mask_padding: bool = True,
) -> tuple[dict[str, nn.Module], dict[str, Tensor], dict[str, Tensor]]:
    """Run one pass and return each layer, its input and its output's gradient.

    The gradient is that of the weighted sum over draws, each set's weights
    adding up to an average.
    """
    tap = _Tap(generator.module())
    try:
        values = _measure(
            generator, batch, conditioning, draws, measurement,
            mask_padding=mask_padding,
        )  # fmt: skip
        weights = (draws.weights / draws.n_strata).repeat(len(batch))
        outputs = [tap.outputs[name] for name in tap.layers]
        grads = torch.autograd.grad((values * weights).sum(), outputs)
    finally:
        tap.close()
    return tap.layers, tap.inputs, dict(zip(tap.layers, grads, strict=True))


def _measure(
    generator: Generator,
    batch: LatentBatch,
    conditioning: Conditioning,
    draws: Draws,
    measurement: Measurement,
    *,
    mask_padding: bool,
) -> Tensor:
    times, noise = draws.at(batch)
    many, said = batch.repeat(len(draws)), conditioning.repeat(len(draws))
    with torch.enable_grad():
        if measurement == "loss":
            return generator.loss(
                many, said, times=times, noise=noise, mask_padding=mask_padding
            )
        noisy = generator.noised(many.latents, noise, times)
        mask = many.mask if mask_padding else torch.ones_like(many.mask)
        output = generator.predict(noisy, times, said, mask)
        weight = mask.float()
        if measurement == "directed_output":
            along = (output * noise.roll(1, 0)).sum(1) * weight
            # Over the entries, squares have the mean of the loss's second
            # derivative; over a set of draws, signs are random.
            n_entries = output.shape[1] * mask.sum(1).to(output.dtype)
            return along.sum(1) * (2 * draws.n_strata / n_entries).sqrt()
        squared = output.square().mean(1) * weight
        return squared.sum(1) / weight.sum(1)


def layer_gradients(
    layer: nn.Module, given: Tensor, grad: Tensor, *, n_rows: int
) -> dict[str, Tensor]:
    """Return the gradients of one layer's parameters, by the end of their names.

    Args:
        layer: Linear, LayerNorm, or Conv1d of width 1.
        given: What went in.
        grad: The gradient of what came out.
        n_rows: Rows, of as many inputs each, within which they are summed.

    Returns:
        `(n_rows, *shape)`.
    """
    if isinstance(layer, nn.Conv1d):
        given, grad = given.transpose(1, 2), grad.transpose(1, 2)
    given = given.reshape(n_rows, -1, given.shape[-1])
    grad = grad.reshape(n_rows, -1, grad.shape[-1])
    if isinstance(layer, nn.LayerNorm):
        normed = nn.functional.layer_norm(
            precise(given), layer.normalized_shape, eps=layer.eps
        )
        weight = (precise(grad) * normed).sum(1)
    else:
        weight = precise(torch.bmm(grad.transpose(1, 2), given.to(grad.dtype)))
    if isinstance(layer, nn.Conv1d):
        weight = weight[..., None]
    has_bias = getattr(layer, "bias", None) is not None
    return {"weight": weight} | ({"bias": precise(grad).sum(1)} if has_bias else {})


def precise(tensor: Tensor) -> Tensor:
    """Return float64 as it is, everything else as float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def flatten(gradients: LayerGradients, names: Sequence[str]) -> Tensor:
    """Return gradients as rows, `(batch, n_sets, n_parameters)`, in this order."""
    return torch.cat([gradients[name].flatten(2) for name in names], dim=-1)
