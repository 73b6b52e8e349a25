"""Where influence lies in time; and that words are never taken for time steps."""

from __future__ import annotations

import pytest
import torch

from contrafact.attribution.draws import Draws
from contrafact.attribution.gradients import gradients_of
from contrafact.attribution.passages import (
    best_stretch,
    influence_by_token,
    influence_map,
)
from contrafact.attribution.preconditioning import KroneckerFisher
from contrafact.generators.base import LatentBatch
from contrafact.generators.studio.codec import CodecConfig, SpectralCodec
from contrafact.generators.studio.generator import StudioGenerator
from contrafact.generators.studio.network import NetworkConfig
from contrafact.generators.studio.text import Vocabulary
from contrafact.generators.studio.training import new_network


@pytest.fixture
def generator() -> StudioGenerator:
    """An untrained studio of a few thousand parameters, in exact arithmetic."""
    config = NetworkConfig(n_layers=1, n_heads=2, head_width=16)
    network = new_network(config, Vocabulary(["reel"]), seed=0)
    codec = SpectralCodec(CodecConfig(width=8, n_blocks=1))
    return StudioGenerator(network, codec, is_fast=False)


def test_parts_over_time_sum_to_the_product_of_gradients(generator):
    """Over layers that see just the time steps, parts add up to the dot product."""
    batch = LatentBatch.stack([torch.randn(64, 12)])
    said = generator.condition(["reel"], n_tokens=[12])
    draws = Draws.make(generator, n_draws=8, n_strata=4, seed=0)
    found = gradients_of(generator, batch, said, draws)
    seen = {"proj_in.weight", "preprocess_conv.weight", "postprocess_conv.weight"}
    direction = {
        name: torch.randn_like(g[:, :1]) * (name in seen) for name, g in found.items()
    }
    parts = influence_by_token(generator, batch, said, draws, direction)
    whole = sum(
        float((found[name].sum(1) * direction[name][:, 0]).sum()) for name in seen
    )
    assert parts.shape == (12,)
    assert float(parts.sum()) == pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("n_words", [12, 13])
def test_words_are_no_time_steps_where_there_are_as_many(
    generator: StudioGenerator, n_words: int
) -> None:
    """Influence through the text has no place in time, however long the text is."""
    with torch.no_grad():
        for parameter in generator.parameters().values():
            parameter.add_(0.1 * torch.randn_like(parameter))
    batch = LatentBatch.stack([torch.randn(64, 12)])
    said = generator.condition([" ".join(["reel"] * n_words)], n_tokens=[12])
    assert said.tokens.shape[1] == n_words
    draws = Draws.make(generator, n_draws=4, n_strata=4, seed=0)
    found = gradients_of(generator, batch, said, draws)
    text_side = ("cross_attention_proj", "attn2.to_k", "attn2.to_v")
    direction = {
        name: g * any(part in name for part in text_side) for name, g in found.items()
    }
    assert sum(float(d.abs().sum()) for d in direction.values()) > 0
    parts = influence_by_token(generator, batch, said, draws, direction)
    assert parts.abs().max() == 0


def test_planted_step_is_where_the_influence_is(generator):
    """Two pieces that share one stretch and nothing else match in that stretch."""
    rng = torch.Generator().manual_seed(3)
    shared = 2.5 * torch.randn(64, 4, generator=rng)
    one, other = 0.1 * torch.randn(2, 64, 20, generator=rng)
    one[:, 3:7] = shared
    other[:, 12:16] = shared
    draws = Draws.make(generator, n_draws=16, n_strata=8, seed=0)
    said = generator.condition(["reel"], n_tokens=[20])
    direction = gradients_of(generator, LatentBatch.stack([one]), said, draws)
    direction = {n: g.mean(1, keepdim=True) for n, g in direction.items()}
    values = influence_by_token(
        generator, LatentBatch.stack([other]), said, draws, direction
    )
    start, end, _ = best_stretch(values, 4)
    assert abs(start - 12) <= 1
    assert abs(end - 16) <= 1


def test_stretch_longer_than_the_piece_is_the_piece():
    """A short piece is its own best stretch."""
    assert best_stretch(torch.ones(3), 10) == (0, 3, 3.0)


def test_a_map_adds_up_to_what_each_side_has_by_itself(generator):
    """Rows and columns of the map sum to influence over the time of either side."""
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in generator.parameters().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    said = generator.condition(["reel"], n_tokens=[10])
    query, recording = (
        (LatentBatch.stack([torch.randn(64, 10, generator=rng)]), said) for _ in "12"
    )
    draws = Draws.make(generator, n_draws=8, n_strata=4, seed=0)
    fisher = KroneckerFisher.of(
        [gradients_of(generator, *x, draws) for x in (query, recording)], damping=1.0
    )
    found = influence_map(
        generator, query, recording, draws=draws, natural=fisher.natural, n_tokens=1
    ).values
    assert found.shape == (10, 10)
    # These layers see the time steps and nothing else: their gradient is the sum.
    seen = {"proj_in.weight", "preprocess_conv.weight", "postprocess_conv.weight"}

    def only(gradients):
        return {n: g * (n in seen) for n, g in fisher.natural(gradients).items()}

    part = influence_map(
        generator, query, recording, draws=draws, natural=only, n_tokens=1
    ).values
    for axis, (one, other) in enumerate(((query, recording), (recording, query))):
        gradient = gradients_of(generator, *other, draws)
        direction = only({n: g.mean(1, keepdim=True) for n, g in gradient.items()})
        wanted = influence_by_token(generator, *one, draws, direction)
        found_by_axis = part.sum(1 - axis) * draws.n_sets
        assert torch.allclose(found_by_axis, wanted, rtol=1e-3, atol=1e-5)
    spans = influence_map(
        generator, query, recording, draws=draws, natural=fisher.natural, n_tokens=4
    ).values
    assert spans.shape == (3, 3)
    assert float(spans.sum()) == pytest.approx(float(found.sum()), rel=1e-3)
    assert float(spans[2, 0]) == pytest.approx(float(found[8:, :4].sum()), rel=1e-3)


def test_parts_by_layer_add_up_to_the_map(generator):
    """Each layer's part is its own gradients' product; all are the whole map."""
    torch.manual_seed(1)
    query, recording = (
        (LatentBatch.stack([x]), generator.condition(["reel"], n_tokens=[10]))
        for x in torch.randn(2, 64, 10)
    )
    draws = Draws.make(generator, n_draws=8, n_strata=4, seed=0)

    def found(natural):
        return influence_map(
            generator, query, recording, draws=draws, natural=natural, n_tokens=3
        )

    whole = found(lambda gradients: gradients)
    assert set(whole.by_layer) < set(generator.token_layers())
    assert sum(whole.by_layer.values()) == pytest.approx(
        float(whole.values.sum()), rel=1e-4
    )
    alone = found(lambda g: {n: x * (n == "proj_in.weight") for n, x in g.items()})
    assert whole.by_layer["proj_in"] == pytest.approx(float(alone.values.sum()))
    assert alone.by_layer["proj_out"] == 0
