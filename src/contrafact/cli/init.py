"""`contrafact init`."""

from __future__ import annotations

from typing import Annotated

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, named_workspace
from contrafact.cli._output import print_json, print_lines, print_next

__all__ = ["init"]


def init(
    workspace: WorkspaceOption = None,
    catalog_url: Annotated[
        str | None,
        typer.Option(
            "--catalog-url",
            metavar="URL",
            show_default=False,
            help="Keep the catalog in this database, as in postgresql://USER@HOST/NAME."
            " If not given, in a file of the workspace.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace: the folder that keeps catalog, models and answers.

    Where there is one already, nothing is changed.

    Example:
        contrafact init -w ws

    Next, fill its catalog: contrafact ingest, or contrafact corpus write.
    """
    from contrafact.workflows.catalog import init_workspace

    root = named_workspace(workspace)
    _, is_new = init_workspace(root, catalog_url=catalog_url)
    if as_json:
        print_json({"workspace": root, "is_new": is_new})
    elif is_new:
        print_lines(f"Made the workspace {root}.")
        print_next("ingest", "PATH...", workspace=workspace)
    else:
        print_lines(f"There is a workspace in {root} already; nothing was changed.")
