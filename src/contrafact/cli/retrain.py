"""`contrafact retrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_next, to_json
from contrafact.cli._progress import show_progress

__all__ = ["retrain"]


def retrain(
    release: Annotated[
        str,
        typer.Argument(
            metavar="RELEASE",
            show_default=False,
            help="Id of a release or how it begins, or the name of its model.",
        ),
    ],
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            show_default=False,
            help="What to call the new model. If not given, NAME-r2, -r3 and so on.",
        ),
    ] = None,
    never_trained: Annotated[
        Path | None,
        typer.Option(
            "--never-trained",
            metavar="DIR",
            show_default=False,
            help="Recordings that no model was trained on, to compare losses with.",
        ),
    ] = None,
    bridge: Annotated[
        bool,
        typer.Option(
            "--bridge",
            help="Also make a model by approximate unlearning, which is not removal, "
            "and measure what it leaves.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the successor of a release without what was withdrawn, from new weights.

    It comes with proofs that the withdrawn files are not in its corpus, and a
    report of losses before and after: supporting evidence, never proof. Run it
    again after it was interrupted: it goes on where it stopped.

    Example:
        contrafact retrain V-0a1b --never-trained heldout -w ws

    Next: contrafact audit bundle -o DIR.
    """
    opened = open_workspace(workspace)
    from contrafact.reports.before_after import render_before_after_markdown
    from contrafact.workflows.retrain import retrain_release

    with show_progress(as_json=as_json) as progress:
        done = retrain_release(
            opened,
            release,
            name=name,
            bridge=bridge,
            never_trained=never_trained,
            progress=progress,
        )
    if as_json:
        print_json({**done.document, "files": to_json(done.files)})
        return
    print_lines(*render_before_after_markdown(done.document).splitlines())
    print_lines(f"Model {done.model.id}, release {done.release.id}: {done.files[-1]}")
    print_next("audit", "bundle", "-o", "bundle", workspace=workspace)
