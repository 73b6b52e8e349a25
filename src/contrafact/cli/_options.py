"""Options that many commands share, and the workspace they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafact.core.config import WORKSPACE_VARIABLE, workspace_from_environment
from contrafact.core.errors import ConfigError

if TYPE_CHECKING:
    from contrafact.catalog import Workspace

__all__ = [
    "EncoderOption",
    "JsonOption",
    "ModelOption",
    "ReportOption",
    "SeedOption",
    "UnlicensedOption",
    "WorkspaceOption",
    "named_workspace",
    "open_workspace",
]

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="DIR",
        show_default=False,
        help=f"The workspace to use. If not given, {WORKSPACE_VARIABLE} names it.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document on standard output and nothing else there.",
    ),
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="MODEL",
        show_default=False,
        help="A model of the workspace, as listed by 'contrafact models list'.",
    ),
]
EncoderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        metavar="NAME=FOLDER",
        show_default=False,
        help="Ask a published network, too; FOLDER holds its weights. May be repeated.",
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        show_default=False,
        help="Write an HTML report there: one file, readable offline.",
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed", min=0, max=2**63 - 1, metavar="N", help="Same seed, same result."
    ),
]
UnlicensedOption = Annotated[
    bool,
    typer.Option(
        "--unlicensed-research",
        help="Go on whatever the consents say. What is made is marked for good.",
    ),
]


def named_workspace(option: Path | None) -> Path:
    """Return the folder named by `-w`, else by the environment.

    Raises:
        ConfigError: If neither names one.
    """
    root = option or workspace_from_environment()
    if root is None:
        raise ConfigError(
            f"No workspace is named. Give -w DIR, or set {WORKSPACE_VARIABLE}."
        )
    return root


def open_workspace(option: Path | None) -> Workspace:
    """Open the workspace named by `-w`, else by the environment.

    Raises:
        ConfigError: If neither names one.
        WorkspaceMissingError: If there is none in that place.
    """
    root = named_workspace(option)
    from contrafact.workflows.catalog import open_workspace as open_

    return open_(root)
