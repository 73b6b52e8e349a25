"""`contrafact models list|show`."""

from __future__ import annotations

from typing import Annotated

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_rows, to_json

__all__ = ["app"]

app = typer.Typer(help="The models that the workspace holds.")


@app.command("list")
def list_(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the models of the workspace.

    Example:
        contrafact models list -w ws

    Next, everything about one of them: contrafact models show MODEL.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.models import all_models

    models = all_models(opened)
    if as_json:
        print_json({"models": models})
    elif models:
        rows = [
            (m.id, m.kind, m.recipe, m.n_recordings, m.digest[:12], m.stamp or None)
            for m in models
        ]
        print_rows(("id", "kind", "recipe", "recordings", "digest", "mark"), rows)
    else:
        print_lines("No models. Train one: contrafact train")


@app.command("show")
def show(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", show_default=False, help="As in contrafact models list."
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a model was made from, and with which result.

    Example:
        contrafact models show mine -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.models import find_model
    from contrafact.workflows.stores import home_of

    record = to_json(find_model(home_of(opened, model), model))
    if as_json:
        print_json(record)
    else:
        width = max(map(len, record))
        known = {name: value for name, value in record.items() if value is not None}
        print_lines(*(f"{name:{width}}  {value}" for name, value in known.items()))
