"""The gradient index on disk: features of every window, memory-mapped.

```
DIR/
  manifest.json        settings, digests of model and corpus, format version
  factors.safetensors  preconditioner, stratum weights, kept coordinates
  components.safetensors  of the numbers of a draw, those that features are of
  features.i8          (n_window, n_sets, n_features), int8
  scales.f32           (n_window, n_sets): a feature is its int8 times this
  solve.safetensors    inverse Fisher matrices between the features
  null.safetensors     scores of sounds without a source
  done.u8              one byte a shard of windows: 1 when it is written
  numbers/             while it is built: the same files, before components
```

A shard is marked done only after its features reached the disk, so a killed
build goes on where it stopped and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from contrafact.catalog.atomic import storage_errors, write_json
from contrafact.core.errors import AttributionError, IndexMismatchError, NotFittedError

__all__ = [
    "FORMAT",
    "FeatureStore",
    "check_manifest",
    "dequantised",
    "quantise",
    "read_manifest",
    "read_tensors",
    "write_manifest",
]

FORMAT = 3


def quantise(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return int8 features and their scales; the largest becomes 127.

    Args:
        features: `(..., n_features)`, float32.

    Raises:
        AttributionError: If one is not finite, which eight bits cannot say.
    """
    scale = features.abs().amax(-1).clamp_min(1e-30) / 127
    if not bool(torch.isfinite(scale).all()):
        raise AttributionError(
            "Features that are not finite cannot be kept: a gradient overflowed. Check "
            "the weights of the model and the latents."
        )
    return (features / scale[..., None]).round().to(torch.int8), scale


def dequantised(values: Tensor, scale: Tensor) -> Tensor:
    """Return the features that `quantise` made these of, float32."""
    return values.float() * scale[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStore:
    """Features of the windows of one corpus under one model.

    Attributes:
        directory: Where the files are.
        n_windows: Rows.
        n_sets: Sets of noise draws kept apart.
        n_features: Numbers a row and set.
        shard: Rows written at a time.
    """

    directory: Path
    n_windows: int
    n_sets: int
    n_features: int
    shard: int = 8

    @property
    def n_shards(self) -> int:
        """How many shards there are."""
        return -(-self.n_windows // self.shard)

    def rows(self, shard: int) -> list[int]:
        """Return the windows of a shard."""
        first = shard * self.shard
        return list(range(first, min(first + self.shard, self.n_windows)))

    def _files(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        return {
            "features.i8": (np.int8, (self.n_windows, self.n_sets, self.n_features)),
            "scales.f32": (np.float32, (self.n_windows, self.n_sets)),
            "done.u8": (np.uint8, (self.n_shards,)),
        }

    def create(self) -> None:
        """Lay out the files, unless they are there.

        Files of the wrong size, cut short or begun, are laid out anew and
        every shard is to be done again.
        """
        with storage_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            if not all(self._is_whole(name) for name in self._files()):
                (self.directory / "done.u8").unlink(missing_ok=True)
            for name in self._files():
                size = self._size(name)
                with (self.directory / name).open("ab") as file:
                    if file.tell() != size:
                        # Claims the space now, so that a full disk shows here.
                        os.posix_fallocate(file.fileno(), 0, size)
                        file.truncate(size)

    def _size(self, name: str) -> int:
        kind, shape = self._files()[name]
        return int(np.prod(shape)) * np.dtype(kind).itemsize

    def _is_whole(self, name: str) -> bool:
        path = self.directory / name
        return path.exists() and path.stat().st_size == self._size(name)

    def _open(self, name: str, mode: str = "r") -> NDArray[Any]:
        kind, shape = self._files()[name]
        path = self.directory / name
        if not self._is_whole(name):
            raise NotFittedError(
                f"{path} is missing or cut short; run `contrafact index build` again."
            )
        return np.memmap(path, dtype=kind, mode=mode, shape=shape)  # type: ignore[call-overload, no-any-return]

    def pending(self) -> list[int]:
        """Return the shards that are not done.

        Raises:
            NotFittedError: If a file is missing or cut short.
        """
        for name in self._files():
            self._open(name)
        return [int(i) for i in np.flatnonzero(self._open("done.u8") == 0)]

    def write(self, shard: int, features: Tensor) -> None:
        """Store a shard's features, `(n_rows, n_sets, n_features)`."""
        values, scales = quantise(features)
        self._put(shard, values.numpy(), scales.numpy())

    def copy(self, shard: int, source: FeatureStore, rows: NDArray[np.intp]) -> None:
        """Store what another store holds in these of its rows, byte by byte."""
        values, scales = source._open("features.i8"), source._open("scales.f32")
        self._put(shard, np.array(values[rows]), np.array(scales[rows]))

    def _put(self, shard: int, values: NDArray[Any], scales: NDArray[Any]) -> None:
        rows = self.rows(shard)
        span = slice(rows[0], rows[-1] + 1)
        for name, part in (("features.i8", values), ("scales.f32", scales)):
            target = self._open(name, "r+")
            target[span] = part
            target.flush()  # type: ignore[attr-defined]
        done = self._open("done.u8", "r+")
        done[shard] = 1
        done.flush()  # type: ignore[attr-defined]

    def read(self, span: slice) -> Tensor:
        """Return the features of a span of windows, float32."""
        return dequantised(*self.quantised(span))

    def quantised(self, span: slice) -> tuple[Tensor, Tensor]:
        """Return the features of a span of windows as they are kept; see `quantise`."""
        values = torch.from_numpy(np.array(self._open("features.i8")[span]))
        scales = torch.from_numpy(np.array(self._open("scales.f32")[span]))
        return values, scales

    def products(self, queries: Tensor, *, at_most: int = 256) -> Tensor:
        """Return dot products of queries with every window, set by set.

        Args:
            queries: `(n_query, n_sets, n_features)`, of the same noise draws.
            at_most: Windows held in memory at a time.

        Returns:
            `(n_query, n_sets, n_window)`, float32.
        """
        parts = []
        for start in range(0, self.n_windows, at_most):
            rows = self.read(slice(start, min(start + at_most, self.n_windows)))
            parts.append(torch.einsum("qkf,wkf->qkw", queries, rows))
        return torch.cat(parts, dim=-1)

    def digest(self) -> str:
        """Return SHA-256 over all files but the marks of what is done."""
        state = hashlib.sha256()
        names = ["manifest.json", "factors.safetensors", "features.i8", "scales.f32"]
        later = ("components.safetensors", "solve.safetensors", "null.safetensors")
        names += [name for name in later if (self.directory / name).exists()]
        for name in names:
            with (self.directory / name).open("rb") as file:
                state.update(hashlib.file_digest(file, "sha256").digest())
        return state.hexdigest()


def write_manifest(directory: Path, facts: Mapping[str, Any]) -> None:
    """Write `manifest.json`, or check that the one there says the same.

    Raises:
        IndexMismatchError: If it was made for something else.
    """
    found = read_manifest(directory)
    if found is None:
        write_json(directory / "manifest.json", {"format": FORMAT, **facts})
        return
    check_manifest(directory, found, facts)


def read_manifest(
    directory: Path, name: str = "manifest.json"
) -> dict[str, Any] | None:
    """Return the facts in a JSON file, or None if there is none.

    Raises:
        NotFittedError: If it is damaged.
    """
    path = directory / name
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotFittedError(_damaged(path, error)) from error
    if not isinstance(found, dict):
        raise NotFittedError(_damaged(path, "not an object"))
    return found


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises:
        NotFittedError: If it is missing or damaged.
    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise NotFittedError(_damaged(path, error)) from error


def _damaged(path: Path, error: object) -> str:
    return f"{path} is damaged ({error}); remove {path.parent} and fit it again."


def check_manifest(
    directory: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise unless an index was made for this model, corpus and settings.

    Raises:
        IndexMismatchError: If not; the message says what differs.
    """
    for key, value in json.loads(json.dumps({"format": FORMAT, **wanted})).items():
        if found.get(key) != value:
            raise IndexMismatchError(
                f"The {found.get('estimator', 'index')} in {directory} was built for "
                f"another {key} ({_shown(found.get(key))}) than this one "
                f"({_shown(value)}). Remove {directory} to have it built anew."
            )


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "..."
