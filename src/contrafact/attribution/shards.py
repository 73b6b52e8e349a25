"""Tensors of many examples on disk, some examples a file.

Every file appears whole or not at all, and one that is there is not computed
again: a fit that was killed goes on where it stopped, and ends with the same
bytes. `store.py` keeps the eight-bit index; this is for what is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from contrafact.attribution.store import read_tensors
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import NotFittedError

__all__ = ["Shards"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """Tensors of examples, all of one shape, in files `NAME-00000.safetensors`.

    Attributes:
        directory: Where the files are.
        name: Their names begin with it.
        n_examples: Rows in all.
        size: Rows of a file.
    """

    directory: Path
    name: str
    n_examples: int
    size: int = 16

    def _spans(self) -> list[tuple[Path, list[int]]]:
        starts = range(0, self.n_examples, self.size)
        return [
            (
                self.directory / f"{self.name}-{start // self.size:05d}.safetensors",
                list(range(start, min(start + self.size, self.n_examples))),
            )
            for start in starts
        ]

    def fill(
        self,
        compute: Callable[[list[int]], Tensor],
        told: Callable[[int], None],
    ) -> None:
        """Compute and write the files that are not there.

        Args:
            compute: Returns the tensors of some rows, `(len(rows), ...)`.
            told: Called with how many rows are done, at first and after each
                file.
        """
        spans = self._spans()
        done = sum(len(rows) for path, rows in spans if path.exists())
        told(done)
        for path, rows in spans:
            if not path.exists():
                found = compute(rows).contiguous()
                # As bytes: safetensors does not tell a full disk from other errors.
                write_bytes(path, save({"rows": found}))
                done += len(rows)
                told(done)

    def require_whole(self) -> None:
        """Raise unless every file is there.

        Raises:
            NotFittedError: If one is missing.
        """
        missing = [path for path, _ in self._spans() if not path.exists()]
        if missing:
            raise NotFittedError(
                f"The fit in {self.directory} is not finished: {len(missing)} file(s) "
                f"are missing, the first being {missing[0].name}; fit it to go on."
            )

    def parts(self) -> Iterator[tuple[list[int], Tensor]]:
        """Yield rows and their tensors, file by file.

        Raises:
            NotFittedError: If a file is missing, damaged or of another length.
        """
        for path, rows in self._spans():
            found = read_tensors(path).get("rows")
            if found is None or len(found) != len(rows):
                raise NotFittedError(
                    f"{path} does not hold {len(rows)} rows; remove {path.parent} and "
                    "fit it again."
                )
            yield rows, found

    def read(self) -> Tensor:
        """Return all rows, `(n_examples, ...)`.

        Raises:
            NotFittedError: As `parts`, or if there are no rows at all.
        """
        parts = [found for _, found in self.parts()]
        if not parts:
            raise NotFittedError(f"There is nothing in {self.directory}; fit it first.")
        return torch.cat(parts)
