"""What every HTML page of a report is made with: templates, style, policy.

The page's own style and script are named by their hashes in its content
security policy, which forbids everything else: should foreign text ever get
past the escaping, it still cannot run or load anything.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from contrafact.reports._format import clock, plain

_LONG = 100_000


@cache
def environment() -> Environment:
    """Return the templates, with the filters that they use."""
    environment = Environment(
        loader=PackageLoader("contrafact.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    environment.filters["long"] = lambda text: plain(text, _LONG)
    environment.filters["clock"] = clock
    return environment


@cache
def resource(name: str) -> str:
    """Return a style or script that is put into pages."""
    folder = files("contrafact.reports") / "templates"
    return "\n" + (folder / name).read_text(encoding="utf-8")


def policy(style: str, script: str) -> str:
    """Return the content security policy of a page with this style and script."""
    allowed = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "data:",
        "media-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{directive} {source}" for directive, source in allowed.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
