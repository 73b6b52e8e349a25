"""Recordings that teach the same: what leaving out several at once does.

The influence of two recordings together is not the sum of both: where they teach
the same, the one makes up for the other as long as it is there. With a quadratic
model of the training loss the sum is put right exactly. `F` is the Fisher matrix,
`A_S` the gradients of the recordings `S`, `s = g_query F^-1 A^T / n` the scores;
leaving out `S` takes `A_S^T A_S / n` from `F`, and by Woodbury's identity the
query's loss rises by

    s_S (I - H_SS)^-1 1,    H = A F^-1 A^T / n.

The sum of scores is its first order. Which recordings to leave out together is
asked here too, for those with the largest scores may all be much alike or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Overlap"]

_LARGEST = 1 - 1e-6  # of the hat matrix' diagonal, which rounding may take to 1


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """The hat matrix of a corpus, recording by recording.

    A recording of several windows counts as that many like windows; for one
    window it is exact.

    Attributes:
        recording_ids: Rows and columns.
        hat: `(n_train, n_train)`, symmetric, eigenvalues in [0, 1).
        n_windows: Windows of each recording, `(n_train,)`.
        trust: What part of the hat matrix `weights` believes, in [0, 1]; with
            0, influences add up. Gradients from few noise draws are noisy, and
            the larger a group, the further the whole correction reaches.

    References:
        Koh et al., "On the accuracy of influence functions for measuring group
        effects", NeurIPS 2019; Basu et al., "On second-order group influence
        functions", ICML 2020.
    """

    recording_ids: tuple[str, ...]
    hat: Tensor
    n_windows: Tensor
    trust: float = 1.0

    def weights(
        self, parts: Mapping[str, float], *, trust: float | None = None
    ) -> dict[str, float]:
        """Return what the score of each recording counts for when all are left out.

        Args:
            parts: What part of each recording is left out, in (0, 1].
            trust: Another than this one's own.

        Returns:
            By recording; the influence of leaving out all is the sum of scores
            times these. Recordings that teach the same count for more than
            they do alone.
        """
        place = {r: i for i, r in enumerate(self.recording_ids)}
        rows = torch.tensor([place[r] for r in parts])
        root = self.n_windows[rows].double().sqrt()
        wanted = root * torch.tensor(list(parts.values()), dtype=torch.float64)
        believed = self.trust if trust is None else trust
        rest = -believed * self.hat[rows][:, rows].double()
        rest.diagonal().add_(1)
        solved = torch.linalg.solve(rest, wanted) / root
        return dict(zip(parts, solved.tolist(), strict=True))

    def leave_out_most(self, scores: Tensor, count: int) -> list[str]:
        """Return the recordings whose leaving out raises the loss most, together.

        Chosen one by one, each for what it adds to those chosen before it.

        Args:
            scores: Of one query, `(n_train,)`.
            count: How many; at most all.
        """
        root = self.n_windows.double().sqrt()
        score, hat = scores.double() / root, self.hat.double().clone()
        chosen: list[int] = []
        for _ in range(min(count, len(score))):
            own = hat.diagonal().clamp(max=_LARGEST)
            gain = score * root / (1 - own)
            gain[chosen] = -torch.inf
            row = int(gain.argmax())
            chosen.append(row)
            left = 1 - own[row]
            score = score + score[row] * hat[row] / left
            hat = hat + torch.outer(hat[:, row], hat[row]) / left
        return [self.recording_ids[row] for row in chosen]
