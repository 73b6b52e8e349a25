"""The light packages stay light: what they import is seen in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "scipy", "matplotlib")

IMPORT = """
import importlib, sys
importlib.import_module({module!r})
print(*sorted(set({heavy!r}) & set(sys.modules)))
"""

RUN = """
import sys
from contrafact.cli import main
sys.argv = ["contrafact", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    print(*sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)
"""


def _run(code: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(
    "module",
    [
        "contrafact",
        "contrafact.audit",
        "contrafact.catalog",
        "contrafact.cli",
        "contrafact.core.results",
        "contrafact.ledger",
        "contrafact.reports",
        "contrafact.rights",
        "contrafact.rights.readers",
    ],
)
def test_importing_it_imports_nothing_heavy(module: str) -> None:
    """A package that needs no tensors can be imported without torch."""
    assert _run(IMPORT.format(module=module, heavy=HEAVY)).stdout.split() == []


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_answers_without_torch(arguments: list[str]) -> None:
    """Asking for help costs no import of torch, and prints something."""
    done = _run(RUN.format(arguments=arguments, heavy=HEAVY))
    assert done.stdout.strip()
    assert done.stderr.split() == []
