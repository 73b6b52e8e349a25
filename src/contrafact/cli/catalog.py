"""`contrafact catalog list|show|cliques`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_rows
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from contrafact.workflows.catalog import RecordingInfo

__all__ = ["app"]

app = typer.Typer(help="What recordings the catalog holds.")


@app.command("list")
def list_(
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="NAME",
            show_default=False,
            help="Only the recordings of this collection.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the recordings of the catalog, in order of id.

    Example:
        contrafact catalog list -w ws --group Chorales

    Next, everything about one of them: contrafact catalog show ID.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.catalog import list_recordings

    infos = list_recordings(opened, group=group)
    if as_json:
        print_json({"recordings": [_summary(info) for info in infos]})
    elif infos:
        rows = [
            (i.recording.id, i.artist, i.recording.title, f"{_seconds(i)} s")
            for i in infos
        ]
        print_rows(("id", "artist", "title", "length"), rows)
    else:
        print_lines("No recordings. Take some in: contrafact ingest PATH...")


@app.command("show")
def show(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            show_default=False,
            help="Of a recording, or as much of its beginning as is unique.",
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything that is known about one recording.

    Example:
        contrafact catalog show R-0a1b -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.catalog import show_recording

    info = show_recording(opened, id_)
    details = _details(info) | {"stored": opened.audio_path(info.recording)}
    if as_json:
        print_json(details)
    else:
        shown = _for_reading(info, details)
        width = max(map(len, shown))
        print_lines(*(f"{name:{width}}  {value}" for name, value in shown.items()))


@app.command("cliques")
def cliques(
    *,
    max_p: Annotated[
        float,
        typer.Option(
            "--max-p",
            metavar="P",
            help="How often unrelated recordings may be as alike as two linked ones.",
        ),
    ] = 0.01,
    heard: Annotated[
        bool,
        typer.Option(
            "--heard", help="Only those that the catalog does not name itself."
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List recordings that are versions of one another.

    They name one work, or were heard to be alike in melody, harmony and rhythm
    although they name different ones, or none: something to look at, and to mend in
    the catalog where it is right.

    Example:
        contrafact catalog cliques -w ws --heard
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.cliques import find_cliques

    with show_progress(as_json=as_json) as progress:
        found, names = find_cliques(
            opened, max_p=max_p, heard_only=heard, progress=progress
        )
    documents = [clique.to_json(names) for clique in found]
    if as_json:
        print_json({"cliques": documents})
        return
    for clique in documents:
        works = " = ".join(work["title"] for work in clique["works"])
        print_lines(f"{works} ({'heard' if clique['is_heard'] else 'named'})")
        rows = [
            (r["recording_id"], r["artist"], r["title"]) for r in clique["recordings"]
        ]
        print_rows(("id", "artist", "title"), rows)
    if not documents:
        print_lines("No two recordings of the catalog are versions of one work.")


def _seconds(info: RecordingInfo) -> float:
    return round(info.recording.duration_s, 2)


def _summary(info: RecordingInfo) -> dict[str, Any]:
    r = info.recording
    return {
        "id": r.id,
        "title": r.title,
        "artist": info.artist,
        "work_id": r.work_id,
        "file": r.file,
        "duration_s": r.duration_s,
    }


def _details(info: RecordingInfo) -> dict[str, Any]:
    r = info.recording
    return _summary(info) | {
        "artists": info.artists,
        "work": info.work,
        "release": info.release,
        "label": info.label,
        "isrc": r.isrc,
        "group": r.group,
        "caption": r.caption,
        "caption_anonymous": r.caption_anonymous,
        "sample_rate": r.sample_rate,
        "n_channels": r.n_channels,
        "digest": r.digest,
    }


def _for_reading(info: RecordingInfo, details: dict[str, Any]) -> dict[str, Any]:
    """Return names in the place of entities, and leave out what is not known."""
    named = {
        "artists": info.artist,
        "work": info.work and info.work.title,
        "release": info.release and info.release.title,
        "label": info.label and info.label.name,
    }
    hidden = ("artist", "work_id")
    shown = {k: v for k, v in (details | named).items() if k not in hidden}
    return {name: value for name, value in shown.items() if value is not None}
