"""The influence of groups by unlearning each: as a model without them might be.

Sums of what single recordings do say little of what a group does. Here each group
is unlearned once, in low-rank adapters that are kept; a query's influence is then
the rise of its loss from the model to the model that wears them. One pass of a few
dozen steps a group stands in for training without the group. It ends where the group
is known as little as retraining without it leaves it known: what goes on from there
is no model that training could have made.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from contrafact.attribution.base import (
    AttributionTask,
    Example,
    Progress,
    Queries,
    asked_of,
    no_progress,
)
from contrafact.attribution.draws import losses_at
from contrafact.attribution.low_rank import Adapters, copies
from contrafact.attribution.precision import exact
from contrafact.attribution.store import write_manifest
from contrafact.catalog.atomic import atomic_path
from contrafact.core.errors import AttributionError, ConfigError, NotFittedError
from contrafact.generators.base import Generator, LatentBatch

__all__ = ["GroupUnlearning", "GroupUnlearningSettings", "redirected", "spread_at"]

_LATEST = 0.98  # beyond it a noisy latent says nothing of what it was made from
_EARLIEST = 0.02  # before it nothing but itself


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUnlearningSettings:
    """How a group is unlearned, and how that is measured.

    Attributes:
        checkpoint: Checkpoint of the model that unlearns; "final" is the model.
        layers: What the names of the matrices that change contain; "" takes all.
        rank: Of the change of each.
        learning_rate: Of AdamW.
        forgetting: Weight of leading the group away, against keeping the rest.
        by_clean: Whether how far the group is led is measured between clean latents.
            Otherwise as in training, where the same distance weighs one over the
            square of the noise: a thousandfold where there is next to none.
        stop_at: Unlearning ends where the group's own loss is so many times that of
            the model: what retraining without a group made of its recordings.
        n_steps: Steps for each group, at most.
        batch_size: Windows of the group, and as many of the rest, in each step.
        n_neighbours: Windows of the rest that one of the group is led to.
        n_draws: Noise draws of a query's losses.

    Raises:
        ConfigError: If a setting is out of range.
    """

    checkpoint: str = "final"
    layers: str = ""
    rank: int = 8
    learning_rate: float = 2e-3
    forgetting: float = 0.3
    by_clean: bool = True
    stop_at: float = 1.4
    n_steps: int = 60
    batch_size: int = 16
    n_neighbours: int = 10
    n_draws: int = 16

    def __post_init__(self) -> None:
        """Check that unlearning with these settings makes sense."""
        for name in ("rank", "n_steps", "batch_size", "n_neighbours", "n_draws"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} must be at least 1; found {getattr(self, name)}."
                )
        if not (self.learning_rate > 0 and self.forgetting >= 0):
            raise ConfigError(
                "learning_rate must be greater than zero and forgetting not negative; "
                f"found {self.learning_rate} and {self.forgetting}."
            )
        if not self.stop_at > 1:
            raise ConfigError(f"stop_at must be more than 1; found {self.stop_at}.")


class GroupUnlearning:
    """Rise of a query's loss once a whole group is unlearned.

    AdamW lowers `loss(rest) + forgetting * loss(group led to the rest)`. Led to
    the rest means: where training asked a noisy window of the group to become that
    window, it is asked to become what a model of the rest alone would see in it,
    the mean of its nearest windows of the rest, each weighted by how likely the
    noisy latent is to have come from it. How far it is from that is measured between
    clean latents (`by_clean`). Steps end where the loss of windows of the group, at
    draws that stay the same, is `stop_at` times what it was. Groups may overlap. A
    group named "" that holds nothing trains on everything, and can be taken as what
    is compared with.

    Cost: at most `n_steps` steps of training of two batches for each group, once, with
    one more forward pass each; for a query `n_draws` forward passes for each group.
    Kept: the adapters.

    Args:
        settings: How to unlearn.

    References:
        "GUDA", ICML 2026, arXiv 2601.22651, re-implemented from the paper's
        description, with its redirection of denoising (ReTrack); the groups'
        conditioning is kept as it is. The paper keeps close to the model by a rate of
        1e-5 and a weight of 0.03; where to end is ours, after "MUCS", arXiv 2605.17938.
    """

    def __init__(self, settings: GroupUnlearningSettings | None = None) -> None:
        self.settings = settings or GroupUnlearningSettings()
        self._fitted: tuple[AttributionTask, tuple[Path, ...]] | None = None

    def fit(
        self,
        task: AttributionTask,
        directory: Path,
        groups: Mapping[str, Sequence[str]],
        *,
        progress: Progress = no_progress,
    ) -> GroupUnlearning:
        """Unlearn each group, or go on where a killed run stopped.

        Args:
            task: The model and what it was trained on.
            directory: Where the adapters are kept.
            groups: Recordings of each group, by its name.
            progress: Told how many groups are done.

        Raises:
            AttributionError: If a group holds an unknown recording, or everything.
            IndexMismatchError: If the directory holds what was fitted to another
                model or corpus, or with other settings.
        """
        facts = {
            "estimator": "group-unlearning",
            "model": task.generator.digest,
            "corpus": task.train.digest,
            "settings": _of_unlearning(self.settings),
            "seed": task.seed,
        }
        rows = {name: _rows_of(task, name, ids) for name, ids in groups.items()}
        write_manifest(directory, facts)
        kept = tuple(directory / _file_name(members) for members in rows.values())
        for done, (path, members) in enumerate(zip(kept, rows.values(), strict=True)):
            progress(done, len(rows))
            if not path.exists():
                adapters = _Unlearning(task, self.settings).away_from(members)
                with atomic_path(path) as part:
                    save_file(adapters.tensors(), part)
        progress(len(rows), len(rows))
        self._fitted = task, kept
        return self

    def influence(self, queries: Queries) -> Tensor:
        """Return the rise of each query's loss without each group.

        Returns:
            `(n_query, n_group)`, float64, in the order of the groups fitted.

        Raises:
            NotFittedError: If `fit` has not run.
        """
        if self._fitted is None:
            raise NotFittedError("No group is unlearned yet; call `fit`.")
        task, kept = self._fitted
        generator, draws = task.generator, task.draws(self.settings.n_draws)
        with task.at_checkpoint(self.settings.checkpoint), exact(generator):
            asked = asked_of(task, queries)
            before = losses_at(generator, *asked, draws).double().mean(1)
            rises = []
            for path in kept:
                with Adapters.of(load_file(path)).worn(generator.parameters()):
                    after = losses_at(generator, *asked, draws).double().mean(1)
                rises.append(after - before)
        return torch.stack(rises, 1)


def redirected(
    generator: Generator, noisy: Tensor, times: Tensor, nearest: LatentBatch
) -> tuple[Tensor, Tensor]:
    """Return what noisy latents are, seen by a model that knows other latents only.

    Args:
        generator: The model, which says how latents are noised.
        noisy: `(batch, channel, time)`.
        times: `(batch,)`, in (0, 1).
        nearest: The other latents, `(batch * n, channel, time)`: `n` a row, side
            by side.

    Returns:
        Clean latents and noise, of the shape of `noisy`, of which `noisy` is made:
        the mean of the others, weighted by how likely each is to have become
        `noisy`, and the noise that this leaves.
    """
    ones = torch.ones_like(noisy)
    signal = generator.noised(ones, torch.zeros_like(ones), times)[:, :1, :1]
    spread = spread_at(generator, times)[:, None, None]
    shape = len(noisy), -1, *noisy.shape[1:]
    others = nearest.latents.reshape(shape)
    seen = nearest.mask.reshape(len(noisy), -1, 1, noisy.shape[-1])
    far = ((noisy[:, None] - signal[:, None] * others) * seen).square().sum((2, 3))
    weights = torch.softmax(-far / (2 * spread[:, 0].square()), dim=1)
    clean = (weights[:, :, None, None] * others).sum(1)
    return clean, (noisy - signal * clean) / spread


def spread_at(generator: Generator, times: Tensor) -> Tensor:
    """Return how much of a noisy latent is noise, `(batch,)`."""
    one = torch.ones(len(times), 1, 1)
    return generator.noised(torch.zeros_like(one), one, times)[:, 0, 0]


@dataclass(frozen=True, slots=True, eq=False)
class _Unlearning:
    """A model on its way to not knowing a group."""

    task: AttributionTask
    settings: GroupUnlearningSettings

    def away_from(self, members: Sequence[int]) -> Adapters:
        """Return adapters after which the model does not know the members."""
        s, generator = self.settings, self.task.generator
        rng = torch.Generator().manual_seed(self.task.seed)
        gone = set(members)
        rest = [row for row in range(len(self.task.train)) if row not in gone]
        near = self._neighbours(members, rest)
        with self.task.at_checkpoint(s.checkpoint), torch.enable_grad():
            parameters = generator.parameters()
            adapters = Adapters.new(
                parameters, rank=s.rank, layers=s.layers, seed=self.task.seed
            )
            kept = copies(parameters, list(adapters.down))
            trained = adapters.trained()
            optimiser = torch.optim.AdamW(trained, lr=s.learning_rate, weight_decay=0.0)
            known = self._probe(members)
            enough = s.stop_at * known()
            with adapters.worn(parameters):
                for _ in range(s.n_steps):
                    loss = self._retaining(rest, rng)
                    if len(members):
                        loss = loss + s.forgetting * self._leading(near, members, rng)
                    found = torch.autograd.grad(loss, [parameters[n] for n in kept])
                    pulled = adapters.pulled(dict(zip(kept, found, strict=True)))
                    for tensor, gradient in zip(trained, pulled, strict=True):
                        tensor.grad = gradient
                    optimiser.step()
                    adapters.put_on(parameters, kept)
                    if known() >= enough:
                        break
        return adapters

    def _probe(self, members: Sequence[int]) -> Callable[[], float]:
        """Return what measures the group's own loss, each time at the same draws.

        A group that holds nothing has none, and never has enough of it.
        """
        if not len(members):
            return lambda: math.nan
        rng = torch.Generator().manual_seed(self.task.seed + 1)
        order = torch.randperm(len(members), generator=rng).tolist()
        some = [members[order[i % len(order)]] for i in range(self.settings.batch_size)]
        batch, said = self.task.train_batch(some)
        times, noise = self._draws(batch, rng)

        @torch.no_grad()
        def known() -> float:
            loss = self.task.generator.loss(batch, said, times=times, noise=noise)
            return float(loss.mean())

        return known

    def _retaining(self, rest: Sequence[int], rng: torch.Generator) -> Tensor:
        """Return the loss of some of the rest, as in training."""
        batch, said = self._some(rest, rng)
        times, noise = self._draws(batch, rng)
        loss: Tensor = self.task.generator.loss(batch, said, times=times, noise=noise)
        return loss.mean()

    def _leading(
        self, near: Tensor, members: Sequence[int], rng: torch.Generator
    ) -> Tensor:
        """Return the loss of some of the group, led to its neighbours."""
        generator, s = self.task.generator, self.settings
        which = torch.randint(len(members), (s.batch_size,), generator=rng)
        batch, said = self.task.train_batch([members[i] for i in which.tolist()])
        times, noise = self._draws(batch, rng)
        noisy = generator.noised(batch.latents, noise, times) * batch.mask[:, None]
        others = self.task.train.batch(near[which].flatten().tolist())
        fitted = _as_long(others, batch.latents.shape[-1])
        seen = batch.mask.repeat_interleave(near.shape[1], dim=0)
        clean, left = redirected(generator, noisy, times, LatentBatch(fitted, seen))
        loss: Tensor = generator.loss(
            LatentBatch(clean * batch.mask[:, None], batch.mask), said,
            times=times, noise=left,
        )  # fmt: skip
        if s.by_clean:
            loss = loss * spread_at(generator, times).square()
        return loss.mean()

    def _some(self, rows: Sequence[int], rng: torch.Generator) -> Example:
        drawn = torch.randint(len(rows), (self.settings.batch_size,), generator=rng)
        return self.task.train_batch([rows[i] for i in drawn.tolist()])

    def _draws(self, batch: LatentBatch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        n = len(batch)
        order = torch.randperm(n, generator=rng)
        times = (order + torch.rand(n, generator=rng)) / n
        noise = torch.randn(batch.latents.shape, generator=rng)
        return times.clamp(_EARLIEST, _LATEST), noise

    def _neighbours(self, members: Sequence[int], rest: Sequence[int]) -> Tensor:
        """Return the rows of the rest nearest to each member, nearest first."""
        train = self.task.train
        n = min(self.settings.n_neighbours, len(rest))
        found = []
        every = train.batch(list(rest))
        for row in members:
            own = train.latents[row]
            others = _as_long(every, own.shape[-1])
            far = (others - own).square().sum((1, 2))
            found.append(far.argsort(stable=True)[:n])
        if not found:
            return torch.zeros(0, n, dtype=torch.long)
        return torch.tensor(list(rest))[torch.stack(found)]


def _as_long(batch: LatentBatch, length: int) -> Tensor:
    """Return latents cut, or filled with silence, to a length."""
    missing = max(0, length - batch.latents.shape[-1])
    return torch.nn.functional.pad(batch.latents, (0, missing))[..., :length]


def _rows_of(task: AttributionTask, name: str, ids: Sequence[str]) -> list[int]:
    """Return the windows of a group's recordings."""
    wanted, windows = set(ids), task.train.windows
    unknown = wanted - {w.recording_id for w in windows}
    if unknown:
        raise AttributionError(
            f"The group {name!r} holds {sorted(unknown)[0]!r}, which is not in the "
            "corpus. Name recordings that the model was trained on."
        )
    rows = [i for i, w in enumerate(windows) if w.recording_id in wanted]
    if len(rows) == len(windows):
        raise AttributionError(
            f"The group {name!r} is the whole corpus; nothing would be left to keep."
        )
    return rows


def _of_unlearning(settings: GroupUnlearningSettings) -> dict[str, Any]:
    """Return the settings that adapters depend on."""
    return {k: v for k, v in asdict(settings).items() if k != "n_draws"}


def _file_name(members: Sequence[int]) -> str:
    """Return the name of the file of a group, the same for the same windows."""
    digest = hashlib.sha256(repr(list(members)).encode()).hexdigest()
    return f"group-{digest[:16]}.safetensors"
