"""Tensors of a file that PyTorch wrote, read without PyTorch's own loader.

Such a file is a zip: a pickle that says which tensors there are, and their
numbers, raw. A pickle can name any function to be called. Here a few names mean
something, none of them to Python's importer: whatever else is named is refused
before anything is made of it, or stands as a thing that does nothing.

References:
    "Restricting globals", documentation of Python's `pickle`; the layout is that
    of `torch.save` since PyTorch 1.6.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from contrafact.core.errors import ModelFormatError

__all__ = ["read_checkpoint", "tensors_in"]

Numbers = NDArray[Any]
_KINDS = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
_MOST_NUMBERS = 1 << 28  # of one tensor: some have a thousand copies of one number
_DEEPEST = 8  # level of a checkpoint at which tensors are looked for
_FAILURES = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
)


def read_checkpoint(
    file: bytes | Path, *, source: str, skips_others: bool = False
) -> Any:
    """Return what a file of `torch.save` holds, tensors as arrays.

    Args:
        file: The whole file, or where it is.
        source: What to call it in errors.
        skips_others: Whether what is no tensor, such as the state of an optimizer's
            class, stands as something that does nothing; refused otherwise. Neither is
            ever imported or called.

    Returns:
        Dictionaries, lists, numbers and texts as they were written.

    Raises:
        ModelFormatError: If it is damaged, or names anything but tensors.
    """
    opened: IO[bytes] | Path = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        with zipfile.ZipFile(opened) as archive:
            (place,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
            return _Reader(archive, place, skips_others=skips_others).load()
    except _FAILURES as error:
        raise ModelFormatError(
            f"{source} is not a plain file of tensors: {error}. Take it again from "
            "where it is published."
        ) from error


def tensors_in(found: Any) -> dict[str, Numbers]:
    """Return the mapping of names to tensors with most tensors in a checkpoint.

    That is the network: an optimizer keeps a few of every tensor, numbered.
    """
    states = list(_states(found, _DEEPEST))
    return max(states, key=len, default={})


def _states(found: Any, depth: int) -> Iterator[dict[str, Numbers]]:
    if not isinstance(found, Mapping) or depth == 0:
        return
    arrays = {n: x for n, x in found.items() if isinstance(x, np.ndarray)}
    if arrays and all(isinstance(name, str) for name in arrays):
        yield arrays
    for part in found.values():
        yield from _states(part, depth - 1)


class _Skipped:
    """Stands for what was skipped: takes everything, does nothing."""

    def __new__(cls, *_given: Any, **_named: Any) -> _Skipped:
        return super().__new__(cls)

    def __init__(self, *_given: Any, **_named: Any) -> None:
        """Take anything."""

    def __call__(self, *_given: Any, **_named: Any) -> _Skipped:
        return self

    def __setstate__(self, _state: Any) -> None:
        """Take anything."""

    def __setitem__(self, _name: Any, _value: Any) -> None:
        """Take anything."""

    def append(self, _value: Any) -> None:
        """Take anything."""

    def extend(self, _values: Any) -> None:
        """Take anything."""

    def add(self, _value: Any) -> None:
        """Take anything."""


class _Reader(pickle.Unpickler):
    """Reads the pickle; knows tensors, their storages, and ordered dictionaries."""

    def __init__(
        self, archive: zipfile.ZipFile, place: str, *, skips_others: bool
    ) -> None:
        super().__init__(io.BytesIO(_read(archive, place)))
        self._archive, self._folder = archive, place.removesuffix("data.pkl")
        self._skips_others = skips_others

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _KINDS:
            return _KINDS[name]
        if self._skips_others:
            return _Skipped
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Numbers:
        word, kind, key, _device, count = pid
        if word != "storage" or kind not in _KINDS.values():
            raise pickle.UnpicklingError(f"it refers to {word!r} of another kind")
        raw = _read(self._archive, f"{self._folder}data/{key}")
        return np.frombuffer(raw, kind, count)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a part of the file; none is larger there than it is on disk."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"{name} is packed, which PyTorch does not do")
    return archive.read(name)


def _tensor(
    storage: Numbers, start: int, shape: Any, strides: Any, *_rest: Any
) -> Numbers:
    """Return a copy of a view of a storage; `strides` count numbers, not bytes."""
    reach = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if min((start, *shape, *strides), default=0) < 0 or reach >= len(storage):
        raise pickle.UnpicklingError("a tensor is larger than its numbers")
    if math.prod(shape) > _MOST_NUMBERS:
        raise pickle.UnpicklingError(f"a tensor has the shape {tuple(shape)}")
    steps = tuple(step * storage.itemsize for step in strides)
    view = np.lib.stride_tricks.as_strided(storage[start:], shape, steps)
    return np.array(view)


def _parameter(data: Numbers, *_rest: Any) -> Numbers:
    return data
