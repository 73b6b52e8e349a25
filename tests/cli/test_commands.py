from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import Result

from contrafact import __version__
from contrafact.cli.commands import app

Run = Callable[..., Result]

# Modules that would make `--help` slow, or need what is not installed.
HEAVY = ("torch", "numpy", "sqlalchemy", "contrafact.catalog", "contrafact.reports")


def _paths(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, TyperGroup):
        return [path]
    below = [_paths(sub, (*path, name)) for name, sub in command.commands.items()]
    return [path, *(found for paths in below for found in paths)]


COMMANDS = _paths(get_command(app))
WITHOUT_WORKSPACE = [
    ("audit", "keys", "list"),
    ("audit", "keys", "new"),
    ("corpus", "list"),
    ("corpus", "write"),
    ("encoder", "convert"),
    ("encoder", "list"),
]
LEAVES = [path for path in COMMANDS if path and path not in {p[:-1] for p in COMMANDS}]


def test_the_commands_are_those_that_are_documented() -> None:
    """No command comes or goes unnoticed."""
    assert sorted(" ".join(path) for path in LEAVES) == [
        "allocate clusters",
        "allocate compare",
        "allocate run",
        "attribute",
        "audit append",
        "audit bundle",
        "audit keys list",
        "audit keys new",
        "audit keys revoke",
        "audit verify",
        "bench attribution",
        "bench matching",
        "bench origin",
        "bench watermarks",
        "catalog cliques",
        "catalog list",
        "catalog show",
        "consent conflicts",
        "consent import",
        "consent revoke",
        "consent show",
        "consent template",
        "corpus check",
        "corpus identify",
        "corpus list",
        "corpus write",
        "demo",
        "encoder convert",
        "encoder list",
        "generate",
        "identify",
        "index build",
        "index show",
        "ingest",
        "init",
        "ledger balance",
        "ledger close",
        "ledger dispute",
        "ledger export",
        "ledger journal",
        "ledger plan",
        "ledger rates",
        "ledger reverse",
        "manifest build",
        "manifest disprove",
        "manifest prove",
        "manifest show",
        "mark",
        "models list",
        "models show",
        "origin enroll",
        "origin identify",
        "origin list",
        "origin remove",
        "origin show",
        "payout export",
        "plays ingest",
        "plays template",
        "release create",
        "release find",
        "release list",
        "release show",
        "report ab2013",
        "report copyright-policy",
        "report eu-summary",
        "report per-work-notice",
        "report rights-reservations",
        "retrain",
        "screen",
        "statement make",
        "statement verify",
        "train",
        "verify",
        "withdraw",
    ]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_explains_every_command(run: Run, path: tuple[str, ...]) -> None:
    """`--help` is answered on standard output, with exit code 0."""
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Usage: contrafact" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_gives_an_example_that_names_the_command(
    run: Run, path: tuple[str, ...]
) -> None:
    """A worked example shows how the command is typed."""
    _, _, after = run(*path, "--help").stdout.partition("Example:")
    assert after.split("\n")[1].strip().startswith(f"contrafact {' '.join(path)}")


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_takes_json_and_a_workspace(path: tuple[str, ...]) -> None:
    """Only corpora, written to a folder, keys and encoders need no workspace."""
    command: Any = get_command(app)
    for name in path:
        command = command.commands[name]
    options = {word for param in command.params for word in param.opts}
    assert "--json" in options
    assert ({"-w", "--workspace"} <= options) != (path in WITHOUT_WORKSPACE)


def test_help_needs_nothing_heavy() -> None:
    """Help and version are quick: what makes them slow is not imported."""
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({HEAVY!r}))\n"
        "from contrafact.cli import main\n"
        "main()"
    )
    for words in (["--help"], ["attribute", "--help"], ["--version"]):
        done = run(
            [sys.executable, "-c", code, *words], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_version_is_printed(run: Run, document: Callable[[Result], Any]) -> None:
    """As a line, and as JSON."""
    assert run("--version").stdout == f"contrafact {__version__}\n"
    assert document(run("--version", "--json")) == {"version": __version__}


def test_nothing_typed_is_answered_with_help(run: Run) -> None:
    """The program alone says what it can do."""
    result = run()
    assert (result.exit_code, result.stdout) == (0, run("--help").stdout)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["ingest"], "error: Missing argument 'PATH'. See `contrafact ingest --help`."),
        (["catalog"], "error: Missing command. See `contrafact catalog --help`."),
        (["xyzzy"], "error: No such command 'xyzzy'. See `contrafact --help`."),
        (["train", "--recipe", "x"], "'x' is neither 'quick' nor 'full'"),
        (["train", "--seed", "-1"], "'--seed'"),
        (["attribute", "a", "--model", "m", "--by", "label"], "'--by'"),
        (["attribute", "a", "--model", "m", "--top", "0"], "'--top'"),
        (["--json", "models", "list"], "give it after the command"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_wrong_usage_is_one_line(
    run: Run, words: list[str], line: str, *, as_json: bool
) -> None:
    """What was wrong and where help is; exit code 2; nothing on stdout."""
    result = run(*words, *(["--json"] if as_json and words != ["xyzzy"] else []))
    if as_json and words == ["catalog"]:
        line = "error: No such option: --json. See `contrafact catalog --help`."
    assert result.exit_code == 2
    assert result.stdout == ""
    assert line in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_program_runs_in_a_process_of_its_own(
    apart: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    """Exit codes and streams hold outside of the test runner too."""
    good = apart("init", "-w", "ws", "--json", cwd=tmp_path)
    bad = apart("catalog", "list", "-w", "nowhere", "--json", cwd=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert (bad.returncode, bad.stdout) == (3, "")
    line = "error: No workspace in nowhere. Run `contrafact init -w nowhere`.\n"
    assert bad.stderr == line
