"""What `attribute --without-model` does and prints."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafact.cli._output import print_json, print_lines, print_rows
from contrafact.cli._progress import show_progress
from contrafact.cli.identify import show_record

if TYPE_CHECKING:
    from contrafact.catalog import Workspace
    from contrafact.workflows.without_model import WithoutModel

__all__ = ["Asking", "show_evidence"]

_N_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is asked of a song without its model, as the user gave it."""

    by: str
    encoders: Sequence[str]
    report: Path | None


def show_evidence(
    workspace: Workspace, audio: Path, asked: Asking, *, place: Path, as_json: bool
) -> None:
    """Attribute a song without its model, and print what was found."""
    from contrafact.workflows.encoders import named_encoders
    from contrafact.workflows.without_model import attribute_without_model

    words = ["contrafact", "attribute", str(audio), "--without-model"]
    words += [word for name in asked.encoders for word in ("--encoder", name)]
    words += ["-w", str(place)]
    with show_progress(as_json=as_json) as progress:
        found = attribute_without_model(
            workspace,
            audio,
            by=asked.by,
            encoders=named_encoders(asked.encoders),
            report=asked.report,
            progress=progress,
            command=shlex.join(words),
        )
    if as_json:
        print_json(found.to_json())
        return
    _print(found)
    if asked.report is not None:
        print_lines(f"Report: {asked.report}")


def _print(found: WithoutModel) -> None:
    document = found.to_json()
    record = {**_record(document), "duration_s": found.evidence.duration_s}
    show_record(record)
    style = document["layers"]["style"]
    if isinstance(style, list) and style:
        rows = (
            (m["title"], m["artist"], f"{m['score']:.2f}", f"{m['p_value']:.1e}")
            for m in style
        )
        print_rows(("alike in sound", "artist", "likeness", "p"), rows)
    print_rows(
        ("layer", "overlap", "rank-1 energy", "concentration", "own", "verdict"),
        (_collapse_row(c) for c in document["collapse"]),
    )
    if document["studio_map"] is not None:
        _print_map(document["studio_map"])
    print_lines("Likeness is evidence, never influence and never proof of copying.")


def _record(document: dict[str, Any]) -> dict[str, Any]:
    layers = document["layers"]
    recordings = [*layers["same_recording"], *layers["partial_reuse"]]
    return {
        **document,
        "recordings": recordings,
        "works": layers["work"],
        "encoders": layers["encoders"],
    }


def _collapse_row(found: dict[str, Any]) -> tuple[object, ...]:
    figures = ("overlap", "rank1_energy", "concentration", "own_overlap")
    verdict = f"REFUSED: {found['reason']}" if found["is_generic"] else "kept"
    return (found["layer"], *(f"{found[name]:.2f}" for name in figures), verdict)


def _print_map(found: dict[str, Any]) -> None:
    low, high = found["rank_interval"]
    if not found["expected"]:
        print_lines(f"No expected shares: {found['no_answer']}.")
        return
    rows = [(e["source"], f"{e['share']:.1%}") for e in found["expected"][:_N_SHOWN]]
    print_rows((found["by"], "share such evidence had on the studio model"), rows)
    print_lines(
        f"On {found['n_songs']} songs of the studio model that this map was not "
        f"fitted on, its rank correlation with retraining was "
        f"{found['rank_correlation']:.2f} ({low:.2f} to {high:.2f}), and a share was "
        f"off by {found['mean_error']:.3f} on average ({found['uniform_error']:.3f} if "
        "all were equal). On another model its error is not known."
    )
