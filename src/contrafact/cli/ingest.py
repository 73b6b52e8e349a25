"""`contrafact ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import plain, print_json, print_lines, print_next
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from contrafact.catalog import IngestReport

__all__ = ["ingest"]


def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", show_default=False, help="Audio files and folders."
        ),
    ],
    metadata: Annotated[
        Path | None,
        typer.Option(
            "--metadata",
            metavar="FILE",
            show_default=False,
            help="A table about the files, CSV or XLSX: a column 'file', and any of "
            "title, artists, work, isrc, iswc, label, release, group, caption.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Take nothing if there is any problem.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take recordings into the catalog; say what could not be taken, and why.

    WAV, FLAC, MP3, Ogg Vorbis and Opus, M4A, of any length, rate and number of
    channels. The workspace keeps its own copy. Run it again after it was
    interrupted, or when files have come: what is there is not read again.

    Example:
        contrafact ingest music/ --metadata music/metadata.csv -w ws

    It ends with exit code 0 if any recording is in the catalog, and with 1 if
    none is. With --json the problems are in the document in either case.

    Next, look at it with contrafact catalog list, then contrafact train.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.ingest import ingest as run

    with show_progress(as_json=as_json) as progress:
        report = run(opened, paths, metadata=metadata, strict=strict, progress=progress)
    if as_json:
        names = ("taken", "unchanged", "problems", "n_consents", "n_reservations")
        print_json({name: getattr(report, name) for name in names})
    else:
        _print(report, workspace)
    if not report.is_success:
        n_problems = len(report.problems)
        typer.echo(f"error: no recording was taken; {n_problems} problem(s)", err=True)
        raise typer.Exit(1)


def _print(report: IngestReport, workspace: Path | None) -> None:
    for problem in report.problems:
        kind = "left out" if problem.is_fatal else "note"
        typer.echo(plain(f"{kind}: {problem}"), err=True)
    if report.is_success:
        print_lines(
            f"{len(report.taken)} recording(s) taken, {len(report.unchanged)} "
            f"unchanged, {len(report.problems)} problem(s)."
        )
        if report.n_consents:
            print_lines(f"{report.n_consents} consent(s) taken from consents.csv.")
        if report.n_reservations:
            print_lines(
                f"{report.n_reservations} reservation(s) that the files declare."
            )
        print_next("train", workspace=workspace)
