"""`contrafact corpus list|write`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrafact.cli._options import JsonOption, SeedOption
from contrafact.cli._output import print_json, print_lines, print_next, print_rows
from contrafact.cli._progress import show_progress

__all__ = ["app"]

app = typer.Typer(help="Music that contrafact can make, to train on and to measure.")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the corpora that can be written.

    Example:
        contrafact corpus list

    Next, write one: contrafact corpus write NAME DIR.
    """
    from contrafact.workflows.catalog import list_corpora

    corpora = list_corpora()
    if as_json:
        print_json({"corpora": corpora})
    else:
        rows = ((corpus.name, corpus.description) for corpus in corpora)
        print_rows(("name", "what it is"), rows)


@app.command("write")
def write(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", show_default=False, help="As in contrafact corpus list."
        ),
    ],
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", show_default=False, help="A folder without other audio."
        ),
    ],
    recordings: Annotated[
        int, typer.Option("--recordings", min=1, metavar="N", help="For training.")
    ] = 512,
    heldout: Annotated[
        int,
        typer.Option(
            "--heldout",
            min=0,
            metavar="N",
            help="For evaluation, in the subfolder 'heldout'.",
        ),
    ] = 0,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a corpus: audio files, and a metadata.csv beside them.

    Same numbers and same seed give the same bytes. Run it again after it was
    interrupted: files that are there are kept.

    Example:
        contrafact corpus write scores music --recordings 512

    Next: contrafact ingest music --metadata music/metadata.csv -w ws.
    """
    from contrafact.workflows.catalog import write_corpus

    with show_progress(as_json=as_json) as progress:
        table = write_corpus(
            name,
            directory,
            n_recordings=recordings,
            seed=seed,
            n_heldout=heldout,
            progress=progress,
        )
    if as_json:
        settings = {"n_recordings": recordings, "n_heldout": heldout, "seed": seed}
        places = {"corpus": name, "directory": directory, "metadata": table}
        print_json(places | settings)
    else:
        print_lines(
            f"{recordings} recording(s) of the corpus {name} are in {directory}."
        )
        print_next("ingest", directory, "--metadata", table, workspace=None)
        if heldout:
            print_lines(
                f"The {heldout} held-out one(s) in {directory / 'heldout'} would be "
                "taken in too: move them away first."
            )
