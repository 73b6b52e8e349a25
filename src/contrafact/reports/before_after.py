"""What retraining without withdrawn works did, as Markdown and as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from contrafact.reports._format import DASH, plain

__all__ = ["render_before_after_html", "render_before_after_markdown"]

_GROUPS = {
    "withdrawn": "withdrawn",
    "kept": "kept",
    "never_trained": "never trained on",
}
_MODELS = {
    "before": "before (contaminated)",
    "after": "after (retrained)",
    "bridge": "bridge (not removal)",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;margin:1rem 0}"
    "th,td{border:1px solid #bbb;padding:.3rem .7rem;text-align:left}"
    "code{overflow-wrap:anywhere}"
)


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading with paragraphs and a table."""

    title: str
    paragraphs: Sequence[str]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def render_before_after_markdown(document: Mapping[str, Any]) -> str:
    """Return the report on a succession as Markdown.

    Args:
        document: As `contrafact retrain --json` prints it.
    """
    parts = []
    for number, section in enumerate(_sections(document)):
        parts.append(f"{'#' if not number else '##'} {section.title}")
        parts += section.paragraphs
        if section.rows:
            cells = [[cell.replace("|", "\\|") for cell in row] for row in section.rows]
            lines = [section.columns, ["---"] * len(section.columns), *cells]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def render_before_after_html(document: Mapping[str, Any]) -> str:
    """Return the report on a succession as one HTML page that needs nothing else.

    Args:
        document: As `contrafact retrain --json` prints it.
    """
    sections = _sections(document)
    body = []
    for number, section in enumerate(sections):
        level = 2 if number else 1
        body.append(f"<h{level}>{escape(section.title)}</h{level}>")
        body += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
        if section.rows:
            head = "".join(f"<th>{escape(cell)}</th>" for cell in section.columns)
            rows = "".join(
                f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
                for row in section.rows
            )
            body.append(f"<table><tr>{head}</tr>{rows}</table>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(sections[0].title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _sections(d: Mapping[str, Any]) -> list[_Section]:
    sections = [
        _Section(
            f"Release {d['release']} in place of {d['replaces']}",
            [
                f"Trained anew from {d['n_kept']} recordings, without "
                f"{len(d['left_out'])} that may not be used any more.",
                f"Corpus root {d['corpus_root']}.",
                d["statement"],
            ],
        ),
        _Section(
            "Not in it",
            [
                "Each file below is proved absent from the corpus that the release "
                "binds, by its two neighbours in the sorted tree."
            ],
            ("recording", "title", "proof"),
            [
                (plain(x["recording"]), plain(x["title"]), plain(x["proof"]))
                for x in d["left_out"]
            ],
        ),
    ]
    if "comparison" in d:
        sections += _comparison(d["comparison"])
    if "bridge" in d:
        sections.append(_bridge(d["bridge"], d.get("comparison", {})))
    return sections


def _comparison(c: Mapping[str, Any]) -> list[_Section]:
    names = [name for name in _MODELS if name in c["models"]]
    groups = [g for g in _GROUPS if g in c["models"]["before"]["loss"]]
    losses = [
        [_MODELS[m], *(_mean(c["models"][m]["loss"][g]) for g in groups)] for m in names
    ]
    rises = [
        [_MODELS[m], *(_mean(c["rise"][m][g]) for g in groups)]
        for m in names
        if m in c["rise"]
    ]
    found = [
        [_MODELS[m], who, *_found(c["models"][m][f"{key}_against_never_trained"])]
        for m in names
        for key, who in (("withdrawn", "withdrawn"), ("kept", "kept: known members"))
    ]
    heads = [_GROUPS[g] for g in groups]
    return [
        _Section("Mean loss", [_WITH_INTERVAL], ["model", *heads], losses),
        _Section("Rise of the loss", [_WITH_INTERVAL], ["model", *heads], rises),
        _Section(
            "Membership inference",
            [_WHAT_IT_SAYS],
            ("model", "supposed members", "area (AUC)", "power", "false positives"),
            found,
        ),
    ]


def _bridge(bridge: Mapping[str, Any], comparison: Mapping[str, Any]) -> _Section:
    residual = comparison.get("bridge_residual", {})
    return _Section(
        "Bridge",
        [
            f"Model {bridge['model']}, release {bridge['release']}: {bridge['label']}.",
            "What is left of the difference to the retrained model, in loss:",
        ],
        ("recordings", "bridge less retrained"),
        [[_GROUPS[g], _mean(value)] for g, value in residual.items()],
    )


_WITH_INTERVAL = (
    "Mean over recordings with its 90 % interval, at noise draws that all models "
    "share; n is the number of recordings."
)
_WHAT_IT_SAYS = (
    "Whether low loss tells recordings from those that were never trained on. An "
    "area of 0.5 says that it tells nothing. Read the first row of a model by its "
    "second: where even known members are not found, not finding the withdrawn ones "
    "says nothing."
)


def _mean(value: Mapping[str, Any]) -> str:
    text = f"{value['mean']:.4f}"
    if value["interval"]:
        text += f" ({value['interval']['low']:.4f} to {value['interval']['high']:.4f})"
    return f"{text}, n = {value['n']}"


def _found(m: Mapping[str, Any]) -> list[str]:
    if m["area"] is None:
        return [DASH, DASH, DASH]
    kinds = ("area", "power", "false_positive")
    values = (m["area"], m["power"], m["false_positive_rate"])
    return [
        f"{value:.2f} ({m[f'{kind}_interval']['low']:.2f} to "
        f"{m[f'{kind}_interval']['high']:.2f})"
        for kind, value in zip(kinds, values, strict=True)
    ]
