"""What unlearning measures once: the Fisher diagonal and the losses as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from contrafact.attribution.gradients import LayerGradients
from contrafact.attribution.store import read_tensors
from contrafact.catalog.atomic import write_bytes

_FILE = "state.safetensors"


@dataclass(slots=True, eq=False)
class UnlearningState:
    """Sums over the training windows measured so far; float64 all.

    Attributes:
        squares: Sum of squared gradients of single draws, by parameter name.
        losses: `(n_window, n_draws)`, zero where not measured yet.
        n_squares: How many gradients went into `squares`.
        n_done: Windows measured, from the first on.
    """

    squares: dict[str, Tensor]
    losses: Tensor
    n_squares: int = 0
    n_done: int = 0

    @classmethod
    def begun(
        cls, parameters: Mapping[str, Tensor], *, n_windows: int, n_draws: int
    ) -> UnlearningState:
        """Return a state of nothing measured yet."""
        squares = {
            n: torch.zeros(p.shape, dtype=torch.float64) for n, p in parameters.items()
        }
        return cls(squares, torch.zeros(n_windows, n_draws, dtype=torch.float64))

    def add_squares(self, gradients: LayerGradients) -> None:
        """Add gradients of single draws, `(batch, n_sets, *shape)`."""
        for name, rows in gradients.items():
            square = rows.flatten(0, 1).square()
            self.squares[name] += square.sum(0, dtype=torch.float64)
        self.n_squares += len(square)

    def add_losses(self, rows: list[int], losses: Tensor) -> None:
        """Note the losses of some windows, `(len(rows), n_draws)`."""
        self.losses[rows] = losses.double()

    def fisher(self) -> dict[str, Tensor]:
        """Return the Fisher diagonal by parameter name."""
        return {n: total / self.n_squares for n, total in self.squares.items()}

    def write(self, directory: Path) -> None:
        """Save it in `directory`, whole or not at all."""
        tensors = {f"squares/{n}": total for n, total in self.squares.items()}
        counts = torch.tensor([self.n_squares, self.n_done])
        state = {**tensors, "losses": self.losses, "counts": counts}
        # As bytes: safetensors does not tell a full disk from other errors.
        write_bytes(directory / _FILE, save(state))

    @classmethod
    def read(cls, directory: Path) -> UnlearningState | None:
        """Return what `write` saved, or None if nothing was.

        Raises:
            NotFittedError: If the file is damaged.
        """
        if not (directory / _FILE).exists():
            return None
        tensors = read_tensors(directory / _FILE)
        n_squares, n_done = (int(n) for n in tensors.pop("counts"))
        losses = tensors.pop("losses")
        squares = {n.removeprefix("squares/"): t for n, t in tensors.items()}
        return cls(squares, losses, n_squares, n_done)
