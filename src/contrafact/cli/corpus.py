"""`contrafact corpus list|write|check|identify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._options import (
    JsonOption,
    ReportOption,
    SeedOption,
    WorkspaceOption,
    open_workspace,
)
from contrafact.cli._output import (
    print_json,
    print_lines,
    print_next,
    print_rows,
    to_json,
)
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from contrafact.workflows.corpus_identify import CorpusAudit
    from contrafact.workflows.gate import GateReport

__all__ = ["app"]

_REFUSED = 9
_N_SHOWN = 20

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


@app.command("check")
def check(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", show_default=False, help="A folder of audio, or one file."
        ),
    ],
    use: Annotated[
        str, typer.Option("--use", metavar="USE", help="What it shall be used for.")
    ] = "train-generative",
    territory: Annotated[
        str,
        typer.Option(
            "--territory",
            metavar="WHERE",
            help="Where, as 'worldwide', 'DE FR' or 'worldwide -CN'.",
        ),
    ] = "worldwide",
    on: Annotated[
        str,
        typer.Option("--on", metavar="DATE", help="The day of the use: 2026-01-31."),
    ] = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse every file without live consent, or that sounds like a reserved one.

    Consents and withdrawn recordings are those of the workspace; a metadata.csv
    in the folder says what its files are. The exit code is 0 if all may be
    used, and 9 if any is refused or cannot be read.

    Example:
        contrafact corpus check music --use train-generative -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.rights import Territory, parse_use
    from contrafact.workflows.gate import Question, check_folder
    from contrafact.workflows.withdraw import parse_effective

    question = Question(
        use=parse_use(use),
        on=parse_effective(on),
        territory=Territory.parse(territory),
    )
    with show_progress(as_json=as_json) as progress:
        report = check_folder(opened, directory, question, progress=progress)
    if as_json:
        print_json(_check_document(report))
    else:
        _show_check(report)
    if not report.is_passed:
        text = f"{len(report.refused)} of {report.n_files} file(s) refused for {use}"
        typer.echo(f"error: {text}", err=True)
        raise typer.Exit(_REFUSED)


def _check_document(report: GateReport) -> dict[str, Any]:
    q = report.question
    return {
        "passed": report.is_passed,
        "use": q.use.value,
        "territory": str(q.territory),
        "on": str(q.on),
        "n_files": report.n_files,
        "n_refused": len(report.refused),
        "refused": to_json(report.refused),
        "notes": to_json(report.notes),
        "matcher": {"name": report.matcher, "threshold": report.threshold},
    }


def _show_check(report: GateReport) -> None:
    for refusal in report.refused[:_N_SHOWN]:
        print_lines(f"refused ({refusal.by}): {refusal.file}: {refusal.reason}")
    if len(report.refused) > _N_SHOWN:
        print_lines(f"and {len(report.refused) - _N_SHOWN} more; --json lists all.")
    n_passed = report.n_files - len(report.refused)
    print_lines(f"{n_passed} of {report.n_files} file(s) may be used.")


@app.command("identify")
def identify(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", show_default=False, help="The corpus.")
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="CATALOG",
            show_default=False,
            help="The workspace of known recordings; that of -w if not given.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            show_default=False,
            help="Write a line of JSON for each file there.",
        ),
    ] = None,
    report: ReportOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which files of a corpus are known recordings and works, and which are twins.

    Every file is compared with the catalog and with every other file: the same
    bytes, the same recording in another form, and parts of one in another. Run
    it again after it was interrupted, and it goes on.

    Example:
        contrafact corpus identify training/ --against ws -o audit.jsonl
    """
    opened = open_workspace(against or workspace)
    from contrafact.workflows.corpus_identify import (
        identify_corpus,
        write_lines,
        write_page,
    )

    with show_progress(as_json=as_json) as progress:
        audit = identify_corpus(opened, directory, progress=progress)
    if out is not None:
        write_lines(audit, out)
    if report is not None:
        write_page(audit, report)
    if as_json:
        print_json(audit.to_json())
    else:
        _show_audit(audit)


def _show_audit(audit: CorpusAudit) -> None:
    rows = [
        (f["file"], m["title"], m["kind"], f"{m['false_match_probability']:.1e}")
        for f in audit.known
        for m in f["recordings"][:1]
    ]
    rows += [
        (f["file"], m["title"], "work", f"{m['joint']:.1e}")
        for f in audit.works
        for m in f["works"][:1]
    ]
    if rows:
        print_rows(("file", "known as", "what", "false by"), rows[:_N_SHOWN])
    if len(rows) > _N_SHOWN:
        print_lines(f"and {len(rows) - _N_SHOWN} more; --json lists all.")
    print_lines(
        f"{len(audit.files)} file(s) against {audit.n_recordings} recording(s): "
        f"{len(audit.known)} hold known recordings, {len(audit.works)} are other "
        f"performances of known works, {len(audit.duplicated)} have a twin in the "
        f"corpus, {len(audit.unreadable)} could not be heard."
    )
