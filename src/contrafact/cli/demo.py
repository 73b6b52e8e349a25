"""`contrafact demo`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafact.cli._options import JsonOption, SeedOption, WorkspaceOption
from contrafact.cli._output import print_json, print_lines
from contrafact.cli._progress import show_progress
from contrafact.cli.verify import print_verification
from contrafact.core.config import has_display, workspace_from_environment
from contrafact.core.parallel import start_server
from contrafact.core.results import attribution_to_json, verification_to_json

if TYPE_CHECKING:
    from contrafact.workflows.demo import DemoResult

__all__ = ["demo"]

_DEFAULT_ROOT = Path("demo")


def demo(
    workspace: WorkspaceOption = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Name the report; do not open it.")
    ] = False,
    corpus: Annotated[
        str,
        typer.Option("--corpus", metavar="NAME", help="As in contrafact corpus list."),
    ] = "scores",
    recordings: Annotated[
        int,
        typer.Option("--recordings", min=1, metavar="N", help="How many to train on."),
    ] = 512,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            metavar="TEXT",
            show_default=False,
            help="What to generate. If not given, something that fits the corpus.",
        ),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Show the whole of it: from recordings to a checked answer, and a report.

    It renders a catalog of real works, trains a model on it from scratch,
    generates a song, says which recordings shaped it, trains again without
    those to check, and opens the report in a browser. It takes some minutes on
    two cores. Run it again after it was interrupted: it goes on where it stopped.

    Example:
        contrafact demo -w demo

    Without -w and CONTRAFACT_WORKSPACE the workspace is the folder 'demo'.

    Next, the same with your own music: contrafact init, contrafact ingest.
    """
    root = workspace or workspace_from_environment() or _DEFAULT_ROOT
    start_server("contrafact.workflows.demo")  # it imports while this one does
    from contrafact.workflows.demo import run_demo

    with show_progress(as_json=as_json) as progress:
        result = run_demo(
            root,
            corpus=corpus,
            n_recordings=recordings,
            prompt=prompt,
            seed=seed,
            progress=progress,
        )
    if as_json:
        _print_document(result)
        return
    _print(result)
    if not no_open and has_display():
        webbrowser.open(result.report.resolve().as_uri())


def _print_document(result: DemoResult) -> None:
    print_json(
        {
            "attribution": attribution_to_json(result.attribution),
            "verification": verification_to_json(result.verification),
            "report": result.report,
        }
    )


def _print(result: DemoResult) -> None:
    from contrafact.reports import headline

    print_lines(headline(result.attribution), "")
    print_verification(result.verification)
    print_lines("", f"Report: {result.report}")
