"""The documentation is held to the code."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import contrafact
from contrafact.attribution.estimators import (
    ESTIMATORS,
    PREDICTS_RISE,
    make_estimator,
)
from contrafact.catalog.corpora import CORPORA
from contrafact.cli import app
from contrafact.cli._exit import exit_code_of
from contrafact.core import config, errors
from contrafact.generators import GENERATORS
from contrafact.ledger.policies import POLICIES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def _read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _commands(command: Any, path: str) -> Iterator[str]:
    """Yield the full name of every command at or below this one."""
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, f"{path} {name}")


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file, and a heading in it, that exist."""
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    """A reader who starts at the index finds every page."""
    linked = {(DOCS / link).resolve() for link in LINK.findall(_read("index.md"))}
    assert set(DOCS.rglob("*.md")) - {DOCS / "index.md"} <= linked


@pytest.mark.parametrize(
    "command", list(_commands(typer.main.get_command(app), "contrafact"))
)
def test_every_command_is_documented(command: str) -> None:
    """The command line reference has a section for it."""
    assert command == "contrafact" or f"## `{command}`" in _read("cli.md")


@pytest.mark.parametrize("error", errors.__all__)
def test_every_exception_is_documented(error: str) -> None:
    """The page on errors has a row for it, and names no other."""
    named = re.findall(r"^\| `(\w+)`", _read("errors.md"), re.MULTILINE)
    assert named.count(error) == 1
    assert set(named) <= set(errors.__all__)


def test_documented_exit_codes_are_those_of_the_commands() -> None:
    """The page on errors and the command line agree on every exit code."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", _read("errors.md"), re.MULTILINE)
    raised = {name: getattr(errors, name)("") for name in errors.__all__}
    assert {name: int(code) for name, code in rows} == {
        name: exit_code_of(error) for name, error in raised.items()
    }


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("allocation.md", sorted(POLICIES)),
        ("corpora.md", sorted(CORPORA)),
        ("estimators.md", sorted(ESTIMATORS)),
        ("generators.md", sorted(GENERATORS)),
    ],
)
def test_every_plug_in_has_a_section(page: str, names: list[str]) -> None:
    """What a registry lists has a heading of its own on the registry's page."""
    headings = re.findall(r"^## `([\w-]+)`", _read(page), re.MULTILINE)
    assert set(names) <= set(headings)


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_every_setting_of_an_estimator_is_documented(name: str) -> None:
    """The tables of settings give each setting's name and default, and no other."""
    section = _read("estimators.md").partition(f"## `{name}`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE)
    shown = {key: text.strip("` ").replace(",", "") for key, text in rows}
    settings = dict(make_estimator(name).settings)
    # How many processes work is no part of what the index is.
    settings |= {"n_workers": 2} if name == "index" else {}
    assert shown.keys() == settings.keys()
    for key, default in settings.items():
        if isinstance(default, str | bool):
            assert shown[key] == str(default).lower()
        else:
            assert float(shown[key]) == default


def test_the_table_of_costs_tells_whose_scores_are_rises_of_loss() -> None:
    """It has a row for every estimator, with the unit that the code says it has."""
    table = _read("estimators.md").partition("| Estimator |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if "`" in line]
    units = {n: row[-1].strip() for row in rows for n in re.findall(r"`(\S+)`", row[0])}
    assert units.keys() == ESTIMATORS.keys()
    assert {n for n, unit in units.items() if unit == "rise of loss"} == PREDICTS_RISE


def test_every_environment_variable_is_documented() -> None:
    """The index names each variable that is read."""
    variables = [v for n, v in vars(config).items() if n.endswith("_VARIABLE")]
    assert [v for v in variables if f"`{v}`" not in _read("index.md")] == []


def test_the_changelog_knows_this_version() -> None:
    """What is released, or about to be, has a section."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{contrafact.__version__}]" in text


def test_the_readme_begins_with_the_two_commands() -> None:
    """The first thing to read after one sentence is what to type."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("make ")][:2] == [
        "make demo",
        "make test",
    ]
    assert text.index("make demo") < 600  # characters: on the first screen


def test_targets_in_the_documentation_exist() -> None:
    """Every `make TARGET` that a page names is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`make ([a-z]+)", text))
    named |= set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE))
    assert named <= targets


def test_constraints_fit_the_declared_ranges() -> None:
    """Every direct dependency is pinned for set-up."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tables = project["project"]
    declared = tables["dependencies"] + [
        line for extra in tables["optional-dependencies"].values() for line in extra
    ]
    names = {re.split(r"[\[<>=]", line)[0].replace("_", "-") for line in declared}
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    pinned = {name.replace("_", "-") for name in re.findall(r"^([\w-]+)==", text, re.M)}
    assert names - pinned == set()


def test_the_command_line_page_is_up_to_date() -> None:
    """`docs/cli.md` is what the commands say about themselves."""
    script = DOCS / "generate_cli_reference.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False)
    assert done.returncode == 0


def test_numbers_on_how_right_come_from_the_results() -> None:
    """The page and its plot are as their generator writes them."""
    script = DOCS / "generate_how_right.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
