"""`contrafact encoder`: published networks that can listen too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrafact.cli._options import JsonOption
from contrafact.cli._output import print_json, print_lines, print_rows

__all__ = ["app"]

app = typer.Typer(
    help="Published networks that hear likeness, from weights that you have."
)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the encoders that can be loaded, and what a folder of each must hold.

    Nothing is fetched. Download the weights where their makers publish them, mind
    their licence, and name the folder: contrafact identify AUDIO --encoder NAME=FOLDER

    Example:
        contrafact encoder list
    """
    from contrafact.matching.encoders.registry import ENCODERS

    if as_json:
        fields = ("meaning", "published", "licence", "files")
        plain = {
            name: {field: getattr(known, field) for field in fields}
            for name, known in ENCODERS.items()
        }
        print_json({"encoders": plain})
        return
    rows = [
        (name, known.meaning, known.licence, known.published, ", ".join(known.files))
        for name, known in ENCODERS.items()
    ]
    print_rows(("encoder", "hears", "licence", "published", "folder holds"), rows)


@app.command("convert")
def convert(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", show_default=False, help="As in contrafact encoder list."
        ),
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", show_default=False, help="The published file."
        ),
    ],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", show_default=False, help="Where the encoder shall be."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Make safetensors of a checkpoint that PyTorch wrote, and try to load them.

    Such a file is a pickle, which can run code when it is opened. It is read here
    without running any. What lies beside it, such as config.json, is copied along.

    Example:
        contrafact encoder convert clews checkpoint_best.ckpt weights/clews
    """
    from contrafact.workflows.encoders import WEIGHTS, convert_weights

    made = convert_weights(name, source, folder)
    facts = {
        "encoder": made.name,
        "weights": str(folder / WEIGHTS),
        "dimension": made.dimension,
        "sample_rate": made.sample_rate,
        "window_s": made.window_s,
        "digest": made.digest,
    }
    if as_json:
        print_json(facts)
        return
    print_lines(
        f"{folder / WEIGHTS}: {made.dimension} numbers for every {made.window_s:g} s "
        f"of audio at {made.sample_rate} Hz."
    )
    print_lines(f"Next: contrafact identify AUDIO --encoder {name}={folder}")
