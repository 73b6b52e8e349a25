"""Small changes of a model: low-rank adapters that can be kept, put on and taken off.

A model that has unlearned something differs from the model by a product of two thin
matrices a layer. A few kilobytes stand for a whole other model, and many of them for
as many models. They need nothing of a model but its parameters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from contrafact.core.errors import ConfigError

__all__ = ["Adapters", "copies"]

_DOWN, _UP = ".down", ".up"


@dataclass(frozen=True, slots=True, eq=False)
class Adapters:
    """One low-rank change for each of some matrices of a model.

    Attributes:
        down: By parameter, `(rank, in)`; random at first.
        up: By parameter, `(out, rank)`; zero at first, so that nothing is changed.

    References:
        Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022.
    """

    down: Mapping[str, Tensor]
    up: Mapping[str, Tensor]

    @classmethod
    def new(
        cls, parameters: Mapping[str, Tensor], *, rank: int, layers: str, seed: int
    ) -> Self:
        """Return adapters that change nothing yet.

        Args:
            parameters: Of the model.
            rank: Of each change; less where a matrix is thinner.
            layers: What the names of the matrices contain; "" takes all.
            seed: Of the random half.

        Raises:
            ConfigError: If no matrix has such a name.
        """
        rng = torch.Generator().manual_seed(seed)
        down, up = {}, {}
        for name, parameter in parameters.items():
            if parameter.ndim != 2 or layers not in name:
                continue
            n_out, n_in = parameter.shape
            thin = min(rank, n_in, n_out)
            drawn = torch.randn(thin, n_in, generator=rng) / n_in**0.5
            down[name] = drawn.to(parameter)
            up[name] = parameter.new_zeros(n_out, thin)
        if not down:
            raise ConfigError(
                f"No matrix of the model has {layers!r} in its name; set layers, or "
                '"" for all.'
            )
        return cls(down, up)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Return the adapters that `tensors` returned."""
        return cls(
            *(
                {k.removesuffix(end): v for k, v in tensors.items() if k.endswith(end)}
                for end in (_DOWN, _UP)
            )
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it under one name each, as a file keeps it."""
        down = {name + _DOWN: tensor for name, tensor in self.down.items()}
        return down | {name + _UP: tensor for name, tensor in self.up.items()}

    def trained(self) -> list[Tensor]:
        """Return the tensors that an optimiser changes, in the order of `pulled`."""
        return [*self.down.values(), *self.up.values()]

    def pulled(self, gradients: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the gradients of `trained` from those of the changed matrices."""
        down = [self.up[n].T @ gradients[n] for n in self.down]
        return down + [gradients[n] @ self.down[n].T for n in self.up]

    @torch.no_grad()
    def put_on(
        self, parameters: Mapping[str, nn.Parameter], kept: Mapping[str, Tensor]
    ) -> None:
        """Set the matrices of a model to what was kept of them and the change."""
        for name, down in self.down.items():
            parameters[name].copy_(kept[name] + self.up[name] @ down)

    @contextlib.contextmanager
    def worn(self, parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
        """Return a context in which a model is changed, and as it was after it."""
        kept = copies(parameters, list(self.down))
        try:
            self.put_on(parameters, kept)
            yield
        finally:
            with torch.no_grad():
                for name, tensor in kept.items():
                    parameters[name].copy_(tensor)


def copies(
    parameters: Mapping[str, nn.Parameter], names: Sequence[str]
) -> dict[str, Tensor]:
    """Return copies of some parameters."""
    return {name: parameters[name].detach().clone() for name in names}
