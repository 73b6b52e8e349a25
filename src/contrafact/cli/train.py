"""`contrafact train`."""

from __future__ import annotations

from typing import Annotated

import typer

from contrafact.cli._options import (
    JsonOption,
    SeedOption,
    UnlicensedOption,
    WorkspaceOption,
    open_workspace,
)
from contrafact.cli._output import print_json, print_lines, print_next, print_stamp
from contrafact.cli._progress import show_progress

__all__ = ["train"]

# `tiny` learns nothing of use; it is there for trying out and for tests.
_RECIPES = ("quick", "full", "tiny")


def _known_recipe(name: str) -> str:
    if name not in _RECIPES:
        raise typer.BadParameter(f"{name!r} is neither 'quick' nor 'full'")
    return name


def train(
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            metavar="quick|full",
            callback=_known_recipe,
            help="quick: a minute or two on one core. full: half an hour to an hour.",
        ),
    ] = "quick",
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            show_default=False,
            help="What to call the model. If not given, it is named after the recipe.",
        ),
    ] = None,
    seed: SeedOption = 0,
    unlicensed_research: UnlicensedOption = False,
    licensed_only: Annotated[
        bool,
        typer.Option(
            "--licensed-only",
            help="Leave out recordings without live consent, instead of refusing.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a text-to-music model from scratch on the catalog.

    Every recording must have live consent for it, and none may sound like one
    that was withdrawn. Same catalog, recipe and seed give the same model. Run it
    again after it was interrupted: it goes on where it stopped.

    Example:
        contrafact train --recipe quick --name mine -w ws

    Next: contrafact generate, then contrafact index build.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.train import train as run

    with show_progress(as_json=as_json) as progress:
        model = run(
            opened,
            recipe=recipe,
            name=name,
            seed=seed,
            unlicensed_research=unlicensed_research,
            licensed_only=licensed_only,
            progress=progress,
        )
    if as_json:
        print_json(model)
        return
    loss = "" if model.final_loss is None else f", final loss {model.final_loss:.4f}"
    print_lines(
        f"Trained the model {model.id} on {model.n_recordings} recording(s)"
        f" in {model.n_steps} steps{loss}."
    )
    print_stamp(model.stamp)
    words = ("generate", "PROMPT", "--model", model.id, "-o", "song.flac")
    print_next(*words, workspace=workspace)
