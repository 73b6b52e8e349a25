"""`contrafact attribute`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from contrafact.cli._evidence import Asking, show_evidence
from contrafact.cli._options import (
    EncoderOption,
    JsonOption,
    ReportOption,
    WorkspaceOption,
    named_workspace,
    open_workspace,
)
from contrafact.cli._output import (
    print_json,
    print_lines,
    print_next,
    print_table,
)
from contrafact.cli._progress import show_progress
from contrafact.core.results import Attribution, SourceKind, attribution_to_json

__all__ = ["attribute"]

_N_SHOWN = 10
_LEVEL = 0.9


def attribute(  # noqa: PLR0913 - every option is an argument
    audio: Annotated[
        Path,
        typer.Argument(
            metavar="AUDIO", show_default=False, help="The generated song to explain."
        ),
    ],
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            show_default=False,
            help="The model that made it, as listed by 'contrafact models list'.",
        ),
    ] = None,
    without_model: Annotated[
        bool,
        typer.Option(
            "--without-model",
            help="Ask no model: say what of the catalog is in the song.",
        ),
    ] = False,
    estimator: Annotated[
        str,
        typer.Option(
            "--estimator",
            metavar="NAME",
            help="index: fast, needs an index. unlearning: slow, needs none. "
            "similarity, captions and random: to compare with.",
        ),
    ] = "index",
    by: Annotated[
        SourceKind, typer.Option("--by", help="What kind of source gets the shares.")
    ] = "artist",
    level: Annotated[
        float,
        typer.Option(
            "--level",
            metavar="P",
            help="Of the intervals. Of the sources that are named, at most half of "
            "what is missing to 1 may be false.",
        ),
    ] = _LEVEL,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            metavar="TEXT",
            show_default=False,
            help="What the song was made from. If not given, its tags are read.",
        ),
    ] = None,
    pitch_range: Annotated[
        int,
        typer.Option(
            "--pitch-range",
            min=0,
            max=6,
            metavar="N",
            help="For a song that may have been moved in pitch: look N semitones up "
            "and down for where the model knows it best, and explain it there.",
        ),
    ] = 0,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            min=1,
            metavar="N",
            show_default=False,
            help="Name only the N best sources. It changes what is printed, "
            "not what is computed.",
        ),
    ] = None,
    encoder: EncoderOption = None,
    report: ReportOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which recordings shaped a song, how much, and how sure that is.

    A share is the part of a source in all influence that was found; the rest
    is unattributed. Influence is how much worse the model would know the song
    had it been trained without the source. It is evidence, never proof of
    copying. A source is named only if it stands out more than sources do on songs
    that they did not shape; where none does, the answer is that there is none.

    Example:
        contrafact attribute song.flac --model mine --by work -w ws

    Without the model there is no influence to be had, only likeness: the same
    recording, a part of it, the work by aspect, the style; each apart, and with
    figures that tell a list of this song from one that every song would get. There,
    --encoder also asks a published network: contrafact encoder list.

    Next, check the answer by training again: contrafact verify ID.
    """
    _check_mode(model, is_without=without_model, encoders=encoder or ())
    opened, place = open_workspace(workspace), named_workspace(workspace)
    if model is None:
        asked = Asking(by=by, encoders=encoder or (), report=report)
        show_evidence(opened, audio, asked, place=place, as_json=as_json)
        return
    from contrafact.workflows.attribute import attribute as run

    options = {
        "--model": model,
        "--estimator": estimator,
        "--by": by,
        "--level": f"{level:g}" if level != _LEVEL else None,
        "--pitch-range": pitch_range or None,
        "--prompt": prompt,
        "--report": report,
        "-w": place,
    }
    with show_progress(as_json=as_json) as progress:
        answer = run(
            opened,
            audio,
            model=model,
            estimator=estimator,
            by=by,
            level=level,
            prompt=prompt,
            pitch_range=pitch_range,
            report=report,
            progress=progress,
            command=_command(audio, options),
        )
    if as_json:
        print_json(_document(answer, top))
        return
    _print(answer, top=top, report=report, workspace=workspace)


def _check_mode(
    model: str | None, *, is_without: bool, encoders: Sequence[str]
) -> None:
    """Refuse options of which one asks a model and the other does without."""
    if is_without == (model is not None):
        raise typer.BadParameter(
            "give either the model or --without-model", param_hint="--model"
        )
    if encoders and not is_without:
        raise typer.BadParameter(
            "a model is asked about influence, not about likeness; give it with "
            "--without-model",
            param_hint="--encoder",
        )


def _command(audio: Path, options: Mapping[str, object]) -> str:
    """Return what to type to get the result again."""
    given = {name: str(value) for name, value in options.items() if value is not None}
    words = [word for option in given.items() for word in option]
    # A name that begins with a hyphen would be read as an option.
    named = f"./{audio}" if str(audio).startswith("-") else str(audio)
    return shlex.join(["contrafact", "attribute", named, *words])


def _document(answer: Attribution, top: int | None) -> dict[str, Any]:
    document = attribution_to_json(answer)
    return document | {"shares": document["shares"][:top]}


def _print(
    answer: Attribution, *, top: int | None, report: Path | None, workspace: Path | None
) -> None:
    from contrafact.reports import render_table

    print_table(render_table(answer, n_named=top or _N_SHOWN))
    if report is not None:
        print_lines(f"Report: {report}")
    print_lines("Influence is evidence, never proof of copying.")
    print_next("verify", answer.attribution_id, workspace=workspace)
