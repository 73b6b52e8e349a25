"""The result as plain text, and as tables for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from contrafact.core.results import Attribution, SourceShare, Verification
from contrafact.reports._format import (
    NBSP,
    REMOVAL_NAMES,
    clock,
    decimals_for,
    fixed,
    kind_name,
    p_value,
    percent,
    percent_range,
    plain,
)
from contrafact.reports.headline import (
    INTERVALS,
    NOTICEABLE,
    headline,
    no_answer,
    other_share,
)
from contrafact.reports.marks import mark_lines
from contrafact.reports.verdict import relative_rise, verdict

__all__ = ["render_table", "render_text"]

_N_NAMED = 10
_MAX_NAME = 40
_CAVEAT = (
    "Influence is evidence, never proof of copying. Shares are parts of the "
    "influence the estimator could see; intervals {intervals}."
)

Row = tuple[str, ...]


def render_text(
    attribution: Attribution, verification: Verification | None = None
) -> str:
    """Return the result as plain text, without colours or markup.

    Returns:
        Headline, shares by the kind of source asked for, passages,
        verification if there is one, and what the numbers do not say. Foreign
        text is free of control characters.

    Raises:
        ReportError: If the shares are not shares of one whole.
    """
    rows = [("", *_columns(attribution)), *_share_rows(attribution, _N_NAMED)]
    marks = mark_lines(attribution)
    parts = [
        *(["\n".join(marks)] if marks else []),
        _title(attribution),
        f"Shares by {kind_name(attribution.by)}\n{_align(rows)}",
    ]
    if attribution.passages:
        parts.append(_passages(attribution))
    if verification is not None:
        parts.append(_verification(verification))
    caveat = _CAVEAT.format(intervals=INTERVALS[attribution.intervals])
    parts.append(caveat if attribution.is_calibrated else f"{caveat} {_UNCALIBRATED}")
    return "\n\n".join(parts).replace(NBSP, " ") + "\n"


_UNCALIBRATED = (
    "They were not calibrated against retraining: trust the order more than the size."
)


def render_table(attribution: Attribution, *, n_named: int = _N_NAMED) -> Table:
    """Return the shares as a table for `rich` to print.

    Cells are `Text`, so that square brackets in a title are no markup.

    Args:
        attribution: Whose shares by the kind of source asked for are shown.
        n_named: Sources shown one by one; the others are summed in one row.

    Raises:
        ReportError: If the shares are not shares of one whole.
    """
    title = "\n".join([*mark_lines(attribution), _title(attribution)])
    table = Table(title=Text(title), title_justify="left")
    table.add_column(Text(kind_name(attribution.by)), overflow="fold")
    for column in _columns(attribution):
        table.add_column(Text(column), justify="right", no_wrap=True)
    for row in _share_rows(attribution, n_named):
        table.add_row(*(Text(cell) for cell in row))
    return table


def _columns(attribution: Attribution) -> Row:
    between = f"{attribution.level:.0%} interval".replace("%", " %")
    return ("share", between, "p", "influence", "of learned", "common")


def _title(attribution: Attribution) -> str:
    """Return the headline, and that there is no answer where there is none."""
    return "\n".join(filter(None, [headline(attribution), no_answer(attribution)]))


def _share_rows(attribution: Attribution, n_named: int) -> list[Row]:
    kind = attribution.by
    shares = attribution.tables[kind]
    named, others = shares[:n_named], shares[n_named:]
    decimals = decimals_for(s.influence for s in named)
    rows = [_share_row(s, decimals) for s in named]
    other = other_share(attribution, kind, len(named))
    if others or other > NOTICEABLE:
        count = f"{len(others)} " if others else ""
        rows.append((f"{count}others", percent(other), "", "", "", "", ""))
    rest = attribution.unattributed[kind]
    between = percent_range(rest.interval.low, rest.interval.high)
    return [*rows, ("unattributed", percent(rest.share), between, "", "", "", "")]


def _share_row(share: SourceShare, decimals: int) -> Row:
    return (
        plain(share.name, _MAX_NAME),
        percent(share.share),
        percent_range(share.interval.low, share.interval.high),
        p_value(share.p_value),
        fixed(share.influence, decimals),
        percent(share.of_learned),
        fixed(share.common, decimals),
    )


def _align(rows: list[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _passages(attribution: Attribution) -> str:
    lines = [
        f"  {clock(p.query_start_s)}–{clock(p.query_end_s)} of the song matched "
        f"{clock(p.recording_start_s)}–{clock(p.recording_end_s)} of "
        f"{plain(p.title, 60)} ({plain(p.artist, _MAX_NAME)})"
        for p in attribution.passages[:5]
    ]
    return "\n".join(["Passages", *lines])


def _verification(verification: Verification) -> str:
    rows: list[Row] = [("model trained without", "loss rise", "90 % interval")]
    for removal in verification.removals:
        low, high = (
            relative_rise(verification, edge)
            for edge in (removal.rise_interval.low, removal.rise_interval.high)
        )
        interval = percent_range(
            float("nan") if low is None else low,
            float("nan") if high is None else high,
        )
        name = REMOVAL_NAMES.get(removal.kind, plain(removal.kind))
        rise = percent(relative_rise(verification, removal.rise))
        rows.append((name, rise, interval))
    return f"Verification\n{_align(rows)}\n  {verdict(verification)}"
