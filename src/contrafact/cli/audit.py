"""`contrafact audit append|verify|bundle|keys`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._exit import EXIT_CODES
from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_next, print_rows
from contrafact.core.errors import AuditError, ConfigError

if TYPE_CHECKING:
    from contrafact.audit.keys import KeyRecord
    from contrafact.workflows.bundles import Verdict

__all__ = ["app"]

app = typer.Typer(help="The append-only log, and what an auditor needs of it.")
keys_app = typer.Typer(help="Keys to sign with. They are never in a workspace.")
app.add_typer(keys_app, name="keys")

_KeyIdOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="ID",
        show_default=False,
        help="The key to sign with, as listed by 'contrafact audit keys list'. "
        "If not given, the newest.",
    ),
]
_SinceOption = Annotated[
    Path | None,
    typer.Option(
        "--since",
        metavar="FILE",
        show_default=False,
        help="A checkpoint seen earlier: the log must begin with what it was then.",
    ),
]


@app.command("append")
def append(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            show_default=False,
            help="consent, withdrawal, release, contamination, attribution, "
            "statement or policy.",
        ),
    ],
    body: Annotated[
        Path,
        typer.Option(
            "--body",
            metavar="FILE",
            show_default=False,
            help="A JSON object that everybody may read; '-' reads standard input.",
        ),
    ],
    private: Annotated[
        Path | None,
        typer.Option(
            "--private",
            metavar="FILE",
            show_default=False,
            help="A JSON object whose values the entry only commits to.",
        ),
    ] = None,
    key: _KeyIdOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter something in the log, for good.

    Example:
        contrafact audit append policy --body policy.json -w ws

    Next, hand it to an auditor: contrafact audit bundle -o DIR.
    """
    public, hidden = _object(body), None if private is None else _object(private)
    opened = open_workspace(workspace)
    from contrafact.workflows.audit import append_entry

    done = append_entry(opened, kind, public, private=hidden, key_id=key)
    if as_json:
        shown = {"index": done.index, "origin": done.origin, "size": done.size}
        made = [{"field": r.field, "commitment": r.commitment} for r in done.reveals]
        print_json({**shown, "root": done.root, "commitments": made})
    else:
        print_lines(
            f"Entry {done.index} of the log {done.origin}, root {done.root[:16]}."
        )
        print_next("audit", "bundle", "-o", "DIR", workspace=workspace)


def _object(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file.

    Raises:
        ConfigError: If there is none.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read JSON from {path}: {error}.") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON object. Write one in braces.")
    return found


@app.command("verify")
def verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            metavar="BUNDLE",
            show_default=False,
            help="A folder from 'contrafact audit bundle'. If not given, the log of "
            "the workspace.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="PEM",
            show_default=False,
            help="The public key of its owner, got another way than with the bundle.",
        ),
    ] = None,
    since: _SinceOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every entry, hash, proof and signature of a log or a bundle.

    Exits with 10 if anything is not true. verify/contrafact_verify.py does the
    same for a bundle and needs no installation.

    Example:
        contrafact audit verify bundle --key owner.pem
    """
    from contrafact.workflows import bundles

    if bundle is None:
        if key is not None:
            raise ConfigError("--key is for a bundle. Name one, or leave it out.")
        verdict = bundles.verify_log(open_workspace(workspace), since=since)
    else:
        verdict = bundles.verify_bundle(bundle, key=key, since=since)
    _show_verdict(verdict, as_json=as_json)
    if not verdict.is_true:
        raise typer.Exit(EXIT_CODES[AuditError])


def _show_verdict(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        keys = [record.to_json() for record in verdict.keys]
        found = {"is_true": verdict.is_true, "problems": verdict.problems}
        log = {"origin": verdict.origin, "size": verdict.size, "root": verdict.root}
        print_json({**found, **log, "keys": keys, "is_trusted": verdict.is_trusted})
        return
    print_lines(*(f"not true: {problem}" for problem in verdict.problems))
    if verdict.is_true:
        print_lines(f"True: {verdict.size} entries of the log {verdict.origin}.")
    if not verdict.is_trusted:
        prints = [record.public_key.fingerprint for record in verdict.keys]
        print_lines(
            "Judged by the bundle's own keys. Compare with what their owner says:",
            *prints,
        )


@app.command("bundle")
def bundle(
    out: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", show_default=False, help="A new folder."
        ),
    ],
    reveal: Annotated[
        list[str] | None,
        typer.Option(
            "--reveal",
            metavar="ID",
            show_default=False,
            help="A work or recording whose private values the auditor may see; "
            "may be given more than once.",
        ),
    ] = None,
    key: _KeyIdOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the log, manifests, releases, proofs and keys into one folder.

    Example:
        contrafact audit bundle -o bundle -w ws

    Next: python3 verify/contrafact_verify.py bundle.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.bundles import make_bundle

    names = make_bundle(opened, out, reveal=reveal or (), key_id=key)
    if as_json:
        print_json({"bundle": out, "files": names})
    else:
        print_lines(f"{len(names)} files are in {out}.")
        print_next("audit", "verify", out, workspace=None)


@keys_app.command("new")
def new(
    algorithm: Annotated[
        str,
        typer.Option(
            "--algorithm",
            metavar="NAME",
            help="ed25519, or es256, which model-signing knows too.",
        ),
    ] = "ed25519",
    as_json: JsonOption = False,
) -> None:
    """Make a key to sign with, readable by you alone.

    Example:
        contrafact audit keys new
    """
    from contrafact.audit.keys import generate_key
    from contrafact.core.config import keys_dir_from_environment

    folder = keys_dir_from_environment()
    record = generate_key(folder, algorithm)
    if as_json:
        print_json({**record.to_json(), "folder": folder})
    else:
        print_lines(
            f"Key {record.public_key.id} ({record.public_key.algorithm}) is in "
            f"{folder}. Keep it safe.",
            f"Its fingerprint, for those who check: {record.public_key.fingerprint}",
        )


@keys_app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the keys, oldest first.

    Example:
        contrafact audit keys list
    """
    from contrafact.workflows.audit import trusted_keys

    records = trusted_keys().records
    if as_json:
        print_json({"keys": [record.to_json() for record in records]})
    elif records:
        columns = ("id", "algorithm", "created", "revoked from", "fingerprint")
        print_rows(columns, map(_row, records))
    else:
        print_lines("No keys. Make one: contrafact audit keys new")


def _row(record: KeyRecord) -> tuple[object, ...]:
    plain = record.to_json()
    names = ("id", "algorithm", "created", "revoked_from", "fingerprint")
    return tuple(plain[name] for name in names)


@keys_app.command("revoke")
def revoke(
    key: Annotated[
        str,
        typer.Argument(
            metavar="ID", show_default=False, help="As in contrafact audit keys list."
        ),
    ],
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", show_default=False, help="Why."),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            show_default=False,
            help="Signatures from then on do not count; from now on if not given.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Declare that a key's signatures do not count from a moment on.

    With -w the revocation is entered in that workspace's log, signed by another
    key. CONTRAFACT_WORKSPACE is not looked at.

    Example:
        contrafact audit keys revoke 0123456789abcdef --reason "laptop stolen"
    """
    from contrafact.workflows.audit import parse_moment, revoke_and_log

    record = revoke_and_log(
        key,
        reason=reason,
        since=None if since is None else parse_moment(since),
        workspace=None if workspace is None else open_workspace(workspace),
    )
    if as_json:
        print_json(record.to_json())
    else:
        plain = record.to_json()
        print_lines(f"Key {plain['id']} is revoked from {plain['revoked_from']} on.")
