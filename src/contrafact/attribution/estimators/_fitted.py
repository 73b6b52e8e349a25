"""What every estimator does the same: fit into a directory, open it, refuse others.

An estimator says what it measures (`_measure`), how that is read (`_read`) and
how queries are scored with it (`_score`). Manifests, their checks and the
errors of an estimator that is not fitted are here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    no_progress,
)
from contrafact.attribution.store import (
    check_manifest,
    read_manifest,
    write_manifest,
)
from contrafact.core.errors import NotFittedError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")
_State = TypeVar("_State")


class FittedEstimator(ABC, Generic[_Settings, _State]):
    """An estimator but for its method; see `Estimator`.

    Args:
        settings: What it runs with, a dataclass; stored, nothing else.
    """

    name: str
    asked_later: ClassVar[frozenset[str]] = frozenset()
    """Settings that matter to `score` alone: `fit` serves whatever they are."""
    unsaid: ClassVar[frozenset[str]] = frozenset()
    """Settings that change no result, such as how many processes work."""

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings
        self._fitted: tuple[AttributionTask, _State] | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the estimator runs with, as far as it changes results."""
        every = asdict(self._settings)
        return {k: v for k, v in every.items() if k not in self.unsaid}

    def fit(
        self, task: AttributionTask, directory: Path, *, progress: Progress
    ) -> Self:
        """Measure what does not depend on a query, or finish what was begun.

        Raises:
            IndexMismatchError: If the directory holds what was fitted to
                another model or corpus, or with other settings.
        """
        write_manifest(directory, self._facts(task))
        self._measure(task, directory, progress)
        self._fitted = task, self._read(task, directory)
        return self

    def open(self, task: AttributionTask, directory: Path) -> Self:
        """Use what `fit` saved before.

        Raises:
            NotFittedError: If there is nothing, or it is not finished.
            IndexMismatchError: As `fit`.
        """
        check_fitted(directory, self._facts(task))
        self._fitted = task, self._read(task, directory)
        return self

    def score(self, queries: Queries, *, progress: Progress = no_progress) -> Scores:
        """Estimate how much each recording influenced each query.

        Args:
            queries: Outputs to explain.
            progress: Told how much of the work is done.

        Raises:
            NotFittedError: If neither `fit` nor `open` has run.
        """
        if self._fitted is None:
            raise NotFittedError(f"The {self.name} is not fitted; call `fit`.")
        return self._score(*self._fitted, queries, progress)

    def _facts(self, task: AttributionTask) -> dict[str, Any]:
        kept = {k: v for k, v in self.settings.items() if k not in self.asked_later}
        return facts_of(self.name, kept, task)

    def _measure(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> None:
        """Write what `_read` reads, unless it is there; nothing by default."""
        progress(len(task.train), len(task.train))

    @abstractmethod
    def _read(self, task: AttributionTask, directory: Path) -> _State:
        """Return what `_measure` wrote, or raise `NotFittedError`."""

    @abstractmethod
    def _score(
        self, task: AttributionTask, state: _State, queries: Queries, progress: Progress
    ) -> Scores:
        """Return the scores of the queries."""


def facts_of(
    name: str, settings: Mapping[str, Any], task: AttributionTask
) -> dict[str, Any]:
    """Return what the manifest of a fitted estimator says."""
    return {
        "estimator": name,
        "model": task.generator.digest,
        "corpus": task.train.digest,
        "settings": dict(settings),
        "measurement": task.measurement,
        "seed": task.seed,
        "n_strata": task.n_strata,
    }


def check_fitted(directory: Path, facts: Mapping[str, Any]) -> None:
    """Raise unless `directory` holds what was fitted to these facts.

    Raises:
        NotFittedError: If it holds nothing.
        IndexMismatchError: If it holds something else.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        raise NotFittedError(
            f"There is no fitted {facts['estimator']} in {directory}; fit it first."
        )
    check_manifest(directory, manifest, facts)
