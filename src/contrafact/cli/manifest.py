"""`contrafact manifest build|show|prove|disprove`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_next, print_rows
from contrafact.cli._progress import show_progress
from contrafact.core.errors import ConfigError, ProofError

if TYPE_CHECKING:
    from contrafact.workflows.manifest import ManifestInfo

__all__ = ["app"]

app = typer.Typer(help="What a corpus consists of, by whose consent, provably.")

_WorkArgument = Annotated[
    str | None,
    typer.Argument(metavar="[WORK]", show_default=False, help="Id of a work."),
]
_RecordingOption = Annotated[
    str | None,
    typer.Option(
        "--recording",
        metavar="ID",
        show_default=False,
        help="One recording of the work instead of all.",
    ),
]
_FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        show_default=False,
        help="A file instead of a work: is this very file in it?",
    ),
]
_ManifestOption = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="ROOT",
        show_default=False,
        help="The manifest whose root begins so. If not given, all.",
    ),
]


@app.command("build")
def build(
    use: Annotated[
        str,
        typer.Option("--use", metavar="USE", help="The use that must be allowed."),
    ] = "train-generative",
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="DATE",
            show_default=False,
            help="The day on which it must be; today if not given.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            show_default=False,
            help="A new folder. If not given, one in the workspace.",
        ),
    ] = None,
    is_all: Annotated[
        bool,
        typer.Option("--all", help="List recordings without consent too, as such."),
    ] = False,
    is_unsigned: Annotated[
        bool,
        typer.Option("--unsigned", help="Neither sign it nor enter it in the log."),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the sorted manifest of what may be used, with its Merkle root.

    Example:
        contrafact manifest build -w ws

    Next, show that a work is in it: contrafact manifest prove WORK.
    """
    day = _day(on)
    opened = open_workspace(workspace)
    from contrafact.workflows import manifest

    with show_progress(as_json=as_json) as progress:
        consents = manifest.registered_consents(
            opened, use=use, on=day, progress=progress
        )
        info = manifest.build(
            opened,
            consents=consents,
            out=out,
            is_all=is_all,
            is_signed=not is_unsigned,
            progress=progress,
        )
    if as_json:
        print_json(_document(info))
    else:
        _show(info)
        print_next("manifest", "prove", "WORK", workspace=workspace)


def _day(text: str | None) -> date:
    try:
        return date.today() if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date. Write 2026-01-31.") from error


def _document(info: ManifestInfo) -> dict[str, Any]:
    from dataclasses import asdict

    plain = asdict(info)
    header: dict[str, Any] = plain.pop("header")
    return header | plain


def _show(info: ManifestInfo) -> None:
    h = info.header
    lines = [
        f"root        {h.root}",
        f"files root  {h.files_root}",
        f"entries     {h.n_entries} of {h.n_files} file(s)",
        f"folder      {info.folder}",
        f"signed      {'yes' if info.is_signed else 'NO'}",
    ]
    if info.n_left_out:
        lines.append(f"left out    {info.n_left_out} recording(s) without consent")
    if h.n_without_consent:
        lines.append(f"NO CONSENT  {h.n_without_consent} entries")
    if h.n_without_work:
        lines.append(f"NO WORK     {h.n_without_work} entries")
    if info.entry is not None:
        lines.append(f"log entry   {info.entry}")
    print_lines(*lines)


@app.command("show")
def show(
    root: Annotated[
        str | None,
        typer.Argument(
            metavar="[ROOT]", show_default=False, help="How a manifest's root begins."
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the manifests, or show and check one of them, with its entries.

    Example:
        contrafact manifest show -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows import manifest

    infos = manifest.list_manifests(opened)
    if root is None:
        _list(infos, as_json=as_json)
        return
    found = manifest.find_manifest(opened, root)
    found.check()
    info = next(info for info in infos if info.folder == found.root)
    if as_json:
        print_json({**_document(info), "list": list(found.entries())})
        return
    _show(info)
    columns = ("work", "recording", "right", "consent", "file")
    rows = (
        (e.work, e.recording, e.right, e.consent, e.digest) for e in found.entries()
    )
    print_rows(columns, rows)


def _list(infos: list[ManifestInfo], *, as_json: bool) -> None:
    if as_json:
        print_json({"manifests": [_document(info) for info in infos]})
    elif infos:
        rows = [(i.header.root[:16], i.header.n_entries, i.is_signed) for i in infos]
        print_rows(("root", "entries", "signed"), rows)
    else:
        print_lines("No manifests. Make one: contrafact manifest build")


@app.command("prove")
def prove(
    work: _WorkArgument = None,
    recording: _RecordingOption = None,
    file: _FileOption = None,
    manifest: _ManifestOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a work, a recording or a file is in a manifest.

    Example:
        contrafact manifest prove W-0123456789abcdef --json -w ws
    """
    subject = _subject(work, recording, file)
    opened = open_workspace(workspace)
    from contrafact.workflows.manifest import prove_all

    _show_proofs(prove_all(opened, subject, root=manifest), as_json=as_json)


@app.command("disprove")
def disprove(
    work: _WorkArgument = None,
    recording: _RecordingOption = None,
    file: _FileOption = None,
    manifest: _ManifestOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a work, a recording or a file is not in a manifest, or in none.

    If it is in one, the exit code is 10, and --json prints the proofs of that.

    Example:
        contrafact manifest disprove --file song.wav --json -w ws
    """
    subject = _subject(work, recording, file)
    opened = open_workspace(workspace)
    from contrafact.workflows.manifest import disprove_all, prove_all

    try:
        proofs = disprove_all(opened, subject, root=manifest)
    except ProofError as error:
        if as_json:
            held = prove_all(opened, subject, root=manifest)
            print_json({"disproved": False, "reason": str(error), "proofs": held})
        raise
    if as_json:
        print_json({"disproved": True, "proofs": proofs})
    else:
        _show_proofs(proofs, as_json=False)


def _subject(
    work: str | None, recording: str | None, file: Path | None
) -> dict[str, str | None]:
    """Return what is asked about.

    Raises:
        ConfigError: If it is nothing, or two things.
    """
    if (work is None) == (file is None) or (file is not None and recording):
        raise ConfigError("Give a work, and maybe one recording of it, or a --file.")
    if file is None:
        return {"work": work, "recording": recording}
    from contrafact.catalog import digest_file

    return {"digest": digest_file(file)}


def _show_proofs(proofs: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"proofs": proofs})
        return
    for proof in proofs:
        places = ", ".join(str(leaf["index"]) for leaf in proof["leaves"]) or "none"
        what = " / ".join(proof["subject"])
        is_in = proof["kind"] == "inclusion"
        verb = "is in" if is_in else "is NOT in"
        near = "entries" if is_in else "neighbours"
        print_lines(f"{what} {verb} manifest {proof['manifest'][:16]}: {near} {places}")
    print_lines("The proofs themselves: the same with --json.")
