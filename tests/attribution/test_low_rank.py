"""Low-rank changes of a model: exact gradients, on and off again, kept as tensors."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

from contrafact.attribution.low_rank import Adapters
from contrafact.core.errors import ConfigError


@pytest.fixture
def torch_rng() -> torch.Generator:
    """The same numbers in every test."""
    return torch.Generator().manual_seed(0)


def make_parameters(rng: torch.Generator) -> dict[str, nn.Parameter]:
    """Return two matrices and what is none."""
    shapes = {"a.weight": (5, 4), "b.weight": (3, 5), "b.bias": (3,)}
    return {
        name: nn.Parameter(torch.randn(shape, generator=rng, dtype=torch.float64))
        for name, shape in shapes.items()
    }


def changed(parameters: dict[str, nn.Parameter], seed: int = 1) -> Adapters:
    """Return adapters that do change something."""
    adapters = Adapters.new(parameters, rank=2, layers="", seed=seed)
    rng = torch.Generator().manual_seed(seed)
    for tensor in adapters.up.values():
        tensor.copy_(torch.randn(tensor.shape, generator=rng, dtype=tensor.dtype))
    return adapters


def test_new_adapters_change_nothing(torch_rng: torch.Generator) -> None:
    """They wait for an optimiser."""
    parameters = make_parameters(torch_rng)
    before = {n: p.detach().clone() for n, p in parameters.items()}
    with Adapters.new(parameters, rank=2, layers="", seed=0).worn(parameters):
        for name, parameter in parameters.items():
            assert torch.equal(parameter, before[name])


def test_a_model_is_what_it_was_after_it_took_them_off(
    torch_rng: torch.Generator,
) -> None:
    """Bit for bit, even when what wore them failed."""
    parameters = make_parameters(torch_rng)
    before = {n: p.detach().clone() for n, p in parameters.items()}
    context = changed(parameters).worn(parameters)
    context.__enter__()
    assert not torch.equal(parameters["a.weight"], before["a.weight"])
    with contextlib.suppress(RuntimeError):
        context.__exit__(RuntimeError, RuntimeError(), None)
    for name, parameter in parameters.items():
        assert torch.equal(parameter, before[name])


def test_gradients_are_those_of_the_product(torch_rng: torch.Generator) -> None:
    """What is pulled back from matrices is what autograd finds through them."""
    parameters = make_parameters(torch_rng)
    adapters = changed(parameters)
    x = torch.randn(7, 4, generator=torch_rng, dtype=torch.float64)
    slow = [t.clone().requires_grad_() for t in adapters.trained()]
    n = len(adapters.down)
    whole = [
        parameters[name].detach() + up @ down
        for name, down, up in zip(adapters.down, slow[:n], slow[n:], strict=True)
    ]
    wanted = torch.autograd.grad((x @ whole[0].T @ whole[1].T).square().sum(), slow)
    with adapters.worn(parameters):
        loss = (x @ parameters["a.weight"].T @ parameters["b.weight"].T).square().sum()
        found = torch.autograd.grad(loss, [parameters[name] for name in adapters.down])
    pulled = adapters.pulled(dict(zip(adapters.down, found, strict=True)))
    for a, b in zip(pulled, wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_what_is_kept_is_read_again(torch_rng: torch.Generator) -> None:
    """Tensors under one name each, and back."""
    adapters = changed(make_parameters(torch_rng))
    again = Adapters.of(adapters.tensors())
    assert list(again.down) == list(adapters.down)
    for a, b in zip(again.trained(), adapters.trained(), strict=True):
        assert torch.equal(a, b)


def test_a_name_that_no_matrix_has_is_an_error(torch_rng: torch.Generator) -> None:
    """It says which, and what to do."""
    with pytest.raises(ConfigError, match=r"'\.attn\.' in its name"):
        Adapters.new(make_parameters(torch_rng), rank=2, layers=".attn.", seed=0)
