"""A document for a regulator as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from contrafact.reports._format import plain
from contrafact.reports.regulator._common import sentence
from contrafact.reports.regulator.document import Document, Evidence

__all__ = ["render_regulator_html"]

_CODE = re.compile("`([^`]+)`")


def render_regulator_html(document: Document) -> str:
    """Return a document as one self-contained HTML page without scripts.

    All foreign text is escaped, and the page's content security policy allows
    its own style and nothing else. The same document gives the same bytes.
    """
    style = _style()
    numbers: dict[Evidence, int] = {}
    for line in document.lines():
        for one in line.evidence:
            numbers.setdefault(one, len(numbers) + 1)
    digest = hashlib.sha256(style.encode()).digest()
    allowed = f"'sha256-{base64.b64encode(digest).decode()}'"
    page: str = (
        _environment()
        .get_template("regulator.html.j2")
        .render(
            d=document,
            n_lines=sum(1 for _ in document.lines()),
            numbers=numbers,
            style=Markup(style),
            policy=f"default-src 'none'; style-src {allowed}; base-uri 'none'; "
            "form-action 'none'",
        )
    )
    return page


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("contrafact.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = lambda text: plain(str(text), 2000)
    environment.filters["sentence"] = lambda text: _coded(sentence(text))
    environment.filters["coded"] = _coded
    return environment


def _coded(text: str) -> Markup:
    """Return text escaped, with what stands between backticks set as code."""
    escaped = str(escape(plain(text, 3000)))
    return Markup(_CODE.sub(r"<code>\1</code>", escaped))


@cache
def _style() -> str:
    folder = files("contrafact.reports") / "templates"
    return "\n" + (folder / "regulator.css").read_text(encoding="utf-8")
