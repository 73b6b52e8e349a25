"""What every generator promises; run over each kind in `MODEL_MAKERS`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from contrafact.core.errors import GeneratorError, ModelFormatError
from contrafact.generators import (
    Conditioning,
    Generator,
    LatentBatch,
    load_generator,
)

# Float32 sums in another order; measured differences are below 1e-6.
SAME = {"rtol": 1e-4, "atol": 1e-5}
PROMPTS = ["slow piano", "fiddle reel", ""]


def _lengths_of(generator: Generator) -> tuple[int, int, int]:
    longest = min(9, generator.max_tokens)
    return longest - 3, longest, longest - 1


_Example = tuple[LatentBatch, Conditioning, Tensor, Tensor]


def _examples_of(generator: Generator) -> _Example:
    """Return three examples of different lengths, with their noise draws."""
    rng = torch.Generator().manual_seed(2)
    lengths = _lengths_of(generator)
    rows = [torch.randn(generator.latent_channels, n, generator=rng) for n in lengths]
    batch = LatentBatch.stack(rows)
    noise = torch.randn(batch.latents.shape, generator=rng)
    times = torch.tensor([0.2, 0.5, 0.8])
    return batch, generator.condition(PROMPTS, n_tokens=lengths), times, noise


def _loss_of(generator: Generator, example: _Example, **options: bool) -> Tensor:
    batch, conditioning, times, noise = example
    return generator.loss(batch, conditioning, times=times, noise=noise, **options)


def test_generator_offers_the_whole_protocol(generator: Generator) -> None:
    """Every member of the protocol is there and the sizes make sense."""
    assert isinstance(generator, Generator)
    assert generator.name
    assert min(generator.sample_rate, generator.latent_channels) > 0
    assert generator.n_channels in (1, 2)
    assert generator.max_tokens > 4
    assert generator.sample_rate % generator.token_rate_hz == pytest.approx(0)


def test_condition_returns_a_row_for_each_prompt(generator: Generator) -> None:
    """Rows keep order and each says something, even the unconditional one."""
    lengths = _lengths_of(generator)
    rows = generator.condition(PROMPTS, n_tokens=lengths)
    assert len(rows) == len(PROMPTS)
    assert rows.mask.dtype == torch.bool
    assert rows.mask.any(dim=1).all()
    assert not rows.tokens.requires_grad
    alone = generator.condition(PROMPTS[1:2], n_tokens=lengths[1:2])
    torch.testing.assert_close(
        rows.select([1]).tokens[rows.mask[1:2]], alone.tokens[alone.mask], **SAME
    )
    torch.testing.assert_close(rows.select([1]).pooled, alone.pooled, **SAME)


@pytest.mark.parametrize(
    ("prompts", "n_tokens"),
    [([], []), (["a"], [3, 3]), (["a"], [0]), (["a"], [10**9])],
    ids=["none", "unequal", "no token", "too long"],
)
def test_condition_refuses_lengths_it_cannot_make(
    generator: Generator, prompts: list[str], n_tokens: list[int]
) -> None:
    """Prompts without a length in range are refused."""
    with pytest.raises(GeneratorError):
        generator.condition(prompts, n_tokens=n_tokens)


def test_predict_returns_a_velocity_for_each_latent(generator: Generator) -> None:
    """The output has the shape of the input and a gradient."""
    batch, conditioning, times, _ = _examples_of(generator)
    velocity = generator.predict(batch.latents, times, conditioning, batch.mask)
    assert velocity.shape == batch.latents.shape
    assert velocity.requires_grad


def test_predict_ignores_what_stands_in_padding(generator: Generator) -> None:
    """Values at padded positions do not reach the others."""
    batch, conditioning, times, noise = _examples_of(generator)
    noisy = torch.where(batch.mask[:, None], batch.latents, 50 * noise)
    sound = batch.mask[:, None].expand_as(noisy)
    clean = generator.predict(batch.latents, times, conditioning, batch.mask)
    dirty = generator.predict(noisy, times, conditioning, batch.mask)
    torch.testing.assert_close(dirty[sound], clean[sound], **SAME)


def test_loss_is_one_number_for_each_example(generator: Generator) -> None:
    """Losses are finite and positive, one to an example, and reproducible."""
    example = _examples_of(generator)
    loss = _loss_of(generator, example)
    assert loss.shape == (3,)
    assert loss.dtype == torch.float32
    assert (loss > 0).all()
    assert torch.equal(loss, _loss_of(generator, example))


def test_loss_does_not_depend_on_the_batch(generator: Generator) -> None:
    """An example's loss is the same alone, without its padding, as in a batch."""
    batch, conditioning, times, noise = _examples_of(generator)
    together = generator.loss(batch, conditioning, times=times, noise=noise)
    for i, n in enumerate(batch.n_tokens):
        alone = generator.loss(
            LatentBatch(batch.latents[i : i + 1, :, :n], batch.mask[i : i + 1, :n]),
            conditioning.select([i]),
            times=times[i : i + 1],
            noise=noise[i : i + 1, :, :n],
        )
        torch.testing.assert_close(together[i : i + 1], alone, **SAME)


def test_loss_does_not_depend_on_padding(generator: Generator) -> None:
    """Neither latents nor noise at padded positions count when masked."""
    batch, conditioning, times, noise = _examples_of(generator)
    clean = generator.loss(batch, conditioning, times=times, noise=noise)
    sound = batch.mask[:, None]
    dirty = LatentBatch(torch.where(sound, batch.latents, 7.0), batch.mask)
    louder = torch.where(sound, noise, -9.0)
    again = generator.loss(dirty, conditioning, times=times, noise=louder)
    torch.testing.assert_close(again, clean, **SAME)


def test_loss_without_masking_counts_padding(generator: Generator) -> None:
    """Padding changes the unmasked loss of a short example."""
    example = _examples_of(generator)
    masked = _loss_of(generator, example)
    unmasked = _loss_of(generator, example, mask_padding=False)
    assert unmasked.shape == masked.shape
    assert not torch.isclose(unmasked[0], masked[0], rtol=1e-4)


def test_loss_reaches_every_parameter(generator: Generator) -> None:
    """The gradient with respect to each named parameter exists and is finite."""
    parameters = generator.parameters()
    loss = _loss_of(generator, _examples_of(generator)).sum()
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    assert all(torch.isfinite(g).all() for g in gradients)
    assert sum(float(g.abs().sum()) for g in gradients) > 0


def test_loss_gradient_predicts_a_small_step(generator: Generator) -> None:
    """A step against the gradient lowers the loss by its squared length."""
    example, parameters = _examples_of(generator), generator.parameters()
    before = _loss_of(generator, example).sum()
    gradients = torch.autograd.grad(before, list(parameters.values()))
    squared = sum(float(g.square().sum()) for g in gradients)
    step = 1e-3 * before.item() / squared
    moved = zip(parameters.items(), gradients, strict=True)
    generator.load_parameters({n: p.detach() - step * g for (n, p), g in moved})
    fall = (before - _loss_of(generator, example).sum()).item()
    # A thousandth of the loss is far above rounding and below the curvature.
    assert fall == pytest.approx(step * squared, rel=0.1)


def test_loss_refuses_inputs_that_do_not_fit(generator: Generator) -> None:
    """Wrong rows, channels, noise and pure padding each raise."""
    batch, rows, times, noise = _examples_of(generator)
    empty = LatentBatch(batch.latents, batch.mask & (times < 0.7)[:, None])
    wider = LatentBatch(batch.latents.repeat(1, 2, 1), batch.mask)
    for case, conditioning, moments, draws in (
        (batch, rows.select([0]), times, noise),
        (batch, rows, times[:1], noise),
        (batch, rows, times, noise[..., 1:]),
        (empty, rows, times, noise),
        (wider, rows, times, noise.repeat(1, 2, 1)),
    ):
        with pytest.raises(GeneratorError):
            generator.loss(case, conditioning, times=moments, noise=draws)


def test_sample_returns_the_lengths_asked_for(generator: Generator) -> None:
    """Generated latents are padded with zeros and have no gradient."""
    lengths = _lengths_of(generator)
    songs = generator.sample(PROMPTS, n_tokens=lengths, seed=3, n_steps=2, guidance=2.0)
    assert songs.n_tokens == lengths
    assert songs.latents.shape[1] == generator.latent_channels
    assert torch.isfinite(songs.latents).all()
    assert not songs.latents.requires_grad
    padding = ~songs.mask[:, None].expand_as(songs.latents)
    assert (songs.latents[padding] == 0).all()


def test_sample_is_determined_by_its_seed(generator: Generator) -> None:
    """The same seed gives the same latents, another seed others."""
    first, again, other = (
        generator.sample(
            PROMPTS[:1], n_tokens=[5], seed=seed, n_steps=2, guidance=1.0
        ).latents
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize(
    "change", [{"n_steps": 0}, {"n_tokens": [0]}, {"n_tokens": [3, 3]}]
)
def test_sample_refuses_settings_out_of_range(
    generator: Generator, change: dict[str, object]
) -> None:
    """Settings that cannot be meant are refused."""
    settings = {"n_tokens": [4], "seed": 0, "n_steps": 1, "guidance": 1.0, **change}
    with pytest.raises(GeneratorError):
        generator.sample(["slow piano"], **settings)  # type: ignore[arg-type]


def test_parameters_are_those_of_the_module(generator: Generator) -> None:
    """Names, order and objects are those of the transformer, which is at rest."""
    named = dict(generator.module().named_parameters())
    parameters = generator.parameters()
    assert parameters
    assert list(parameters) == [n for n in named if n in parameters]
    assert all(named[n] is p for n, p in parameters.items())
    assert not generator.module().training


def test_load_parameters_changes_and_restores_the_model(generator: Generator) -> None:
    """Loss and digest follow the parameters, there and back."""
    example, digest = _examples_of(generator), generator.digest
    before = {n: p.detach().clone() for n, p in generator.parameters().items()}
    loss = _loss_of(generator, example)
    generator.load_parameters({n: p * 0.5 for n, p in before.items()})
    assert generator.digest != digest
    assert not torch.allclose(_loss_of(generator, example), loss)
    generator.load_parameters(before)
    assert generator.digest == digest
    assert torch.equal(_loss_of(generator, example), loss)


def test_load_parameters_takes_all_or_nothing(generator: Generator) -> None:
    """A state that does not fit is refused and leaves the model as it was."""
    digest = generator.digest
    state = {n: torch.zeros_like(p) for n, p in generator.parameters().items()}
    last = list(state)[-1]
    missing = {n: t for n, t in state.items() if n != last}
    reshaped = {**state, last: torch.zeros(3, 5, 7)}
    for wrong in (missing, {**state, "no.such": torch.zeros(1)}, reshaped):
        with pytest.raises(GeneratorError):
            generator.load_parameters(wrong)
    assert generator.digest == digest


def _seen(
    generator: Generator, latents: Tensor, said: Conditioning
) -> dict[str, Tensor]:
    """Return the input of every layer with trainable parameters, over one pass."""
    inputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, given: inputs.__setitem__(name, given[0].detach())

    hooks = [
        layer.register_forward_pre_hook(keep(name))
        for name, layer in generator.module().named_modules()
        if any(p.requires_grad for p in layer.parameters(recurse=False))
    ]
    times, mask = torch.full((1,), 0.5), torch.ones(1, latents.shape[-1]) > 0
    generator.predict(latents, times, said, mask)
    for hook in hooks:
        hook.remove()
    return inputs


def test_layers_over_tokens_are_those_that_see_the_latents(
    generator: Generator,
) -> None:
    """The list is right where there are as many words as tokens, or one fewer."""
    prompt = "piano piano piano piano"
    n_text = generator.condition([prompt], n_tokens=[1]).tokens.shape[1]
    for n_tokens in (n_text, n_text - 1):
        said = generator.condition([prompt], n_tokens=[n_tokens])
        one, other = (
            _seen(
                generator, torch.full((1, generator.latent_channels, n_tokens), x), said
            )
            for x in (0.3, -0.2)
        )
        listed = generator.token_layers()
        changed = {n for n in one if not torch.equal(one[n], other[n])}
        assert set(listed) == changed
        for name, first in listed.items():
            layer = generator.module().get_submodule(name)
            length = one[name].shape[2 if isinstance(layer, nn.Conv1d) else 1]
            assert length - first in (n_tokens, generator.max_tokens)


def test_noised_latents_run_from_latents_to_noise(generator: Generator) -> None:
    """At time 0 nothing is added, at time 1 nothing is left; rows are alone."""
    batch, _, _, noise = _examples_of(generator)
    ends = torch.tensor([0.0, 1.0, 0.4])
    noisy = generator.noised(batch.latents, noise, ends)
    torch.testing.assert_close(noisy[0], batch.latents[0], **SAME)
    torch.testing.assert_close(noisy[1], noise[1], **SAME)
    between = generator.noised(batch.latents[2:], noise[2:], ends[2:])
    assert torch.equal(noisy[2:], between)
    assert not torch.allclose(noisy[2], noise[2], atol=0.1)


def test_unknown_checkpoint_is_refused(generator: Generator) -> None:
    """A checkpoint that was never kept is named in the error."""
    with (
        pytest.raises(GeneratorError, match="nowhere"),
        generator.checkpoint("nowhere"),
    ):
        pass


def test_digest_does_not_depend_on_the_place(
    generator: Generator, model_directory: Path, tmp_path: Path
) -> None:
    """A copy of a model is the same model and computes the same."""
    copy = load_generator(Path(shutil.copytree(model_directory, tmp_path / "copy")))
    assert copy.digest == generator.digest
    assert len(copy.digest) == 64
    example = _examples_of(generator)
    assert torch.equal(_loss_of(copy, example), _loss_of(generator, example))


def test_model_without_safetensors_is_refused(
    model_directory: Path, tmp_path: Path
) -> None:
    """Weights that could run code when opened are not opened."""
    copy = Path(shutil.copytree(model_directory, tmp_path / "copy"))
    for weights in copy.rglob("*.safetensors"):
        weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelFormatError):
        load_generator(copy)
