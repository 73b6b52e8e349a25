"""What must be said with an answer for good: the mark of its model, and notices."""

from __future__ import annotations

from contrafact.core.results import Attribution
from contrafact.reports._format import plain

__all__ = ["mark_lines"]


def mark_lines(attribution: Attribution) -> list[str]:
    """Return the lines that go before everything else; none if all is licensed."""
    marked = (
        f"MARKED {plain(attribution.stamp)}: the model or its index was made with "
        "material that nobody allowed this use of."
    )
    notices = [plain(notice) for notice in attribution.notices]
    return [marked, *notices] if attribution.stamp else notices
