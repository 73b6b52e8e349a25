"""A document for a regulator as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from contrafact.reports._format import plain
from contrafact.reports.regulator._common import sentence
from contrafact.reports.regulator.document import Document, Evidence, Line

__all__ = ["render_markdown"]

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>#|~"})


def render_markdown(document: Document) -> str:
    """Return a document as CommonMark; foreign text is escaped.

    Each line ends with numbers in brackets, which the list of evidence at the
    end explains.
    """
    numbers: dict[Evidence, int] = {}
    parts = [*_head(document)]
    for section in document.sections:
        parts += ["", f"## {_text(section.title)}", ""]
        if section.note:
            parts += [_text(section.note), ""]
        parts += [_line(one, numbers) for one in section.lines]
    parts += ["", "## Evidence", ""]
    parts += [_evidence(one, number) for one, number in numbers.items()]
    return "\n".join(parts) + "\n"


def _head(document: Document) -> Iterator[str]:
    yield f"# {_text(document.title)}"
    yield ""
    yield f"{_text(document.rule)}. As of {document.on}."
    yield ""
    yield f"{_text(document.caveat)}"
    yield ""
    n_lines = sum(1 for _ in document.lines())
    gaps = f"{document.n_gaps} of {n_lines} lines are gaps"
    yield f"{gaps}. Made by `{plain(document.command)}`."


def _line(line: Line, numbers: dict[Evidence, int]) -> str:
    label = f"- **{_text(line.label)}**: "
    if line.missing is not None:
        return f"{label}*not recorded:* {_escaped(sentence(line.missing))}"
    marks = [numbers.setdefault(one, len(numbers) + 1) for one in line.evidence]
    cited = " ".join(f"[{mark}]" for mark in marks)
    return f"{label}{_escaped(sentence(str(line.text)))} {cited}"


def _evidence(evidence: Evidence, number: int) -> str:
    shown = f": `{plain(evidence.command, 200)}`" if evidence.command else ""
    return f"- [{number}] {evidence.kind} {_text(evidence.id)}{shown}"


def _text(text: object) -> str:
    """Return foreign text on one line, its marks made harmless."""
    return _escaped(plain(str(text), 2000))


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
