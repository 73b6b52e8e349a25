"""`contrafact screen`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from contrafact.cli._options import WorkspaceOption, open_workspace
from contrafact.cli._output import print_lines
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from contrafact.workflows.screen import NameStream

__all__ = ["screen"]


def screen(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            show_default=False,
            help="Files and folders; - reads names of files from standard input.",
        ),
    ],
    *,
    seconds: Annotated[
        float,
        typer.Option("--seconds", min=1.0, metavar="N", help="Listen to so much."),
    ] = 60.0,
    workers: Annotated[
        int, typer.Option("--workers", min=1, metavar="N", help="Processes.")
    ] = 2,
    anew: Annotated[
        bool, typer.Option("--anew", help="Screen again what has a record already.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each upload.")
    ] = False,
) -> None:
    """Screen a stream of uploads: which hold known recordings or works.

    Each upload gets one record, in the order in which they come; one that
    cannot be read gets one that says so. Records are kept in the workspace:
    run it again after it was interrupted, and what is done is not done twice.

    Example:
        contrafact screen uploads/ -w ws --json > records.jsonl
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.screen import Screening, uploads_in
    from contrafact.workflows.screen import screen as run

    how = Screening(most_s=seconds, n_workers=workers, is_anew=anew)
    stream = sys.stdin.buffer if Path("-") in paths else None
    uploads = uploads_in(paths, cast("NameStream | None", stream))
    with show_progress(as_json=as_json) as progress:
        records = run(opened, uploads, how=how, progress=progress)
        counts = _shown(records, as_json=as_json)
    if not as_json:
        print_lines(
            f"{counts['all']} upload(s): {counts['recordings']} hold known recordings, "
            f"{counts['works']} known works, {counts['problem']} could not be heard."
        )


def _shown(records: Iterable[dict[str, Any]], *, as_json: bool) -> dict[str, int]:
    counts = dict.fromkeys(("all", "recordings", "works", "problem"), 0)
    for record in records:
        counts["all"] += 1
        for name in ("recordings", "works", "problem"):
            counts[name] += bool(record[name])
        if as_json:
            typer.echo(json.dumps(record))
        else:
            print_lines(_line(record))
    return counts


def _line(record: dict[str, Any]) -> str:
    if record["problem"]:
        return f"{record['file']}: {record['problem']}"
    found = [
        f"{m['title']} ({m['kind']}, {m['query_start_s']:.0f}–{m['query_end_s']:.0f} s)"
        for m in record["recordings"]
    ]
    found += [f"work {m['title']}" for m in record["works"]]
    return f"{record['file']}: {'; '.join(found) or 'nothing known'}"
