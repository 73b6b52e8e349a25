"""Some of the corpus, chosen evenly: to measure on, and as songs to compare with.

A panel is recordings of the corpus used as queries. What a recording scores on
them is what it scores on any song: `Scores.panel` keeps that, and shares are
told apart only above it. Choices go by name, so that they do not depend on the
order of the corpus.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contrafact.attribution.base import sum_windows
from contrafact.core.errors import ConfigError
from contrafact.generators.latents import LatentSet

__all__ = ["check_panel", "panel_of", "panel_rows", "spread_windows"]


def check_panel(n_panel: int) -> None:
    """Raise unless this can be the size of a panel.

    Raises:
        ConfigError: If it is negative.
    """
    if n_panel < 0:
        raise ConfigError(f"n_panel must be at least 0; found {n_panel}.")


def _by_name(train: LatentSet) -> list[int]:
    def name(row: int) -> tuple[str, float]:
        window = train.windows[row]
        return window.recording_id, window.start_s

    return sorted(range(len(train)), key=name)


def _spread(rows: list[int], at_most: int) -> list[int]:
    count = min(len(rows), at_most)
    return [rows[i * len(rows) // count] for i in range(count)]


def spread_windows(train: LatentSet, at_most: int) -> list[int]:
    """Return the rows of up to `at_most` windows, spread evenly by name."""
    return _spread(_by_name(train), at_most)


def panel_rows(train: LatentSet, n_panel: int) -> list[int]:
    """Return the first windows of up to `n_panel` recordings, spread by name."""
    first: dict[str, int] = {}
    for row in _by_name(train):
        first.setdefault(train.windows[row].recording_id, row)
    return _spread(list(first.values()), n_panel)


def panel_of(values: Tensor, train: LatentSet, rows: list[int]) -> Tensor | None:
    """Return `Scores.panel` from the scores of windows used as queries.

    Args:
        values: `(n_panel, n_window)`.
        train: The windows.
        rows: Which windows were the queries, as from `panel_rows`.

    Returns:
        `(n_panel, n_recording)`, float32, NaN where a recording meets itself;
        None if the panel is empty.
    """
    if not rows:
        return None
    place = {recording: i for i, recording in enumerate(train.recording_ids)}
    panel = sum_windows(values, train).float()
    for query, row in enumerate(rows):
        panel[query, place[train.windows[row].recording_id]] = torch.nan
    return panel
