"""The kernel of projected gradients, inverted: how TRAK and its kin decorrelate."""

from __future__ import annotations

import torch
from torch import Tensor

from contrafact.core.errors import AttributionError, ConfigError

__all__ = ["RidgeKernel", "check_damping"]


def check_damping(damping: float) -> None:
    """Raise unless this can be the damping of a kernel.

    Raises:
        ConfigError: If it is not above zero.
    """
    if not damping > 0:
        raise ConfigError(f"damping must be greater than zero; found {damping}.")


class RidgeKernel:
    """`(Phi^T Phi + lambda I)^-1`, through the smaller of the two Gram matrices.

    Args:
        features: `Phi`, `(n_example, n_features)`.
        damping: `lambda`, in units of the mean eigenvalue of `Phi^T Phi` over
            those that are not zero.

    Raises:
        ConfigError: If the damping is not above zero.
        AttributionError: If the features are not finite, or all zero.

    References:
        Park et al., "TRAK: Attributing model behavior at scale", ICML 2023;
        Woodbury's identity for the form with examples on both sides.
    """

    def __init__(self, features: Tensor, *, damping: float) -> None:
        check_damping(damping)
        self._features = features.double()
        n_examples, n_features = features.shape
        self._is_dual = n_examples <= n_features
        one = self._features if self._is_dual else self._features.T
        gram = one @ one.T
        self._floor = damping * float(gram.trace()) / len(gram)
        if not 0 < self._floor < float("inf"):
            raise AttributionError(
                f"The gradients of {n_examples} windows add up to {self._floor}; they "
                "must be finite and not all zero. Was the model trained?"
            )
        gram.diagonal().add_(self._floor)
        self._factor = torch.linalg.cholesky(gram)

    def solve(self, rows: Tensor) -> Tensor:
        """Return the inverse kernel times each row, `(..., n_features)`, float64."""
        flat = rows.double().reshape(-1, rows.shape[-1])
        if not self._is_dual:
            solved = torch.cholesky_solve(flat.T, self._factor).T
        else:
            seen = torch.cholesky_solve(self._features @ flat.T, self._factor)
            solved = (flat - seen.T @ self._features) / self._floor
        return solved.reshape(rows.shape)

    def leverages(self) -> Tensor:
        """Return each example's leverage, `(n_example,)`, in [0, 1), float64."""
        found: Tensor = (self.solve(self._features) * self._features).sum(-1)
        return found.clamp(0, 1)
