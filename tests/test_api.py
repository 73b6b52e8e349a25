from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import contrafact

# What `import contrafact` must not pull in.
HEAVY = ("torch", "numpy", "sqlalchemy", "rich", "typer")


def test_the_public_names_are_these() -> None:
    """The surface is pinned: nothing comes or goes unnoticed."""
    assert contrafact.__all__ == [
        "Workspace",
        "__version__",
        "attribute",
        "build_index",
        "generate",
        "headline",
        "ingest",
        "train",
        "verify",
        "write_corpus",
    ]
    assert set(contrafact.__all__) <= set(dir(contrafact))


@pytest.mark.parametrize("name", contrafact.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """It is imported when asked for, and is what its home calls so."""
    found = getattr(contrafact, name)
    assert getattr(found, "__name__", name) == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = contrafact.nonsense


def test_importing_contrafact_is_light() -> None:
    """Nothing but the standard library is imported before it is needed."""
    code = f"import sys, contrafact; sys.exit(any(m in sys.modules for m in {HEAVY}))"
    source = Path(contrafact.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, check=False
    )
    assert done.returncode == 0
