"""Tensors in files: what is there is not computed again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from contrafact.attribution.shards import Shards
from contrafact.core.errors import NotFittedError


def _rows(rows: list[int]) -> Tensor:
    return torch.tensor([[float(row), float(row) ** 2] for row in rows])


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    """Ten rows, four to a file."""
    return Shards(directory=tmp_path, name="rows", n_examples=10, size=4)


def test_rows_come_back_in_order(shards: Shards) -> None:
    """What was computed is read, and how far it was is told."""
    told: list[int] = []
    shards.fill(_rows, told.append)
    assert told == [0, 4, 8, 10]
    assert torch.equal(shards.read(), _rows(list(range(10))))
    assert [rows for rows, _ in shards.parts()][-1] == [8, 9]


def test_filling_goes_on_where_it_stopped(shards: Shards) -> None:
    """Files that are there are kept; only the missing rows are computed."""

    def stop(done: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shards.fill(_rows, stop)
    with pytest.raises(NotFittedError, match=r"2 file\(s\) are missing.*rows-00001"):
        shards.require_whole()
    asked: list[int] = []

    def compute(rows: list[int]) -> Tensor:
        asked.extend(rows)
        return _rows(rows)

    shards.fill(compute, lambda _: None)
    shards.require_whole()
    assert asked == [4, 5, 6, 7, 8, 9]
    assert torch.equal(shards.read(), _rows(list(range(10))))


def test_a_damaged_file_is_refused(shards: Shards) -> None:
    """A file cut short is named, and so is one of another length."""
    shards.fill(_rows, lambda _: None)
    path = shards.directory / "rows-00002.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(NotFittedError, match=r"rows-00002\.safetensors is damaged"):
        shards.read()
    path.write_bytes((shards.directory / "rows-00001.safetensors").read_bytes())
    with pytest.raises(NotFittedError, match="does not hold 2 rows"):
        shards.read()
