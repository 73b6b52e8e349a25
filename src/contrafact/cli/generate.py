"""`contrafact generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrafact.cli._marks import chosen_watermark, say_new_key
from contrafact.cli._options import (
    JsonOption,
    ModelOption,
    SeedOption,
    WorkspaceOption,
    open_workspace,
)
from contrafact.cli._output import print_json, print_lines, print_next, print_stamp

__all__ = ["generate"]


def generate(  # noqa: PLR0913 - every option is an argument
    prompt: Annotated[
        str,
        typer.Argument(
            metavar="PROMPT",
            show_default=False,
            help="What to play, as in 'a lively rag in the style of Scott Joplin'.",
        ),
    ],
    model: ModelOption,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            show_default=False,
            help="Where to write the song; .wav or .flac.",
        ),
    ],
    seed: SeedOption = 0,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", help="Length of the song.")
    ] = 8.0,
    steps: Annotated[
        int,
        typer.Option(
            "--steps", min=1, max=1000, metavar="N", help="Steps of the sampler."
        ),
    ] = 40,
    guidance: Annotated[
        float,
        typer.Option(
            "--guidance", metavar="G", help="How closely to follow the prompt; 1: free."
        ),
    ] = 2.0,
    no_mark: Annotated[
        str | None,
        typer.Option(
            "--no-mark",
            metavar="REASON",
            show_default=False,
            help="Leave out content credentials; the register keeps the reason.",
        ),
    ] = None,
    watermark: Annotated[
        str | None,
        typer.Option(
            "--watermark",
            metavar="[NAME]",
            show_default=False,
            help="Put a mark inside the sound, too; patchwork if no name is given.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Generate a song from a prompt.

    Prompt, seed and the digest of the model are written into the file's tags,
    and signed content credentials say that a model made it. Same model, prompt
    and seed give the same samples; signatures differ each time.

    Example:
        contrafact generate "a slow waltz" --model mine -o song.flac -w ws

    Next: contrafact attribute song.flac --model mine.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.generate import generate as run

    song = run(
        opened,
        prompt,
        model=model,
        seed=seed,
        seconds=seconds,
        out=out,
        n_steps=steps,
        guidance=guidance,
        unmarked_because=no_mark,
        watermark=chosen_watermark(watermark, None),
    )
    say_new_key(song.marked)
    if as_json:
        print_json(song)
    else:
        print_lines(f"Wrote {song.duration_s:.1f} s of music to {song.path}.")
        print_stamp(song.stamp)
        print_lines(*song.notices)
        words = ("attribute", song.path, "--model", song.model_id)
        print_next(*words, workspace=workspace)
