"""A document for a regulator: sections of lines, each with its evidence or a gap.

A line that states something without evidence cannot be made, and a gap cannot
be dressed up as a statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from contrafact.core.errors import ReportError

__all__ = [
    "Document",
    "Evidence",
    "EvidenceKind",
    "Line",
    "Section",
    "document_to_json",
    "gap",
    "line",
]

EvidenceKind = Literal[
    "catalog", "consent", "document", "log", "manifest", "provider",
    "register", "release", "software", "withdrawal",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where a statement can be checked.

    Attributes:
        id: What it is called there: an id, a digest, a number, a Merkle root.
        command: What to type to see it; "" where a file has to be asked for.
    """

    kind: EvidenceKind
    id: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One statement, or one gap.

    Attributes:
        label: What it is about.
        text: The statement; None for a gap.
        missing: For a gap: what is not recorded, and how to record it.

    Raises:
        ReportError: If it states something without evidence, or is neither
            statement nor gap.
    """

    label: str
    text: str | None = None
    evidence: tuple[Evidence, ...] = ()
    missing: str | None = None

    def __post_init__(self) -> None:
        """Check that nothing is claimed that cannot be checked."""
        if (self.text is None) == (self.missing is None):
            raise ReportError(
                f"The line '{self.label}' must be a statement or a gap. This is a bug."
            )
        if self.text is not None and not self.evidence:
            raise ReportError(
                f"The line '{self.label}' has no evidence. This is a bug."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Lines under a heading.

    Attributes:
        note: What the rule asks for here, in a sentence; not a statement.
    """

    title: str
    lines: tuple[Line, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document for a regulator.

    Attributes:
        kind: As on the command line, such as `eu-summary`.
        rule: What asks for it.
        on: The day for which it speaks.
        caveat: What it is not.
        command: What to type to make it again.
    """

    kind: str
    title: str
    rule: str
    on: date
    sections: tuple[Section, ...]
    caveat: str
    command: str

    def lines(self) -> Iterator[Line]:
        """Yield all lines in their order."""
        for section in self.sections:
            yield from section.lines

    @property
    def n_gaps(self) -> int:
        """How many lines are gaps."""
        return sum(line.text is None for line in self.lines())


def line(label: str, text: str, *evidence: Evidence) -> Line:
    """Return a statement with its evidence."""
    return Line(label=label, text=text, evidence=tuple(dict.fromkeys(evidence)))


def gap(label: str, missing: str) -> Line:
    """Return a gap: what is not recorded, and how to record it."""
    return Line(label=label, missing=missing)


def document_to_json(document: Document) -> dict[str, Any]:
    """Return a document as JSON has it."""
    return {
        "kind": document.kind,
        "title": document.title,
        "rule": document.rule,
        "on": document.on.isoformat(),
        "caveat": document.caveat,
        "command": document.command,
        "n_gaps": document.n_gaps,
        "sections": [
            {
                "title": section.title,
                "note": section.note,
                "lines": [_line_to_json(line) for line in section.lines],
            }
            for section in document.sections
        ],
    }


def _line_to_json(line: Line) -> dict[str, Any]:
    evidence = [
        {"kind": e.kind, "id": e.id, "command": e.command} for e in line.evidence
    ]
    return {
        "label": line.label,
        "text": line.text,
        "not_recorded": line.missing,
        "evidence": evidence,
    }
