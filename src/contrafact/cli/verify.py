"""`contrafact verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from contrafact.cli._options import (
    JsonOption,
    ReportOption,
    WorkspaceOption,
    open_workspace,
)
from contrafact.cli._output import print_json, print_lines, print_rows
from contrafact.cli._progress import show_progress
from contrafact.core.results import Verification, verification_to_json

__all__ = ["print_verification", "verify"]


def verify(
    attribution_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", show_default=False, help="As contrafact attribute gave it."
        ),
    ],
    k: Annotated[
        int | None,
        typer.Option(
            "-k",
            min=1,
            metavar="N",
            show_default=False,
            help="How many of the best recordings to leave out. If not given, "
            "a fitting part of the catalog.",
        ),
    ] = None,
    report: ReportOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check an answer: train again without the recordings it named.

    And again without as many that sound most alike, and without as many random
    ones, from the same seed. The more the song's loss rises without the named
    ones, the better the answer. Whatever comes out is said.

    Example:
        contrafact verify A-4f1c -k 20 --report report.html -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.verify import verify as run

    with show_progress(as_json=as_json) as progress:
        result = run(opened, attribution_id, k=k, report=report, progress=progress)
    if as_json:
        print_json(verification_to_json(result))
        return
    print_verification(result)
    if report is not None:
        print_lines(f"Report: {report}")


def print_verification(result: Verification) -> None:
    """Print what came out: the verdict, and the rise of every removal."""
    from contrafact.reports import verdict

    rows = [
        (
            f"{len(r.recording_ids)} {r.kind}",
            f"{r.loss:.4f}",
            f"{r.rise:+.4f}",
            f"{r.rise_interval.low:+.4f} to {r.rise_interval.high:+.4f}",
        )
        for r in result.removals
    ]
    columns = ("trained without", "loss", "rise", "90 % interval")
    print_rows(columns, [("nothing", f"{result.loss:.4f}", "", ""), *rows])
    print_lines(verdict(result))
