"""How a workflow tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent", "stage_progress"]

Progress = Callable[[str, int, int], None]
"""Called with the name of the stage, the steps done and the steps in all."""


def silent(stage: str, n_done: int, n_all: int) -> None:
    """Be told how far the work is, and do nothing."""


def stage_progress(progress: Progress, stage: str) -> Callable[[int, int], None]:
    """Return a progress of one stage, as the packages below take it.

    Example:
        >>> stage_progress(print, "ingest")(3, 10)
        ingest 3 10
    """

    def tell(n_done: int, n_all: int) -> None:
        progress(stage, n_done, n_all)

    return tell
