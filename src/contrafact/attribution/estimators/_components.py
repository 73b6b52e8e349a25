"""How a finished set of numbers becomes features in principal components, on disk.

First all windows are written as numbers, in a folder of their own. Then their
components are found, once, and kept; then every window is written in components, and
the folder goes. Killed anywhere, it goes on and ends with the same bytes.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from contrafact.attribution.estimators._index_state import IndexState
from contrafact.attribution.principal import principal_components
from contrafact.attribution.store import read_tensors
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import NotFittedError

__all__ = [
    "COMPONENTS",
    "NUMBERS",
    "finish_components",
    "needs_components",
    "numbers_of",
    "read_components",
    "write_components",
]

COMPONENTS = "components.safetensors"
NUMBERS = "numbers"


def read_components(path: Path) -> Tensor:
    """Return the components of an index, `(n_sets, n_features, n_components)`.

    Raises:
        NotFittedError: If they are damaged.
    """
    found = read_tensors(path).get("components")
    if found is None or found.ndim != 3:
        raise NotFittedError(
            f"{path} is damaged; remove {path.parent} and run `contrafact index build` "
            "again."
        )
    return found


def needs_components(fitted: IndexState, n_components: int) -> bool:
    """Tell whether components are wanted, and none are known yet."""
    store = fitted.store
    is_more = n_components < min(store.n_windows, store.n_features)
    return fitted.components is None and n_components > 0 and is_more


def numbers_of(fitted: IndexState) -> IndexState:
    """Return the same index before components: where its numbers are written."""
    store = replace(fitted.store, directory=fitted.store.directory / NUMBERS)
    return replace(fitted, store=store)


def write_components(numbers: IndexState, directory: Path, n_components: int) -> None:
    """Find the components of all numbers, and keep them."""
    found = principal_components(numbers.store, n_components)
    write_bytes(directory / COMPONENTS, save({"components": found.contiguous()}))


def finish_components(fitted: IndexState) -> None:
    """Write every window in components whose numbers are there; remove the numbers."""
    if fitted.components is None:
        return
    store = fitted.store
    numbers = replace(
        store,
        directory=store.directory / NUMBERS,
        n_features=fitted.components.shape[1],
    )
    if numbers.directory.exists():
        store.create()
        for shard in store.pending():
            rows = numbers.rows(shard)
            stored = numbers.read(slice(rows[0], rows[-1] + 1))
            store.write(shard, fitted.in_components(stored))
        shutil.rmtree(numbers.directory)
