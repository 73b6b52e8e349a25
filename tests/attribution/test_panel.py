"""What stands for the corpus: even choices that do not hang on its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from contrafact.attribution.panel import (
    check_panel,
    panel_of,
    panel_rows,
    spread_windows,
)
from contrafact.core.errors import ConfigError
from contrafact.generators.latents import LatentSet


def _names(train: LatentSet, rows: list[int]) -> list[tuple[str, float]]:
    return [(train.windows[r].recording_id, train.windows[r].start_s) for r in rows]


def test_windows_are_spread_evenly(train: LatentSet) -> None:
    """Every third of twelve by name; all of them where more are asked for."""
    assert _names(train, spread_windows(train, 4)) == [
        ("R-00", 0.0), ("R-02", 0.0), ("R-05", 0.0), ("R-08", 0.0),
    ]  # fmt: skip
    assert sorted(spread_windows(train, 100)) == list(range(12))
    assert spread_windows(train, 0) == []


def test_a_panel_holds_first_windows_of_recordings(train: LatentSet) -> None:
    """A recording of two windows is in it once, by the one that begins it."""
    names = _names(train, panel_rows(train, 100))
    assert names == [(f"R-{i:02d}", 0.0) for i in range(11)]


def test_choices_do_not_depend_on_the_order_of_the_corpus(
    train: LatentSet,
    rng: Any,
    permuted: Callable[[LatentSet, Sequence[int]], LatentSet],
) -> None:
    """The same windows in another order give the same panel and sample."""
    shuffled = permuted(train, rng.permutation(len(train)).tolist())
    for choose in (spread_windows, panel_rows):
        one, other = choose(train, 5), choose(shuffled, 5)
        assert one != other
        assert _names(train, one) == _names(shuffled, other)


def test_a_recording_is_not_compared_with_itself(train: LatentSet) -> None:
    """Windows are summed to recordings, and the query's own becomes NaN."""
    rows = panel_rows(train, 3)
    panel = panel_of(torch.ones(3, len(train)), train, rows)
    assert panel is not None
    assert panel.dtype == torch.float32
    for row, query in zip(panel, rows, strict=True):
        own = train.recording_ids.index(train.windows[query].recording_id)
        assert row.isnan().nonzero().flatten().tolist() == [own]
        assert row.nansum() == (10 if own == 0 else 11)


def test_an_empty_panel_is_none(train: LatentSet) -> None:
    """Without recordings to compare with, nothing is said."""
    assert panel_of(torch.zeros(0, len(train)), train, []) is None


def test_a_negative_panel_is_refused() -> None:
    """A number below zero is named."""
    with pytest.raises(ConfigError, match="found -1"):
        check_panel(-1)
