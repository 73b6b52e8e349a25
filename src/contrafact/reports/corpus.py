"""The report of a corpus audit: what is known in it, and what is in it twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from contrafact.reports._format import clock, plain
from contrafact.reports._match_figures import probability
from contrafact.reports._page import environment, policy, resource

__all__ = ["render_corpus"]

_N_ROWS = 500
Json = Mapping[str, Any]


def render_corpus(audit: Json) -> str:
    """Return the report of an audit as one self-contained HTML document.

    Up to 500 rows of each kind are shown; the lines of JSON hold all.

    Args:
        audit: As `CorpusAudit.to_json` gives it.

    Returns:
        The document; encode it as UTF-8.
    """
    style = resource("report.css") + resource("matches.css")
    script = resource("report.js")
    files = audit["files"]
    known = [row for f in files for row in _known(f)]
    works = [row for f in files for row in _works(f)]
    twins = [row for f in files for row in _twins(f)]
    lost = [(plain(f["file"]), plain(f["problem"])) for f in files if f["problem"]]
    page: str = (
        environment()
        .get_template("corpus.html.j2")
        .render(
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
            headline=_headline(audit),
            directory=plain(audit["directory"]),
            counts=_counts(audit),
            n_recordings=audit["n_recordings"],
            n_rows=_N_ROWS,
            sections=[
                _section("known", "Known recordings", known,
                         ("File", "Recording", "What", "Here", "There", "False by")),
                _section("works", "Known works, other performances", works,
                         ("File", "Work", "Joint", "Melody", "Harmony", "Rhythm")),
                _section("twins", "Twins in the corpus", twins,
                         ("File", "Other file", "What", "Here", "There", "False by")),
                _section("lost", "Could not be heard", lost, ("File", "Why")),
            ],
        )
    )  # fmt: skip
    return page


def _headline(audit: Json) -> str:
    n, known = audit["n_files"], audit["n_known_recordings"]
    if not n:
        return "There is no file in this corpus"
    files = "file" if n == 1 else "files"
    return f"{known:,} of {n:,} {files} hold known recordings"


def _counts(audit: Json) -> list[tuple[str, str]]:
    names = {
        "n_files": "files",
        "n_known_recordings": "hold known recordings",
        "n_known_works": "other performances of known works",
        "n_duplicated": "have a twin in the corpus",
        "n_unreadable": "could not be heard",
    }
    return [(text, f"{audit[name]:,}") for name, text in names.items()]


def _section(
    anchor: str, title: str, rows: Sequence[Sequence[str]], columns: Sequence[str]
) -> dict[str, Any]:
    return {
        "anchor": anchor,
        "title": title,
        "rows": rows[:_N_ROWS],
        "columns": columns,
        "n": len(rows),
    }


def _known(file: Json) -> list[tuple[str, ...]]:
    if not isinstance(file["recordings"], list):
        return []
    return [
        (plain(file["file"]), _named(m), m["kind"], *_spans(m), _p(m))
        for m in file["recordings"]
    ]


def _works(file: Json) -> list[tuple[str, ...]]:
    if file["recordings"] or not isinstance(file["works"], list):
        return []
    return [
        (
            plain(file["file"]),
            plain(m["title"]),
            probability(m["joint"]),
            *(_aspect(m, name) for name in ("melody", "harmony", "rhythm")),
        )
        for m in file["works"]
    ]


def _twins(file: Json) -> list[tuple[str, ...]]:
    names = {"exact": "same bytes", "near": "same recording", "part": "a part"}
    return [
        (
            plain(file["file"]),
            plain(d["file"]),
            names[d["kind"]],
            *(_spans(d) if d["kind"] != "exact" else ("all", "all")),
            _p(d) if d["kind"] != "exact" else "–",
        )
        for d in file["duplicates"]
    ]


def _named(match: Json) -> str:
    artist = f", {match['artist']}" if match["artist"] else ""
    return plain(f"{match['title']}{artist}")


def _spans(match: Json) -> tuple[str, str]:
    return (
        f"{clock(match['query_start_s'])}–{clock(match['query_end_s'])}",
        f"{clock(match['reference_start_s'])}–{clock(match['reference_end_s'])}",
    )


def _p(match: Json) -> str:
    return probability(match["false_match_probability"])


def _aspect(match: Json, name: str) -> str:
    aspect = match["aspects"].get(name)
    return "–" if aspect is None else probability(aspect["p_value"])
