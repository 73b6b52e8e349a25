"""Benchmarks from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from contrafact.cli.bench import BENCHMARKS
from contrafact.core.errors import ConfigError
from contrafact.workflows import benchmarks

Apart = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_benchmark_has_its_script(name: str) -> None:
    """The registry names what is in the folder bench."""
    script = BENCHMARKS[name].script
    assert (benchmarks.bench_folder(script) / script).exists()


def test_a_script_that_is_not_there_is_named() -> None:
    """Outside of a checkout the error says what was looked for, and where."""
    with pytest.raises(ConfigError, match=r"Found no bench/nothing\.py"):
        benchmarks.bench_folder("nothing.py")


def test_arguments_and_exit_code_are_handed_on(apart: Apart, tmp_path: Path) -> None:
    """What the command does not know, the script gets; its exit code comes back."""
    words = ("bench", "matching", "--only", "--json", "-w", tmp_path)
    done = apart(*words)
    assert (done.returncode, json.loads(done.stdout)) == (0, {}), done.stderr
    wrong = apart("bench", "matching", "--only", "nothing")
    assert wrong.returncode == 2
    assert "invalid choice" in wrong.stderr


def test_a_folder_of_the_current_checkout_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An installed package runs the scripts of the checkout it is called in."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "own.py").write_text("import sys; print(sys.argv[1:])")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert benchmarks.run_benchmark("own.py", ["--json"]) == 0
    assert capfd.readouterr().out == "['--json']\n"
