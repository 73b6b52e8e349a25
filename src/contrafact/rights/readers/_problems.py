"""Collecting what is wrong with files, without end but within bounds."""

from __future__ import annotations

from contrafact.core.entities import Problem

__all__ = ["ProblemLog"]

_N_KEPT = 1_000


class ProblemLog:
    """Counts all problems and keeps the first thousand.

    Attributes:
        n_bad: Inputs that were left out.
        n_notes: Inputs that were taken, with something to say about them.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.n_bad = self.n_notes = 0
        self._kept: list[Problem] = []

    def bad(self, source: str, message: str) -> None:
        """Report an input that is left out."""
        self.add(Problem(source=source, message=message))

    def note(self, source: str, message: str) -> None:
        """Report something about an input that is taken."""
        self.add(Problem(source=source, message=message, is_fatal=False))

    def add(self, problem: Problem) -> None:
        """Report a problem."""
        if problem.is_fatal:
            self.n_bad += 1
        else:
            self.n_notes += 1
        if len(self._kept) < _N_KEPT:
            self._kept.append(problem)

    @property
    def kept(self) -> tuple[Problem, ...]:
        """The first thousand, in order, and one that counts the rest."""
        n_more = self.n_bad + self.n_notes - len(self._kept)
        if not n_more:
            return tuple(self._kept)
        rest = Problem(
            source="and more",
            message=f"{n_more} further problem(s) are not listed. Correct these first.",
            is_fatal=False,
        )
        return (*self._kept, rest)
