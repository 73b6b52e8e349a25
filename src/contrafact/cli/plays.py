"""`contrafact plays ingest|template`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_next
from contrafact.cli._progress import show_progress

__all__ = ["app"]

app = typer.Typer(help="What was played: into the journal, each play once.")


@app.command("ingest")
def ingest(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="JSON lines, CSV or Parquet; - for standard input.",
        ),
    ],
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            show_default=False,
            help="Where to write refused rows with reasons, as JSON lines. If not "
            "given, beside the file.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take plays into the journal, durably, each once and for good.

    A play counts once by its event_id, however often and in whatever order it
    comes. Interrupted, the same command goes on where it stopped. Songs that
    have an attribution and no split plan get one, see 'contrafact ledger plan';
    money of songs without one is held.

    Example:
        contrafact plays ingest plays.jsonl -w ws

    Next, see who is owed what: contrafact ledger balance.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.plays import ingest_plays

    source = sys.stdin.buffer if file == "-" else Path(file)
    with show_progress(as_json=as_json) as progress:
        report = ingest_plays(opened, source, rejects=rejects, progress=progress)
    if as_json:
        print_json(report)
    else:
        print_lines(
            f"{report.n_new} new, {report.n_known} known, {report.n_rejected} refused "
            f"of {report.n_read} rows."
        )
        if report.n_resumed:
            print_lines(f"{report.n_resumed} rows had been read before.")
        if report.rejects is not None:
            print_lines(f"What was refused, and why: {report.rejects}")
        print_next("ledger", "balance", workspace=workspace)
    if report.n_rejected and not report.n_new + report.n_known:
        raise typer.Exit(1)


@app.command("template")
def template(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Print one valid play of the workspace, and what its fields mean.

    Example:
        contrafact plays template --json -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.ledger.codecs import PLAY_FIELDS
    from contrafact.workflows.plays import play_template

    event = play_template(opened)
    if as_json:
        print_json(event)
        return
    for name, meaning in PLAY_FIELDS.items():
        print_lines(f"{name}: {event[name]!r}  ({meaning})")
