"""Per-example gradients, against a plain loop of autograd calls."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.draws import Draws
from contrafact.attribution.gradients import Measurement, flatten, gradients_of
from contrafact.core.errors import AttributionError
from contrafact.generators.base import Conditioning, Generator, LatentBatch
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.generator import StudioGenerator

# float64 sums in another order; gradients here are about one in size.
EXACT = 1e-9
# The same in float32.
ROUNDED = 2e-4


def _measured(
    generator: Generator,
    one: LatentBatch,
    said: Conditioning,
    time: Tensor,
    noise: Tensor,
    along: Tensor,
    measurement: Measurement,
) -> Tensor:
    if measurement == "loss":
        return generator.loss(one, said, times=time, noise=noise)[0]
    noisy = (1 - time) * one.latents + time * noise
    output = generator.predict(noisy, time, said, one.mask)
    if measurement == "squared_output":
        return output.square().mean()
    return (output * along).sum() * (2 / output.numel()) ** 0.5


def _loop(
    generator: Generator,
    train: LatentSet,
    rows: list[int],
    draws: Draws,
    measurement: Measurement,
) -> dict[str, Tensor]:
    """Differentiate one example at one draw at a time, without any padding."""
    parameters = generator.parameters()
    found: dict[str, list[Tensor]] = {name: [] for name in parameters}
    for row in rows:
        one, caption = train.batch([row]), train.windows[row].caption
        said = generator.condition([caption], n_tokens=one.n_tokens)
        for k in range(len(draws)):
            time, noise = draws.times[k : k + 1], draws.noise[k : k + 1]
            along = draws.noise[k - 1 : k or None]
            noise, along = (x[:, :, : one.latents.shape[-1]] for x in (noise, along))
            value = _measured(generator, one, said, time, noise, along, measurement)
            if measurement == "directed_output":  # a sum of signs, not a mean
                value = value * draws.n_strata**0.5
            value = value * draws.weights[k]
            grads = torch.autograd.grad(value, list(parameters.values()))
            for name, grad in zip(parameters, grads, strict=True):
                found[name].append(grad)
    shape = len(rows), draws.n_sets, draws.n_strata
    return {
        name: torch.stack(grads).unflatten(0, shape).mean(2)
        for name, grads in found.items()
    }


def _worst(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    assert found.keys() == wanted.keys()
    assert {n: g.shape for n, g in found.items()} == {
        n: g.shape for n, g in wanted.items()
    }
    return max(
        float(
            (found[n] - wanted[n]).abs().max() / wanted[n].abs().max().clamp_min(1e-3)
        )
        for n in found
    )


@pytest.mark.parametrize("measurement", ["loss", "squared_output", "directed_output"])
def test_gradients_are_those_of_a_plain_loop(
    double_task: AttributionTask, measurement: Measurement
) -> None:
    """One tapped pass gives what autograd gives for each example and draw alone."""
    rows = [0, 3, 5]
    assert len(set(double_task.train.n_tokens(rows))) > 1
    draws = double_task.draws(8).weighted(torch.tensor([0.5, 1.5, 0.25, 1.75]))
    batch, said = double_task.train_batch(rows)
    found = gradients_of(
        double_task.generator, batch, said, draws, measurement=measurement
    )
    wanted = _loop(double_task.generator, double_task.train, rows, draws, measurement)
    assert _worst(found, wanted) < EXACT


def test_directed_outputs_have_the_gauss_newton_second_moment(
    double_task: AttributionTask,
) -> None:
    """Their mean outer product is `2 / n J^T J`, which the loss curves with."""
    name, generator = "postprocess_conv.weight", double_task.generator
    weight = generator.parameters()[name]
    one, said = double_task.train_batch([4])
    shape = one.latents.shape[1:]
    time, noise = torch.full((1,), 0.4), torch.randn(1, *shape)
    n_directions = 1500
    # The same input at every second draw, a direction of its own before it.
    pairs = torch.stack(
        [torch.randn(n_directions, *shape), noise.expand(n_directions, -1, -1)], 1
    )
    draws = Draws(
        time.expand(2 * n_directions), pairs.flatten(0, 1),
        torch.ones(2 * n_directions), 1,
    )  # fmt: skip
    found = gradients_of(generator, one, said, draws, measurement="directed_output")[
        name
    ][0, 1::2].flatten(1)
    output = generator.predict(
        generator.noised(one.latents, noise, time), time, said, one.mask
    ).flatten()
    rows = [torch.autograd.grad(x, weight, retain_graph=True)[0] for x in output]
    jacobian = torch.stack(rows).flatten(1)
    wanted = 2 / len(output) * jacobian.T @ jacobian
    moment = found.T @ found / n_directions
    assert (moment - wanted).norm() < 0.25 * wanted.norm()
    assert float(moment.trace()) == pytest.approx(float(wanted.trace()), rel=0.1)


def test_gradients_reach_every_parameter(double_task: AttributionTask) -> None:
    """No parameter of the transformer is left out, and none is always zero."""
    found = gradients_of(
        double_task.generator, *double_task.train_batch([0, 1]), double_task.draws(4)
    )
    assert found.keys() == double_task.generator.parameters().keys()
    assert [name for name, g in found.items() if not bool(g.abs().max() > 0)] == []


def test_gradients_of_single_draws_average_to_those_of_their_set(
    double_task: AttributionTask,
) -> None:
    """Taking draws one by one changes nothing but how they are summed."""
    asked = double_task.generator, *double_task.train_batch([2, 4])
    draws = double_task.draws(8)
    whole, single = gradients_of(*asked, draws), gradients_of(*asked, draws.singles())
    joined = {n: g.unflatten(1, (2, 4)).mean(2) for n, g in single.items()}
    assert _worst(joined, whole) < EXACT


def test_gradients_do_not_depend_on_the_batch(double_task: AttributionTask) -> None:
    """An example's gradient is its own, whoever shares the batch and its padding."""
    draws = double_task.draws(4)
    together = gradients_of(
        double_task.generator, *double_task.train_batch([0, 3, 5]), draws
    )
    alone = gradients_of(double_task.generator, *double_task.train_batch([3]), draws)
    assert _worst({n: g[1:2] for n, g in together.items()}, alone) < EXACT


def test_gradients_with_padding_counted_differ(double_task: AttributionTask) -> None:
    """Counting the padding of a padded example changes its gradient."""
    rows = [0, 3, 5]
    assert len(set(double_task.train.n_tokens(rows))) > 1
    asked = double_task.generator, *double_task.train_batch(rows)
    masked = gradients_of(*asked, double_task.draws(4))
    counted = gradients_of(*asked, double_task.draws(4), mask_padding=False)
    assert _worst(counted, masked) > 1e-2


def test_gradients_in_float32_are_close_to_those_in_float64(
    task: AttributionTask, double_task: AttributionTask
) -> None:
    """What users' models give is the exact gradient up to rounding."""
    rows = [0, 3]
    rounded = gradients_of(task.generator, *task.train_batch(rows), task.draws(4))
    exact = gradients_of(
        double_task.generator, *double_task.train_batch(rows), double_task.draws(4)
    )
    assert {g.dtype for g in rounded.values()} == {torch.float32}
    assert _worst(rounded, exact) < ROUNDED


def test_flatten_keeps_the_order_asked_for() -> None:
    """Rows hold the parameters in the order of the names."""
    gradients = {"b": torch.ones(1, 2, 3), "a": torch.zeros(1, 2, 2, 2)}
    assert flatten(gradients, ["a", "b"])[0, 0].tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.fixture
def stable_audio(tmp_path: Path) -> Generator:
    """A tiny Stable Audio of random weights."""
    pytest.importorskip("torchsde")
    from contrafact.generators import load_generator

    path = Path(__file__).parents[1] / "generators" / "conftest.py"
    spec = importlib.util.spec_from_file_location("makers_of_tiny_models", path)
    assert spec is not None
    assert spec.loader is not None
    makers: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(makers)
    makers.make_stable_audio(tmp_path / "tiny")
    return load_generator(tmp_path / "tiny")


def test_squared_outputs_of_stable_audio_are_at_its_own_noise(
    stable_audio: Generator,
) -> None:
    """Latents are noised along the arc that the model was trained on."""
    shape = stable_audio.latent_channels, stable_audio.max_tokens
    batch = LatentBatch.stack([torch.randn(shape)])
    said = stable_audio.condition(["slow piano"], n_tokens=[shape[1]])
    draws = Draws.make(stable_audio, n_draws=1, n_strata=1, seed=0)
    found = gradients_of(stable_audio, batch, said, draws, measurement="squared_output")
    angle = draws.times[0] * torch.pi / 2
    noisy = angle.cos() * batch.latents + angle.sin() * draws.noise
    value = stable_audio.predict(noisy, draws.times, said, batch.mask).square().mean()
    parameters = stable_audio.parameters()
    grads = torch.autograd.grad(value, list(parameters.values()))
    wanted = {n: g[None, None] for n, g in zip(parameters, grads, strict=True)}
    assert _worst(found, wanted) < ROUNDED


def test_gradients_of_stable_audio_are_those_of_a_plain_loop(
    stable_audio: Generator, corpus_of: Callable[[int], LatentSet]
) -> None:
    """The published architecture's layers are all known; float32, so less exact."""
    latents = tuple(x[: stable_audio.latent_channels] for x in corpus_of(2).latents)
    train = LatentSet(corpus_of(2).windows, latents)
    task = AttributionTask(stable_audio, train, n_strata=2)
    draws = task.draws(4)
    found = gradients_of(stable_audio, *task.train_batch([0, 1]), draws)
    wanted = _loop(stable_audio, train, [0, 1], draws, "loss")
    assert _worst(found, wanted) < ROUNDED


class _Wrapped:
    """A generator whose transformer is replaced; the rest as it was."""

    def __init__(self, generator: StudioGenerator, module: nn.Module) -> None:
        self._generator, self._module = generator, module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def module(self) -> nn.Module:
        return self._module


def test_unknown_layers_are_refused(task: AttributionTask) -> None:
    """A layer whose per-example gradient is not known is named, not skipped."""
    module = nn.Sequential(nn.Linear(2, 2), nn.Conv1d(2, 2, 3))
    wrapped: Any = _Wrapped(task.generator, module)  # type: ignore[arg-type]
    with pytest.raises(AttributionError, match="Layer '1' is a Conv1d"):
        gradients_of(wrapped, *task.train_batch([0]), task.draws(4))


def test_layers_that_run_twice_are_refused(task: AttributionTask) -> None:
    """A layer used twice in a pass would give half its gradient: it is refused."""
    shared = nn.Linear(1, 1)

    def loss(batch: LatentBatch, *_: Any, **__: Any) -> Tensor:
        x = shared(shared(batch.latents.mean((1, 2))[:, None]))
        return x[:, 0]

    generator: Any = SimpleNamespace(module=lambda: shared, loss=loss)
    with pytest.raises(AttributionError, match="runs twice"):
        gradients_of(generator, *task.train_batch([0]), task.draws(4))
