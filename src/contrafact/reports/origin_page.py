"""The report of who made a recording, as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from contrafact.core.matches import OriginEvidence, OriginFinding
from contrafact.reports._format import fixed, plain
from contrafact.reports._match_figures import probability
from contrafact.reports._page import environment, policy, resource
from contrafact.reports.origin_plots import evidence_svg, p_values_svg, residual_svg

__all__ = ["OriginInputs", "Spectrum", "render_origin"]

_N_CLASSES = 24
_LIMIT = 0.01
_RAREST = 1e-9
_MOVED = 2e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """A recording beside the class that it fits best.

    Attributes:
        nearest: The class.
        scale: By which its lines are moved.
        hz, residual, lines: Frequencies, rising, and what recording and class show
            there, dB.
        fits: Name, fit, and usual fit of people's recordings, of every class.
    """

    nearest: str
    scale: float
    hz: Sequence[float]
    residual: Sequence[float]
    lines: Sequence[float]
    fits: Sequence[tuple[str, float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginInputs:
    """What the page is made from.

    Attributes:
        name: Of the file.
        command: What gives the same finding.
        spectrum: None if nothing is enrolled to compare with.
    """

    name: str
    command: str
    finding: OriginFinding
    spectrum: Spectrum | None


def render_origin(inputs: OriginInputs) -> str:
    """Return the report as one self-contained HTML document.

    Works offline, printed and without scripts; all foreign text is escaped.

    Returns:
        The document; encode it as UTF-8.
    """
    style = resource("report.css") + resource("matches.css")
    script = resource("report.js")
    finding = inputs.finding
    page: str = (
        environment()
        .get_template("origin.html.j2")
        .render(
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
            headline=_headline(finding),
            name=plain(inputs.name),
            description=plain(finding.description, 2_000),
            counts=_counts(finding),
            figures=[Markup(svg) for svg in _figures(inputs)],
            evidence=[_row(e) for e in finding.evidence],
            command=plain(inputs.command, 500),
        )
    )
    return page


def _headline(finding: OriginFinding) -> str:
    if finding.verdict == "human":
        return "No trace of a generator"
    if finding.verdict == "unknown":
        return "It cannot be said who made this"
    if finding.generator:
        return f"Made by {plain(finding.generator)}"
    return "Generated, and no generator can be named"


def _counts(finding: OriginFinding) -> list[tuple[str, str]]:
    return [
        ("verdict", finding.verdict),
        ("probability", fixed(finding.probability, 3)),
        ("of recordings by people said so", _rare(finding.false_positive_rate)),
    ]


def _figures(inputs: OriginInputs) -> list[str]:
    measured = [
        (plain(e.kind, 28), max(e.p_value, 1e-300))
        for e in inputs.finding.evidence
        if e.p_value is not None
    ]
    found = []
    if measured:
        found.append(
            p_values_svg(measured, limit=_LIMIT, title="Each evidence by itself")
        )
    if spectrum := inputs.spectrum:
        name = plain(spectrum.nearest, 40)
        moved = (
            "" if abs(spectrum.scale - 1) < 2e-3 else f", times {spectrum.scale:.4f}"
        )
        found.append(
            residual_svg(
                spectrum.hz, spectrum.residual, spectrum.lines,
                title=f"The residual, and over it the lines of {name}{moved}",
            )
        )  # fmt: skip
        best = sorted(spectrum.fits, key=lambda row: -row[1])[:_N_CLASSES]
        rows = [(plain(name, 28), fit, usual) for name, fit, usual in best]
        found.append(evidence_svg(rows, title="How well each class fits"))
    return found


def _row(evidence: OriginEvidence) -> tuple[str, ...]:
    p_value = evidence.p_value
    return (
        plain(evidence.kind),
        f"{evidence.score:.4g}",
        "a claim" if p_value is None else _rare(p_value),
        plain(evidence.detail, 300),
    )


def _rare(p_value: float) -> str:
    return probability(p_value if p_value > _RAREST else 0.0)
