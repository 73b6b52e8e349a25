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
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

__all__ = ["Overlap"]

_LARGEST = 1 - 1e-6  # of the hat matrix' diagonal, which rounding may take to 1
_COPY = 0.9  # correlation in the hat matrix from which two recordings are copies


@dataclass(frozen=True, eq=False)
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
        same_sound: The cluster of recordings known to be copies by their sound; near
            copies, at another loudness or through a codec, teach a model
            differently enough that the hat matrix tells them apart.

    References:
        Koh et al., "On the accuracy of influence functions for measuring group
        effects", NeurIPS 2019; Basu et al., "On second-order group influence
        functions", ICML 2020.
    """

    recording_ids: tuple[str, ...]
    hat: Tensor
    n_windows: Tensor
    trust: float = 1.0
    same_sound: Mapping[str, str] = field(default_factory=dict)

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
        wanted = torch.tensor(list(parts.values()), dtype=torch.float64)
        hat = self.hat[rows][:, rows].double()
        solved = self._solved(hat, rows, wanted, trust)
        root = self.n_windows[rows].double().sqrt()
        return dict(zip(parts, (solved / root).tolist(), strict=True))

    def shared_weights(self, parts: Mapping[str, float]) -> dict[str, float]:
        """Return the same where all copies of a recording count as one.

        They have the influence that one of them would have had by itself, and an
        equal part of it each: whoever adds a copy gains nothing, and none is hidden
        behind the other. Not what leaving out does, for a model learns more of what
        it is shown twice, but what is paid.

        Returns:
            By recording, those of copies that are not in `parts` among them.
        """
        place = {r: i for i, r in enumerate(self.recording_ids)}
        first, count = self.copies
        wanted: dict[int, float] = {}
        for recording, part in parts.items():
            row = int(first[place[recording]])
            wanted[row] = wanted.get(row, 0.0) + part / int(count[row])
        rows = torch.tensor(list(wanted))
        ones = torch.tensor(list(wanted.values()), dtype=torch.float64)
        hat, reach = self._without_copies(rows)
        solved = self._solved(hat, rows, ones, None)
        root = self.n_windows.double().sqrt()
        found = dict(zip(wanted, (solved / root[rows]).tolist(), strict=True))
        more = reach.T @ solved / root[self._spare]
        found |= dict(zip(self._spare.tolist(), more.tolist(), strict=True))
        return {self.recording_ids[row]: weight for row, weight in found.items()}

    def _solved(
        self, hat: Tensor, rows: Tensor, parts: Tensor, trust: float | None
    ) -> Tensor:
        rest = -(self.trust if trust is None else trust) * hat
        rest.diagonal().add_(1)
        root = self.n_windows[rows].double().sqrt()
        found: Tensor = torch.linalg.solve(rest, root * parts)
        return found

    @cached_property
    def copies(self) -> tuple[Tensor, Tensor]:
        """The first copy of each recording, itself if none, and how many there are.

        Copies of copies are copies. Near copies, such as the same performance at
        another loudness, mostly fall below the line, and are copies only if
        `same_sound` says so.
        """
        size = self.hat.diagonal().clamp_min(1e-30).sqrt()
        alike = self.hat / torch.outer(size, size) > _COPY
        first_of: dict[str, int] = {}
        for row, recording in enumerate(self.recording_ids):
            if (cluster_id := self.same_sound.get(recording)) is not None:
                alike[first_of.setdefault(cluster_id, row), row] = True
        _, cluster = connected_components(csr_array(alike.numpy()), directed=False)
        _, first, which, count = np.unique(
            cluster, return_index=True, return_inverse=True, return_counts=True
        )
        return torch.from_numpy(first[which]), torch.from_numpy(count[which])

    @property
    def distinct_windows(self) -> Tensor:
        """Windows of each recording over how many copies it has, `(n_train,)`."""
        _, count = self.copies
        found: Tensor = self.n_windows.double() / count
        return found

    @cached_property
    def _spare(self) -> Tensor:
        """Rows of all copies but the first of each."""
        first, _ = self.copies
        return (first != torch.arange(len(first))).nonzero()[:, 0]

    def _without_copies(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hat matrix of some as if there were no spare copies.

        Returns:
            `(n, n)`, and `(n, n_spare)`: what the score of each spare copy adds to
            the score of each row once it is left out (Woodbury).
        """
        spare = self._spare
        own = self.hat[rows][:, rows].double()
        if not len(spare):
            return own, torch.zeros(len(rows), 0, dtype=torch.float64)
        between = self.hat[rows][:, spare].double()
        rest = torch.eye(len(spare)) - self.hat[spare][:, spare].double()
        reach = torch.linalg.solve(rest, between, left=False)
        return own + reach @ between.T, reach

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
