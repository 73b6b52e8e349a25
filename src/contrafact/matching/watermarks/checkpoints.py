"""Tensors of a file that PyTorch wrote, read without PyTorch's own loader.

Such a file is a zip: a pickle that says which tensors there are, and their
numbers, raw. A pickle can name any function to be called. Here three names mean
something, none of them to Python's importer: whatever else is named is refused
before anything is made of it.

References:
    "Restricting globals", documentation of Python's `pickle`; the layout is that
    of `torch.save` since PyTorch 1.6.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrafact.core.errors import WatermarkError

__all__ = ["read_checkpoint"]

Numbers = NDArray[Any]
_KINDS = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "|u1",
}


def read_checkpoint(data: bytes, *, source: str) -> Any:
    """Return what a file of `torch.save` holds, tensors as arrays.

    Args:
        data: The whole file.
        source: What to call it in errors.

    Returns:
        Dictionaries, lists, numbers and texts as they were written.

    Raises:
        WatermarkError: If it is damaged, or names anything but tensors.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (place,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
            return _Reader(archive, place).load()
    except (pickle.UnpicklingError, zipfile.BadZipFile, ValueError, KeyError,
            TypeError, AttributeError, IndexError, EOFError) as error:  # fmt: skip
        raise WatermarkError(
            f"{source} is not a plain file of tensors: {error}. Install the package "
            "that holds it again."
        ) from error


class _Reader(pickle.Unpickler):
    """Reads the pickle; knows tensors, their storages, and ordered dictionaries."""

    def __init__(self, archive: zipfile.ZipFile, place: str) -> None:
        super().__init__(io.BytesIO(archive.read(place)))
        self._archive, self._folder = archive, place.removesuffix("data.pkl")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _KINDS:
            return _KINDS[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Numbers:
        word, kind, key, _device, count = pid
        if word != "storage" or kind not in _KINDS.values():
            raise pickle.UnpicklingError(f"it refers to {word!r}")
        raw = self._archive.read(f"{self._folder}data/{key}")
        return np.frombuffer(raw, kind, count)


def _tensor(
    storage: Numbers, start: int, shape: Any, strides: Any, *_rest: Any
) -> Numbers:
    """Return a copy of a view of a storage; `strides` count numbers, not bytes."""
    reach = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if min((start, *shape, *strides), default=0) < 0 or reach >= len(storage):
        raise pickle.UnpicklingError("a tensor is larger than its numbers")
    steps = tuple(step * storage.itemsize for step in strides)
    view = np.lib.stride_tricks.as_strided(storage[start:], shape, steps)
    return np.array(view)
