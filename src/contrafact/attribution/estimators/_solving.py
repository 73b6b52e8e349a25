"""The Fisher matrix of a finished index, solved once and kept beside it."""

from __future__ import annotations

import torch
from safetensors.torch import save
from torch import Tensor

from contrafact.attribution.panel import panel_of, panel_rows
from contrafact.attribution.solve import FisherSolve
from contrafact.attribution.store import FeatureStore, read_tensors
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import NotFittedError
from contrafact.generators.latents import LatentSet

__all__ = ["SOLVE", "n_windows_of", "panel_scores", "solve_of"]

SOLVE = "solve.safetensors"
_MOST_RECORDINGS = 4096  # of which what each has in common with each is kept


def solve_of(
    store: FeatureStore, train: LatentSet, ridge: float
) -> tuple[FisherSolve, Tensor | None]:
    """Return the solve and the hat matrix, made once and kept beside the store."""
    path = store.directory / SOLVE
    if not path.exists():
        solve = FisherSolve.of(store, ridge=ridge)
        state = solve.tensors()
        if len(train.recording_ids) <= _MOST_RECORDINGS:
            state["hat"] = solve.hat(_owner(train), n_windows_of(train))
        write_bytes(path, save(state))
    state = read_tensors(path)
    try:
        return FisherSolve.from_tensors(store, state), state.get("hat")
    except KeyError as error:
        raise NotFittedError(
            f"{path} is damaged: it lacks {error}; remove it and try again."
        ) from error


def _owner(train: LatentSet) -> Tensor:
    """Return the place of each window's recording, `(n_window,)`."""
    place = {r: i for i, r in enumerate(train.recording_ids)}
    return torch.tensor([place[w.recording_id] for w in train.windows])


def n_windows_of(train: LatentSet) -> Tensor:
    """Return how many windows each recording has, `(n_train,)`."""
    return _owner(train).bincount(minlength=len(train.recording_ids))


def panel_scores(
    store: FeatureStore, solve: FisherSolve | None, train: LatentSet, n_panel: int
) -> Tensor | None:
    """Return scores of recordings as queries, NaN where one meets itself.

    A recording of the corpus is part of the Fisher matrix, a song is not: so
    each is scored by the matrix without it (Sherman and Morrison, 1950).

    Returns:
        `(n_panel, n_recording)`, float32; None if the panel is empty.
    """
    rows = panel_rows(train, n_panel)
    if not rows:
        return None
    asked = torch.cat([store.read(slice(r, r + 1)) for r in rows])
    products = (solve or store).products(asked)
    if solve is not None:
        own = products[torch.arange(len(rows)), :, torch.tensor(rows)] / len(train)
        products = products / (1 - own).clamp_min(1e-6)[..., None]
    return panel_of(products.mean(1) / len(train), train, rows)
