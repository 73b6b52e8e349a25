"""`contrafact index build|show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from contrafact.cli._options import (
    JsonOption,
    ModelOption,
    UnlicensedOption,
    WorkspaceOption,
    open_workspace,
)
from contrafact.cli._output import (
    print_json,
    print_lines,
    print_next,
    print_rows,
    print_stamp,
)
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from contrafact.workflows.index import IndexRecord

__all__ = ["app"]

app = typer.Typer(help="Attribution indexes: what makes answers fast.")


@app.command("build")
def build(
    model: ModelOption,
    unlicensed_research: UnlicensedOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the index that attribution by a model reads.

    It keeps, for every recording the model was trained on, how the recording
    pulls the model; listens for copies among them, which share what one of them
    would have; and measures how well the model knows some of them, since for a song
    that it knows less nobody is named. Run it again after it was interrupted: it
    goes on where it stopped.

    Example:
        contrafact index build --model mine -w ws

    Next: contrafact attribute song.flac --model mine.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.index import build_index

    with show_progress(as_json=as_json) as progress:
        index = build_index(
            opened,
            model=model,
            unlicensed_research=unlicensed_research,
            progress=progress,
        )
    if as_json:
        print_json(index)
    else:
        print_lines(
            f"Built the index {index.id} of {index.n_recordings} recording(s), "
            f"{_size(index)}."
        )
        print_stamp(index.stamp)
        words = ("attribute", "AUDIO", "--model", index.model_id)
        print_next(*words, workspace=workspace)


@app.command("show")
def show(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show the indexes of the workspace, and what they were built for.

    Example:
        contrafact index show -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.index import find_indexes

    indexes = find_indexes(opened)
    if as_json:
        print_json({"indexes": indexes})
    elif indexes:
        rows = [
            (i.id, i.model_id, i.n_recordings, i.n_windows, _size(i), i.stamp or None)
            for i in indexes
        ]
        print_rows(("id", "model", "recordings", "windows", "size", "mark"), rows)
    else:
        print_lines("No indexes. Build one: contrafact index build --model MODEL")


def _size(index: IndexRecord) -> str:
    return f"{index.bytes_total / 1e6:.1f} MB"
