"""An index for a corrected list of recordings, from the index of the list before.

What a model was shown never changes, but what is known of it may, where somebody else
trained it. An index for a model's successor is another one: other weights have other
gradients.

Windows that are still there keep their features; those that are new are computed,
those that went are gone. The factors stay: they were measured on some windows of the
catalog as it was, and which coordinates are kept hangs on them; so do components, where
the older index has them. What comes out is the index that would be built anew with the
same factors and components. After a large change, build it anew without them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from contrafact.attribution.base import AttributionTask, Progress
from contrafact.attribution.estimators._components import (
    COMPONENTS,
    NUMBERS,
    read_components,
)
from contrafact.attribution.estimators._fitted import facts_of
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.attribution.projection import SparseProjection
from contrafact.attribution.store import (
    FeatureStore,
    check_manifest,
    read_manifest,
    read_tensors,
    write_manifest,
)
from contrafact.core.errors import NotFittedError
from contrafact.generators.latents import LatentSet

__all__ = ["update_index", "window_names"]

_FACTORS = "factors.safetensors"


def window_names(train: LatentSet) -> list[str]:
    """Return a name for each window that changes when anything about it does."""
    names = []
    for window, latents in zip(train.windows, train.latents, strict=True):
        said = json.dumps([window.recording_id, window.start_s, window.caption])
        content = said.encode() + latents.contiguous().numpy().tobytes()
        names.append(hashlib.sha256(content).hexdigest())
    return names


def update_index(
    index: IndexEstimator,
    task: AttributionTask,
    directory: Path,
    *,
    source: Path,
    before: LatentSet,
    progress: Progress,
) -> IndexEstimator:
    """Build an index, taking over what an older one of the same model knows.

    Args:
        index: With the settings of the older one; it is the one that is fitted.
        task: The model and the catalog as it is now.
        directory: Where the new index goes; killed, it goes on when called again.
        source: Where the older one is.
        before: The catalog as it was.
        progress: Told after every shard.

    Raises:
        IndexMismatchError: If the older index is of another model or setting, or
            not of `before`.
        NotFittedError: If the older one is not finished.
    """
    found = read_manifest(source)
    if found is None:
        raise NotFittedError(f"There is no index in {source} to take over from.")
    was = AttributionTask(
        task.generator, before, task.measurement, task.seed, task.n_strata
    )
    check_manifest(source, found, facts_of(index.name, index.settings, was))
    old = _store_of(index, was, source)
    if old.pending():
        raise NotFittedError(f"The index in {source} is not finished; finish it first.")
    write_manifest(directory, facts_of(index.name, index.settings, task))
    for name in (COMPONENTS, _FACTORS):
        if (source / name).exists() and not (directory / name).exists():
            shutil.copyfile(source / name, directory / f"{name}.part")
            (directory / f"{name}.part").rename(directory / name)
    new = replace(old, directory=directory, n_windows=len(task.train))
    has_components = (source / COMPONENTS).exists()
    kept = index.settings["n_components"]
    if not has_components and 0 < kept < min(new.n_windows, new.n_features):
        # The catalog has outgrown keeping its numbers as they are.
        new = replace(new, directory=directory / NUMBERS)
    _take_over(old, new, window_names(before), window_names(task.train))
    return index.fit(task, directory, progress=progress)


def _store_of(
    index: IndexEstimator, task: AttributionTask, directory: Path
) -> FeatureStore:
    """Return the store of a finished index."""
    if (directory / COMPONENTS).exists():
        n_features = read_components(directory / COMPONENTS).shape[2]
    else:
        n_kept = len(read_tensors(directory / _FACTORS)["kept"])
        asked = index.settings["n_features"]
        n_features = SparseProjection(n_kept, asked, seed=task.seed).n_features
    return FeatureStore(
        directory=directory,
        n_windows=len(task.train),
        n_sets=index.settings["n_draws"],
        n_features=n_features,
    )


def _take_over(
    old: FeatureStore, new: FeatureStore, before: list[str], now: list[str]
) -> None:
    """Copy the rows of every shard whose windows are all known."""
    place = {name: row for row, name in enumerate(before)}
    new.create()
    for shard in new.pending():
        rows = new.rows(shard)
        known = [place.get(now[row]) for row in rows]
        if None not in known:
            new.copy(shard, old, np.array(known, dtype=np.intp))
