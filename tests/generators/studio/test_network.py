from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import StableAudioAttnProcessor2_0
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch import Tensor

from contrafact.core.errors import GeneratorError
from contrafact.generators.studio import NetworkConfig
from contrafact.generators.studio import network as networks
from contrafact.generators.studio._attention import Rotary
from contrafact.generators.studio.network import StudioNetwork, fast_matrix_products
from contrafact.generators.studio.text import Vocabulary
from contrafact.generators.studio.training import new_network

# Float32 sums in another order, and bfloat16's eight bits over three layers.
EXACT = {"rtol": 1e-4, "atol": 1e-5}
FAST = {"rtol": 0.05, "atol": 0.05}
SHAPES = [
    NetworkConfig(latent_channels=4, max_tokens=12, n_heads=2, head_width=8),
    NetworkConfig(n_layers=4, n_heads=6),
    NetworkConfig(n_layers=2, n_heads=4, head_width=64, max_tokens=128),
]


class _Published(StableAudioAttnProcessor2_0):
    """diffusers' own processor, given diffusers' own tables."""

    def __call__(
        self, *args: Any, rotary_emb: Rotary | None = None, **more: Any
    ) -> Any:
        tables = rotary_emb and get_1d_rotary_pos_embed(
            len(rotary_emb.swap) // 2,
            len(rotary_emb.cosines),
            use_real=True,
            repeat_interleave_real=False,
        )
        return super().__call__(*args, rotary_emb=tables, **more)


def _network(config: NetworkConfig) -> StudioNetwork:
    network = new_network(config, Vocabulary(["reel", "slow"]), seed=1)
    with torch.no_grad():
        network.transformer.preprocess_conv.weight.normal_(std=0.1)
    return network


def _run(network: StudioNetwork, *, is_fast: bool) -> tuple[Tensor, Tensor]:
    """Return velocities where there is sound, and the gradient of all weights."""
    rng = torch.Generator().manual_seed(5)
    config, lengths = network.config, torch.tensor([9, 6, 1])
    noisy = torch.randn(3, config.latent_channels, 9, generator=rng)
    weight = torch.randn(noisy.shape, generator=rng)
    mask = torch.arange(9) < lengths[:, None]
    with fast_matrix_products(is_fast):
        told = network.condition(["slow reel by someone", "reel", ""], lengths)
        velocity = network.velocity(noisy, torch.tensor([0.1, 0.5, 1.0]), told, mask)
    heard = velocity.float() * mask[:, None]
    parameters = [p for p in network.transformer.parameters() if p.requires_grad]
    gradients = torch.autograd.grad((heard * weight).mean(), parameters)
    return heard, torch.cat([g.flatten() for g in gradients])


@pytest.mark.parametrize("config", SHAPES, ids=["tiny", "192 wide", "256 wide"])
@pytest.mark.parametrize("is_fast", [False, True], ids=["float32", "bfloat16"])
def test_attention_computes_what_the_published_one_does(
    config: NetworkConfig, is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Velocities and gradients agree with those under diffusers' processor."""
    monkeypatch.setattr(networks, "arithmetic", lambda: "bfloat16")
    network = _network(config)
    found, slope = _run(network, is_fast=is_fast)
    network.transformer.set_attn_processor(_Published())
    wanted, wanted_slope = _run(network, is_fast=is_fast)
    torch.testing.assert_close(found, wanted, **(FAST if is_fast else EXACT))
    difference = (slope - wanted_slope).norm() / wanted_slope.norm()
    assert difference < (0.05 if is_fast else 1e-5)


@pytest.fixture(params=["bfloat16", "float32"])
def multiplies_in(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A processor with units for bfloat16, and one without."""
    monkeypatch.setattr(networks, "arithmetic", lambda: request.param)
    return str(request.param)


def test_rounds_only_where_it_is_faster(multiplies_in: str) -> None:
    """Matrix products are rounded on processors with units for it alone."""
    with fast_matrix_products():
        product = torch.ones(4, 4) @ torch.ones(4, 4)
    assert product.dtype == getattr(torch, multiplies_in)


def test_fast_products_stay_near_the_exact_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bfloat16 changes velocities by no more than its precision explains."""
    monkeypatch.setattr(networks, "arithmetic", lambda: "bfloat16")
    network = _network(SHAPES[0])
    fast, exact = (_run(network, is_fast=is_fast)[0] for is_fast in (True, False))
    assert not torch.equal(fast, exact)
    torch.testing.assert_close(fast, exact, **FAST)


def test_a_row_without_keys_stays_finite() -> None:
    """An empty attention mask, which no batch has, makes no NaN."""
    states = torch.ones(2, 3, 16)
    attention = _network(SHAPES[0]).transformer.transformer_blocks[0].attn1
    mask = torch.tensor([[True] * 3, [False] * 3])
    assert torch.isfinite(attention(states, attention_mask=mask)).all()


def test_weights_depend_on_the_seed_alone() -> None:
    """The same seed gives the same network, and the caller's draws go on."""
    config, vocabulary = SHAPES[0], Vocabulary(["reel"])
    state = torch.get_rng_state()
    first, again, other = (
        new_network(config, vocabulary, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(
    "change",
    [{"n_layers": 0}, {"n_heads": "4"}, {"head_width": 6}, {"max_tokens": True}],
)
def test_sizes_that_make_no_network_are_refused(change: dict[str, int]) -> None:
    """A configuration is checked when it is made."""
    with pytest.raises(GeneratorError, match=next(iter(change))):
        NetworkConfig(**change)
