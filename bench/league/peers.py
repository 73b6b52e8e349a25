"""Attribution by other projects' packages, on the same model, music and noise.

    pip install --no-deps --target build/peers kronfluence==1.0.1 traker==0.3.2
    pip install --no-deps --target build/peers dattri==0.3.0 accelerate einconv
    pip install --no-deps --target build/peers einops opt-einsum pyyaml psutil
    python bench/league --estimators index kronfluence traker dattri

Gradients, preconditioning, compression and scores are each package's own; from here
come the loss and the examples. None is a dependency of contrafact: `--target` keeps
them in a folder of their own. All take the finished model (or, as `kronfluence-middle`
and so on, that in mid-training) and four noise draws an example, shared by all.

- kronfluence: EK-FAC over all linear layers, its defaults; Grosse et al., 2023.
- traker: TRAK; the random projection is contrafact's, since the one that it has for
  processors draws a matrix of as many rows as the model has parameters anew for every
  batch; to 256 numbers, since with more numbers than windows its matrix has no inverse.
  The output is the loss itself, as for diffusion models.
- dattri: DataInf over all parameters; Kwon et al., ICLR 2024. It keeps every gradient
  that it inverts with in memory, so that these are of an eighth of the windows; even
  so 22 GB were too few for the whole catalog in batches of 64 and of 16 windows (of 4
  it would have taken hours, and was stopped), and its row is missing in the docs.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from peer import Examples, PeerEstimator, PeerSettings
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from contrafact.attribution.projection import SparseProjection
from contrafact.core.errors import ConfigError

__all__ = ["PEERS", "make_peer"]

FOLDER = Path("build/peers")


class KronfluenceEstimator(PeerEstimator):
    """EK-FAC by kronfluence (Bae, 2024), Apache-2.0."""

    name = "kronfluence"
    packages = ("kronfluence",)

    def _analyzer(self, train: Examples, asked: Examples, directory: Path) -> Any:
        analyzer = importlib.import_module("kronfluence.analyzer")
        task = _kronfluence_task(train, asked)
        model = analyzer.prepare_model(train.generator.module(), task)
        return analyzer.Analyzer(
            "peer", model, task, cpu=True, disable_tqdm=True,
            output_dir=str(directory / "kronfluence"),
        )  # fmt: skip

    def _prepare(self, train: Examples, directory: Path) -> None:
        with _restored(train.generator.module()):
            self._analyzer(train, train, directory).fit_all_factors(
                "ekfac", train.pairs, per_device_batch_size=32
            )

    def _products(self, train: Examples, asked: Examples, directory: Path) -> Tensor:
        with _restored(train.generator.module()):
            analyzer = self._analyzer(train, asked, directory)
            name = f"scores-{len(asked.batch)}"
            analyzer.compute_pairwise_scores(
                name, "ekfac", asked.pairs, train.pairs,
                per_device_query_batch_size=32, per_device_train_batch_size=32,
                overwrite_output_dir=True,
            )  # fmt: skip
            found: Tensor = analyzer.load_pairwise_scores(name)["all_modules"]
        n = len(train.draws)
        return found.reshape(len(asked.batch), n, len(train.batch), n).mean((1, 3))


def _kronfluence_task(train: Examples, asked: Examples) -> Any:
    """Return what kronfluence asks about losses; its base class is known here only."""
    base = importlib.import_module("kronfluence.task").Task

    class Losses(base):  # type: ignore[misc, valid-type]
        """The training loss of windows, and that of songs as the measurement."""

        def compute_train_loss(
            self, batch: Any, model: nn.Module, sample: bool = False
        ) -> Tensor:
            return train.losses(*batch).sum()

        def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
            return asked.losses(*batch).sum()

    return Losses()


class TrakerEstimator(PeerEstimator):
    """TRAK by traker (Park et al., ICML 2023), MIT."""

    name = "traker"
    packages = ("trak",)
    n_features = 256

    def _products(self, train: Examples, asked: Examples, directory: Path) -> Tensor:
        trak = importlib.import_module("trak")
        module = train.generator.module()
        output = _trak_output(train)
        learns = {n: p for n, p in module.named_parameters() if p.requires_grad}
        n_parameters = sum(p.numel() for p in learns.values())
        tracer = trak.TRAKer(
            model=module, task=output, train_set_size=len(train.batch),
            save_dir=str(directory / "traker"), device="cpu",
            gradient_computer=_trak_gradients(), grad_wrt=list(learns),
            projector=_trak_projector(n_parameters, self.n_features),
            use_half_precision=False, logging_level="ERROR",
        )  # fmt: skip
        tracer.load_checkpoint(
            module.state_dict(), model_id=0, _allow_featurizing_already_registered=True
        )
        for rows in torch.arange(len(train.batch)).split(8):
            tracer.featurize(batch=(rows,), num_samples=len(rows))
        tracer.finalize_features()
        output.examples = asked
        tracer.start_scoring_checkpoint(
            exp_name="asked", checkpoint=module.state_dict(), model_id=0,
            num_targets=len(asked.batch),
        )  # fmt: skip
        for rows in torch.arange(len(asked.batch)).split(8):
            tracer.score(batch=(rows,), num_samples=len(rows))
        found = torch.as_tensor(tracer.finalize_scores(exp_name="asked"))
        return found.T.clone()


def _trak_output(examples: Examples) -> Any:
    base = importlib.import_module("trak.modelout_functions").AbstractModelOutput

    class Loss(base):  # type: ignore[misc, valid-type]
        """The loss of examples; the derivative of the loss by it is one."""

        def __init__(self) -> None:
            self.examples = examples

        def get_output(
            self, model: Any, weights: Any, buffers: Any, rows: Tensor
        ) -> Tensor:
            return self.examples.means(rows)

        def get_out_to_loss_grad(
            self, model: Any, weights: Any, buffers: Any, batch: Sequence[Tensor]
        ) -> Tensor:
            return torch.ones(len(batch[0]), 1)

    return Loss()


def _trak_gradients() -> Any:
    base = importlib.import_module("trak.gradient_computers").IterativeGradientComputer

    class Trained(base):  # type: ignore[misc, valid-type]
        """Gradients by the parameters that are trained; some of the model are not."""

        def load_model_params(self, model: nn.Module) -> None:
            self.model = model
            self.model_params = [p for p in model.parameters() if p.requires_grad]

    return Trained


def _trak_projector(n_parameters: int, n_features: int) -> Any:
    base = importlib.import_module("trak.projectors").AbstractProjector

    class Sparse(base):  # type: ignore[misc, valid-type]
        """contrafact's random projection."""

        def __init__(self) -> None:
            super().__init__(n_parameters, n_features, 0, "rademacher", "cpu")
            self._projection = SparseProjection(n_parameters, n_features, seed=0)

        def project(self, grads: Any, model_id: int) -> Tensor:
            return self._projection.apply(grads)

        def free_memory(self) -> None:
            """Hold nothing that could be freed."""

    return Sparse()


class DattriEstimator(PeerEstimator):
    """DataInf by dattri (Deng et al., NeurIPS 2024), MIT."""

    name = "dattri"
    packages = ("dattri",)
    part = 0.125
    damping = 0.1

    def _products(self, train: Examples, asked: Examples, directory: Path) -> Tensor:
        algorithm = importlib.import_module("dattri.algorithm.influence_function")
        task = importlib.import_module("dattri.task").AttributionTask
        module = train.generator.module()

        def loss_of(examples: Examples) -> Any:
            def loss(weights: dict[str, Tensor], data: tuple[Tensor]) -> Tensor:
                call = torch.func.functional_call
                return call(_Mean(module, examples), _prefixed(weights), data[0])

            return loss

        attributor = algorithm.IFAttributorDataInf(
            task(
                loss_func=loss_of(train), target_func=loss_of(asked), model=module,
                checkpoints=[module.state_dict()],
            ),
            regularization=self.damping,
            fim_estimate_data_ratio=self.part,
        )  # fmt: skip
        windows = TensorDataset(torch.arange(len(train.batch)))
        every = DataLoader(windows, batch_size=16)
        songs = TensorDataset(torch.arange(len(asked.batch)))
        queries = DataLoader(songs, batch_size=8)
        attributor.cache(every)
        found: Tensor = attributor.attribute(every, queries)
        return found.T.detach()


class _Mean(nn.Module):
    """The mean loss over draws of one example, as a function of the weights."""

    def __init__(self, inner: nn.Module, examples: Examples) -> None:
        super().__init__()
        self.inner, self._examples = inner, examples

    def forward(self, row: Tensor) -> Tensor:
        """Return the loss of the example of this number, a scalar."""
        return self._examples.means(row.reshape(1))[0]


def _prefixed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"inner.{name}": value for name, value in weights.items()}


@contextlib.contextmanager
def _restored(module: nn.Module) -> Iterator[None]:
    """Put back what kronfluence does to a model: its layers, and what may learn."""
    inside = [(part, dict(part._modules)) for part in module.modules()]
    may_learn = {name: p.requires_grad for name, p in module.named_parameters()}
    try:
        yield
    finally:
        for part, kept in inside:
            part._modules.clear()
            part._modules.update(kept)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(may_learn[name])


PEERS: dict[str, type[PeerEstimator]] = {
    kind.name: kind for kind in (KronfluenceEstimator, TrakerEstimator, DattriEstimator)
}


def make_peer(name: str) -> PeerEstimator | None:
    """Return the estimator of another project's package; None if none is meant.

    Args:
        name: Of the package, with `-middle` for the checkpoint in mid-training.

    Raises:
        ConfigError: If the package is not installed.
    """
    package, _, checkpoint = name.partition("-")
    kind = PEERS.get(package)
    if kind is None:
        return None
    if FOLDER.exists() and str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    try:
        for each in kind.packages:
            importlib.import_module(each)
    except ImportError as error:
        raise ConfigError(
            f"{package} is not installed here ({error}); "
            "bench/league/peers.py says how to do that."
        ) from error
    return kind(PeerSettings(checkpoint=checkpoint or "final"))
