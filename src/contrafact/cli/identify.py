"""`contrafact identify`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._options import (
    EncoderOption,
    JsonOption,
    ReportOption,
    WorkspaceOption,
    named_workspace,
    open_workspace,
)
from contrafact.cli._output import print_json, print_lines, print_rows
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from contrafact.workflows.identify import Identified

__all__ = ["identify", "show_record"]

_UNREADABLE = 4


def identify(
    audio: Annotated[
        Path,
        typer.Argument(metavar="AUDIO", show_default=False, help="What to look into."),
    ],
    *,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", min=1.0, metavar="N", help="Listen to so much of it."
        ),
    ] = 600.0,
    encoder: EncoderOption = None,
    report: ReportOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which known recordings and works are in a piece of audio.

    A recording is found again through other codecs, noise, other speed and
    pitch, and in mixes; a work in other performances, by melody, harmony and
    rhythm apart. What is not certain is not named. It is likeness, never
    influence, and no proof of copying.

    --encoder adds what a published network hears, such as CLEWS or CLAP, whose
    weights you have: contrafact encoder list.

    Only recordings of the workspace's catalog are known. The exit code is 4 if
    the file cannot be read; there is a record of it all the same.

    Example:
        contrafact identify upload.mp3 -w ws --report matches.html
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.encoders import named_encoders
    from contrafact.workflows.identify import identify as run

    words = ["contrafact", "identify", str(audio)]
    words += [word for name in encoder or () for word in ("--encoder", name)]
    words += ["-w", str(named_workspace(workspace))]
    with show_progress(as_json=as_json) as progress:
        found = run(
            opened,
            audio,
            most_s=seconds,
            encoders=named_encoders(encoder or ()),
            report=report,
            progress=progress,
            command=shlex.join(words),
        )
    if as_json:
        print_json(found.to_json())
    else:
        _print(found, report)
    if not found.evidence.digest or (
        found.evidence.problem and not found.evidence.duration_s
    ):
        typer.echo(f"error: {found.evidence.problem}", err=True)
        raise typer.Exit(_UNREADABLE)


def _print(found: Identified, report: Path | None) -> None:
    record = found.to_json()
    show_record(record)
    if not record["recordings"] and not record["works"]:
        print_lines(_nothing(record, found.n_recordings))
    if report is not None:
        print_lines(f"Report: {report}")
    print_lines("Likeness is evidence, never influence and never proof of copying.")


def _nothing(record: dict[str, Any], n_recordings: int) -> str:
    """Return what an empty record says: no more than was looked for."""
    unmeasured = record["not_measured"]
    if record["problem"] or {"recordings", "works"} <= set(unmeasured):
        return "Nothing was looked for in it, so nothing is said about it."
    works = "" if "works" in unmeasured else "nor a work of theirs, "
    said = f"None of the {n_recordings} recording(s) of the catalog is in it, {works}"
    unsaid = " Works were not looked for." if "works" in unmeasured else ""
    return f"{said}as far as can be said with certainty.{unsaid}"


def show_record(record: dict[str, Any]) -> None:
    """Print what was recognised in one file."""
    print_lines(f"{record['file']}: {record['duration_s']:.1f} s")
    for text in (record["problem"], *record["notices"]):
        if text:
            print_lines(f"note: {text}")
    if record["recordings"]:
        columns = ("recording", "artist", "here", "there", "pitch", "tempo", "false by")
        print_rows(columns, map(_recording_row, record["recordings"]))
    if record["works"]:
        print_rows(
            ("work", "joint p", "melody p", "harmony p", "rhythm p", "transposed"),
            map(_work_row, record["works"]),
        )
    for name, matches in record.get("encoders", {}).items():
        if not matches:
            print_lines(f"{name}: like nothing in the catalog, as far as can be said.")
            continue
        heads = (f"like, to {name}", "artist", "nearness", "p", "here", "there")
        print_rows(heads, map(_encoder_row, matches))


def _recording_row(match: dict[str, Any]) -> tuple[object, ...]:
    return (
        match["title"],
        match["artist"],
        f"{match['query_start_s']:.1f}–{match['query_end_s']:.1f} s",
        f"{match['reference_start_s']:.1f}–{match['reference_end_s']:.1f} s",
        f"{match['pitch_semitones']:+.2f}",
        f"{match['tempo_ratio']:.3f}",
        f"{match['false_match_probability']:.1e}",
    )


def _encoder_row(match: dict[str, Any]) -> tuple[object, ...]:
    best = match["intervals"][0]
    return (
        match["title"],
        match["artist"],
        f"{match['score']:.3f}",
        f"{match['p_value']:.1e}",
        f"{best['query_start_s']:.1f}–{best['query_end_s']:.1f} s",
        f"{best['reference_start_s']:.1f}–{best['reference_end_s']:.1f} s",
    )


def _work_row(match: dict[str, Any]) -> tuple[object, ...]:
    aspects = (match["aspects"].get(a) for a in ("melody", "harmony", "rhythm"))
    return (
        match["title"],
        f"{match['joint']:.1e}",
        *(None if a is None else f"{a['p_value']:.1e}" for a in aspects),
        f"{match['transposition_semitones']:+.0f}",
    )
