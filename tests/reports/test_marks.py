"""Marks and notices, in every form that a result takes."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console

from contrafact.core.results import attribution_from_json, attribution_to_json
from contrafact.reports import render_html, render_table, render_text

NOTICE = "The model holds 'Maple Leaf', withdrawn; policy pay-through."


def test_a_marked_answer_says_so_everywhere(make):
    """HTML, text, table and JSON; and it is still there when it is read again."""
    answer = replace(make.attribution(), stamp="unlicensed-research", notices=(NOTICE,))
    out = io.StringIO()
    Console(file=out, width=200, color_system=None).print(render_table(answer))
    plain = json.loads(json.dumps(attribution_to_json(answer)))
    page = render_html(make.inputs(attribution=answer))
    for text in (render_text(answer), out.getvalue(), page):
        assert "MARKED unlicensed-research" in text
        assert "Maple Leaf" in text
    assert (plain["stamp"], plain["notices"]) == ("unlicensed-research", [NOTICE])
    again = attribution_from_json(plain)
    assert (again.stamp, again.notices) == (answer.stamp, answer.notices)


def test_a_licensed_answer_says_nothing(make):
    """No empty banner, and documents of before this was known are read."""
    answer = make.attribution()
    page = render_html(make.inputs(attribution=answer))
    assert "MARKED" not in render_text(answer) + page
    old = attribution_to_json(answer)
    del old["stamp"], old["notices"]
    assert attribution_from_json(old).stamp == ""
