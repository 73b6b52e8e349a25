from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrafact.core.errors import ModelFormatError
from contrafact.matching.checkpoints import read_checkpoint, tensors_in
from contrafact.matching.watermarks import perth
from contrafact.matching.watermarks.packages import folder_of_package


def _saved(thing: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def _same(ours: Any, theirs: Any) -> bool:
    """Compare what was read with what PyTorch's own loader reads."""
    if isinstance(theirs, torch.Tensor):
        expected = theirs.numpy()
        return ours.dtype == expected.dtype and np.array_equal(ours, expected)
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(
            _same(ours[k], v) for k, v in theirs.items()
        )
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return bool(ours == theirs)


def test_every_kind_of_tensor_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    """Whatever its numbers, strides and place in a storage that it shares."""
    rows = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    thing = {
        "plain": rows, "turned": rows.T, "part": rows[1:3, ::2],
        "scalar": torch.tensor(7), "none": torch.zeros(0, 3),
        "spread": torch.ones(1, 3).expand(4, 3),
        "kinds": [torch.arange(3).to(k) for k in (
            torch.float64, torch.float16, torch.int64, torch.int32, torch.uint8)],
        "state": OrderedDict(a=rows[0]), "step": 12, "name": "x", "rest": [1.5, None],
    }  # fmt: skip
    data = _saved(thing)
    (path := tmp_path / "thing.pt").write_bytes(data)
    theirs = torch.load(path, weights_only=True)
    assert _same(read_checkpoint(data, source="a file"), theirs)


def test_the_weights_of_a_network_are_those_that_torch_reads() -> None:
    """All tensors of the file inside PerTh's package."""
    path = folder_of_package("perth", install="") / perth._WEIGHTS
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    ours = read_checkpoint(path.read_bytes(), source="a file")
    assert len(ours["model"]) == 59
    assert _same(ours, theirs)


class _Calls:
    def __reduce__(self) -> Any:
        return print, ("called",)


@pytest.mark.parametrize(
    "thing", [_Calls(), torch.nn.Linear(1, 1), [torch.Tensor], OrderedDict]
)
def test_what_is_no_tensor_is_refused(
    thing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function, a network and a class are named, and not called."""
    if thing is OrderedDict:
        thing = {"device": torch.device("cpu")}
    with pytest.raises(ModelFormatError, match="it names"):
        read_checkpoint(_saved(thing), source="a file")
    assert capsys.readouterr().out == ""


def _with_pickle(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/data/0", bytes(8))
    return buffer.getvalue()


def _view(start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """Return the pickle of a view of two numbers."""
    args = pickle.dumps((start, shape, strides), protocol=2)[2:-1]
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(("
        b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
        b"X\x03\x00\x00\x00cpuK\x02tQ" + _items(args) + b"tR."
    )


def _items(args: bytes) -> bytes:
    """Return the pickle of a tuple's items, without making the tuple."""
    return args[: args.rindex(b"\x87")]


def test_views_beyond_their_numbers_are_refused() -> None:
    """Nothing outside the storage is ever read."""
    whole = read_checkpoint(_with_pickle(_view(0, (2,), (1,))), source="a file")
    assert whole.tolist() == [0.0, 0.0]
    for start, shape, strides in (
        (0, (3,), (1,)), (2, (1,), (1,)), (0, (2,), (2,)), (-1, (2,), (1,)),
        (1, (2,), (-1,)),
    ):  # fmt: skip
        bad = _with_pickle(_view(start, shape, strides))
        with pytest.raises(ModelFormatError, match="larger than its numbers"):
            read_checkpoint(bad, source="a file")


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"\x80\x02}.", _with_pickle(b""), _with_pickle(b"(((")]
)
def test_damage_is_one_error(data: bytes) -> None:
    """Whatever is broken, it is said which file, and what to do."""
    with pytest.raises(ModelFormatError, match="a file is not a plain file of tensors"):
        read_checkpoint(data, source="a file")


class _Elaborate:
    """Stands for what a training writes beside its tensors."""

    def __init__(self) -> None:
        self.state = {"rate": [1, 2], "names": {"a", "b"}}


def test_what_is_no_tensor_can_be_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings and the state of an optimizer stand as something that does nothing."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
    thing = {
        "model": model.state_dict(),
        "optim": {"state": {0: {"step": torch.tensor(1.0), "avg": torch.zeros(99)}}},
        "conf": _Elaborate(),
        "call": _Calls(),
        "weight": torch.nn.Parameter(torch.ones(2)),
    }
    found = read_checkpoint(_saved(thing), source="a file", skips_others=True)
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(found["weight"], [1, 1])
    tensors = tensors_in(found)
    assert sorted(tensors) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    np.testing.assert_array_equal(tensors["0.weight"], model[0].weight.detach().numpy())
    with pytest.raises(ModelFormatError, match="it names"):
        read_checkpoint(_saved(thing), source="a file")


def test_a_checkpoint_without_names_holds_no_network() -> None:
    """Numbered tensors are those of an optimizer."""
    assert tensors_in({"state": {0: {1: np.ones(3)}}}) == {}
    assert tensors_in([np.ones(3)]) == {}


def test_one_number_cannot_become_millions() -> None:
    """A view may repeat a number, but not until memory is full."""
    bad = _with_pickle(_view(0, (1 << 20, 1 << 20), (0, 0)))
    with pytest.raises(ModelFormatError, match="shape"):
        read_checkpoint(bad, source="a file")


def test_packed_parts_are_refused() -> None:
    """PyTorch packs nothing; a small file may hold much."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}." + bytes(1 << 16))
    with pytest.raises(ModelFormatError, match="packed"):
        read_checkpoint(buffer.getvalue(), source="a file")
