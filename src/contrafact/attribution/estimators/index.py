"""The gradient index: compare the query's gradient with every recording's.

One step of unlearning the query would change a recording's loss by the dot
product of their gradients through the inverse Fisher matrix; so the same
ranking comes from gradients that were taken once and stored. Each gradient is
whitened first, then reduced to the coordinates in which the corpus's gradients
are large, those added up with random signs to fewer numbers, and of these the
principal components stored in eight bits, for every noise draw its own. Song and
recording are compared at the same time and noise; between the numbers of a draw the
whole Fisher matrix is solved, so that what many recordings have in common counts once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save
from torch import Tensor

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    no_progress,
    sum_windows,
)
from contrafact.attribution.coordinates import Coordinates
from contrafact.attribution.draws import Draws
from contrafact.attribution.estimators._components import (
    COMPONENTS,
    finish_components,
    needs_components,
    numbers_of,
    read_components,
    write_components,
)
from contrafact.attribution.estimators._factors import fit_factors
from contrafact.attribution.estimators._fitted import facts_of
from contrafact.attribution.estimators._index_state import (
    IndexState,
    fill,
)
from contrafact.attribution.estimators._nulls import (
    NULL,
    null_examples,
    read_nulls,
    write_nulls,
)
from contrafact.attribution.estimators._solving import (
    SOLVE,
    panel_scores,
)
from contrafact.attribution.finite import require_finite_asked
from contrafact.attribution.gradients import LayerGradients, gradients_of
from contrafact.attribution.preconditioning import (
    DiagonalFisher,
    KroneckerFisher,
)
from contrafact.attribution.projection import SparseProjection
from contrafact.attribution.store import (
    FeatureStore,
    check_manifest,
    read_manifest,
    read_tensors,
    write_manifest,
)
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import NotFittedError

__all__ = ["IndexEstimator", "IndexSettings"]

_PRECONDITIONERS: dict[str, type[DiagonalFisher] | type[KroneckerFisher]] = {
    "diagonal": DiagonalFisher,
    "kronecker": KroneckerFisher,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """How the index is made and asked.

    Attributes:
        checkpoint: Checkpoint of the model whose gradients are taken; "final"
            for the model itself. Gradients from the middle of training say
            more about generated music than those of the finished model.
        preconditioner: Form of the Fisher matrix.
        damping: Added to its variances, in units of their mean.
        is_balanced: Whether the gradients of every noise level are given the
            same typical length.
        n_draws: Noise draws, the same for songs and for training windows.
        n_coordinates: Coordinates looked at, those of the largest whitened
            gradients; 0 for all.
        n_features: Numbers a draw, each the sum of some coordinates with random
            signs; 0 takes the coordinates themselves.
        n_components: Principal components kept of the numbers of a draw, where
            there are more windows than that; 0 keeps the numbers.
        ridge: Added to the variances of a draw's Fisher matrix, in units of the
            mean squared length of a window's features over the number of
            windows; 0 for no such matrix.
        overlap: What part of what recordings have in common is believed when
            several are left out together, in [0, 1]; 0 adds up their scores.
        n_sample: Windows that the Fisher matrix is measured on.
        n_pilot: Windows that the weight of each noise level is measured on.
        n_panel: Recordings that stand for "any other song" when a query is
            compared with what is common.
        n_null: Sounds without any source that a share is compared with, too.
        n_workers: Processes; the result does not depend on it.
    """

    checkpoint: str = "middle"
    preconditioner: Literal["kronecker", "diagonal"] = "kronecker"
    damping: float = 5.0
    is_balanced: bool = True
    n_draws: int = 8
    n_coordinates: int = 16_384
    n_features: int = 4096
    n_components: int = 384
    ridge: float = 0.3
    overlap: float = 0.5
    n_sample: int = 64
    n_pilot: int = 8
    n_panel: int = 64
    n_null: int = 50
    n_workers: int = 2


class IndexEstimator:
    """Training data attribution from a stored index of gradients.

    Args:
        settings: How the index is made and asked.

    References:
        Park et al., "TRAK", ICML 2023; George et al., 2018, for the Fisher
        matrix; Choe et al., "What is your data worth to GPT?" (LoGra), 2024.
    """

    name = "index"

    def __init__(self, settings: IndexSettings | None = None) -> None:
        self._settings = settings or IndexSettings()
        self._fitted: IndexState | None = None
        self._panel: Tensor | None = None  # the same for every query

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the index is made with, except how many processes made it."""
        return {k: v for k, v in asdict(self._settings).items() if k != "n_workers"}

    def fit(
        self, task: AttributionTask, directory: Path, *, progress: Progress
    ) -> IndexEstimator:
        """Build the index, or finish one that was begun.

        Raises:
            AttributionError: If a weight or a gradient is not finite.
            IndexMismatchError: If the directory holds an index of another
                model, corpus or setting.
        """
        write_manifest(directory, self._facts(task))
        factors = directory / "factors.safetensors"
        with task.at_checkpoint(self._settings.checkpoint):
            if not factors.exists():
                state = fit_factors(task, self._settings)
                write_bytes(factors, save(state))
            fitted, features = self._filled(task, directory, progress)
            solved = self._solved(fitted)
            if len(features):
                write_nulls(task, directory / NULL, solved.products(features))
        self._fitted, self._panel = self._with_nulls(solved, directory), None
        return self

    def open(self, task: AttributionTask, directory: Path) -> IndexEstimator:
        """Use an index that was built before.

        Raises:
            NotFittedError: If there is none, or it is not finished.
            IndexMismatchError: If it belongs to another model or corpus.
        """
        manifest = read_manifest(directory)
        if manifest is None or not (directory / "factors.safetensors").exists():
            raise NotFittedError(
                f"There is no index in {directory}; run `contrafact index build`."
            )
        check_manifest(directory, manifest, self._facts(task))
        fitted = self._read(task, directory)
        is_begun = needs_components(fitted, self._settings.n_components)
        if is_begun or fitted.store.pending():
            raise NotFittedError(
                f"The index in {directory} is not finished; "
                "run `contrafact index build` again to go on."
            )
        solved = self._solved(fitted)
        self._fitted, self._panel = self._with_nulls(solved, directory), None
        return self

    def score(self, queries: Queries, *, progress: Progress = no_progress) -> Scores:
        """See `Estimator.score`; `replicates`, `panel` and `null` are given."""
        return self.scores_of(self.features(queries, progress=progress))

    def scores_of(self, features: Tensor) -> Scores:
        """Return the scores of queries whose `features` are known."""
        fitted = self._require()
        task = fitted.task
        products = fitted.products(features)[:, None] / len(task.train)
        replicates = sum_windows(products, task.train)
        if self._panel is None:
            self._panel = panel_scores(
                fitted.store, fitted.solve, task.train, self._settings.n_panel
            )
        return Scores(
            values=replicates.mean((1, 2)),
            recording_ids=task.train.recording_ids,
            replicates=replicates,
            panel=self._panel,
            overlap=fitted.overlap,
            null=fitted.null,
        )

    def features(self, queries: Queries, *, progress: Progress = no_progress) -> Tensor:
        """Return of each query what the index keeps of a window.

        Args:
            queries: What to take gradients of.
            progress: Told after every query.

        Returns:
            `(n_query, n_draws, n_features)`, float32.

        Raises:
            QueryError: If the gradients of a query are not finite.
        """
        fitted, parts = self._require(), []
        with fitted.task.at_checkpoint(self._settings.checkpoint):
            draws = fitted.draws(self._settings.n_draws)
            for row in range(len(queries)):
                numbers = fitted.numbers(*self._asked(queries.select(row)), draws)
                require_finite_asked(numbers, queries.prompts[row:], row)
                parts.append(fitted.in_components(numbers))
                progress(row + 1, len(queries))
        return torch.cat(parts)

    def solved(self, features: Tensor) -> Tensor:
        """Return features through the inverse Fisher matrices, as they are searched.

        Args:
            features: `(n_query, n_draws, n_features)`, as from `features`.
        """
        solve = self._require().solve
        return features if solve is None else solve.natural(features)

    @property
    def store(self) -> FeatureStore:
        """The features of the corpus."""
        return self._require().store

    def direction(self, queries: Queries) -> LayerGradients:
        """Return each query's gradient times the inverse Fisher matrix.

        Returns:
            Per parameter, `(n_query, 1, *shape)`.
        """
        fitted = self._require()
        draws = fitted.draws(self._settings.n_draws)
        with fitted.task.at_checkpoint(self._settings.checkpoint):
            found = gradients_of(
                fitted.task.generator, *self._asked(queries), draws,
                measurement=fitted.task.measurement,
            )  # fmt: skip
        return self.natural({n: g.mean(1, keepdim=True) for n, g in found.items()})

    def natural(self, gradients: LayerGradients) -> LayerGradients:
        """Return gradients times the inverse Fisher matrix before compression."""
        preconditioner = self._require().preconditioner
        if isinstance(preconditioner, KroneckerFisher):
            return preconditioner.natural(gradients)
        return {n: g * preconditioner.inverse(n) for n, g in gradients.items()}

    def digest(self) -> str:
        """Return SHA-256 over the index's files."""
        return self._require().store.digest()

    def draws(self, n_draws: int) -> Draws:
        """Return shared draws with the weights of the noise levels."""
        return self._require().draws(n_draws)

    def checkpoint(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the model is the one that was indexed."""
        return self._require().task.at_checkpoint(self._settings.checkpoint)

    def _require(self) -> IndexState:
        if self._fitted is None:
            raise NotFittedError("The index is neither built nor opened; call `fit`.")
        return self._fitted

    def _asked(self, queries: Queries) -> tuple[Any, Any]:
        generator = self._require().task.generator
        n_tokens = queries.batch.n_tokens
        return queries.batch, generator.condition(queries.prompts, n_tokens=n_tokens)

    def _facts(self, task: AttributionTask) -> dict[str, Any]:
        return facts_of(self.name, self.settings, task)

    def _read(self, task: AttributionTask, directory: Path) -> IndexState:
        path = directory / "factors.safetensors"
        state = read_tensors(path)
        components = None
        if (directory / COMPONENTS).exists():
            components = read_components(directory / COMPONENTS)
        try:
            kept, weights = state.pop("kept"), state.pop("stratum_weights")
        except KeyError as error:
            raise NotFittedError(
                f"{path} is damaged: it lacks {error}; remove {directory} and run "
                "`contrafact index build` again."
            ) from error
        kind = _PRECONDITIONERS[self._settings.preconditioner]
        preconditioner = kind.from_tensors(state, damping=self._settings.damping)
        shapes = {n: p.shape for n, p in task.generator.parameters().items()}
        coordinates = Coordinates.of(preconditioner, shapes, kept)
        n_features = self._settings.n_features
        projection = SparseProjection(len(kept), n_features, seed=task.seed)
        store = FeatureStore(
            directory=directory,
            n_windows=len(task.train),
            n_sets=self._settings.n_draws,
            n_features=projection.n_features
            if components is None
            else components.shape[2],
        )
        return IndexState(
            task, store, preconditioner, coordinates, projection, weights, components
        )

    def _filled(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> tuple[IndexState, Tensor]:
        """Write what is missing of all windows.

        Returns:
            What is fitted, and the features of sounds without a source; none where
            their scores are known.
        """
        fitted, numbers = self._read(task, directory), None
        finish_components(fitted)  # of a build that was killed
        if needs_components(fitted, self._settings.n_components):
            numbers = numbers_of(fitted)
        state = numbers or fitted
        state.store.create()
        if state.store.pending():
            # Of other features, if any: files cut short were laid out anew.
            for made in (SOLVE, NULL):
                (directory / made).unlink(missing_ok=True)
        nulls = []
        if not (directory / NULL).exists():
            nulls = null_examples(task, self._settings.n_null)
        draws, n_workers = state.draws(self._settings.n_draws), self._settings.n_workers
        features = fill(state, nulls, draws, n_workers=n_workers, progress=progress)
        if numbers is not None:
            write_components(numbers, directory, self._settings.n_components)
            fitted = self._read(task, directory)
            features = fitted.in_components(features) if nulls else features
        finish_components(fitted)
        return fitted, features

    def _solved(self, fitted: IndexState) -> IndexState:
        return fitted.solved(self._settings.ridge, self._settings.overlap)

    def _with_nulls(self, fitted: IndexState, directory: Path) -> IndexState:
        null = read_nulls(directory / NULL, count=self._settings.n_null)
        return replace(fitted, null=null)
