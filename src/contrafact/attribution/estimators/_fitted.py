"""What every estimator notes of what it was fitted to, and checks later."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrafact.attribution.base import AttributionTask
from contrafact.attribution.store import check_manifest, read_manifest
from contrafact.core.errors import NotFittedError


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
