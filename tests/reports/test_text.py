"""Plain text and terminal tables."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from contrafact.reports import headline, render_table, render_text


def hostile(make, name):
    """Return an attribution whose best artist has this name."""
    explained = make.attribution(48)
    artists = explained.tables["artist"]
    renamed = (replace(artists[0], name=name), *artists[1:])
    return replace(explained, tables={**explained.tables, "artist": renamed})


def printed(table):
    """Return what rich prints of a table, 140 columns wide."""
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(table)
    return out.getvalue()


def test_text_holds_answer_passages_check_and_caveat(make):
    """One plain text tells the whole result, without non-breaking blanks."""
    explained = make.attribution()
    found = render_text(explained, make.verification())
    assert found.startswith(headline(explained))
    for part in ("Shares by artist", "Passages", "Verification", "never proof"):
        assert part in found
    assert "not calibrated" in found
    assert "\u00a0" not in found
    assert "nan" not in found


def test_text_without_verification_has_no_such_part(make):
    """An unchecked answer claims no check."""
    assert "Verification" not in render_text(make.attribution())


def test_table_lists_n_sources_and_sums_the_others(make):
    """24 artists shown by 5 leave 19 others in one row."""
    found = printed(render_table(make.attribution(), n_named=5))
    assert "19 others" in found
    assert "unattributed" in found


def test_control_characters_and_markup_are_inert(make):
    """Neither an escape sequence nor rich markup in a name takes effect."""
    explained = hostile(make, "\x1b[31mred\x07 [bold]B[/bold]\n2nd\ud800")
    text, table = render_text(explained), printed(render_table(explained))
    for found in (text, table):
        assert "\x1b" not in found
        assert "\x07" not in found
        assert "[bold]B[/bold] 2nd" in found
        found.encode()


def test_negative_influence_is_printed_with_its_sign(make):
    """A source without which the song would fit better keeps its minus."""
    explained = make.attribution(48)
    worst = make.share("Nobody", 0.0, influence=-0.01)
    table = (*explained.tables["artist"][:3], worst)
    explained = replace(explained, tables={**explained.tables, "artist": table})
    assert "\u22120.01" in render_text(explained)
