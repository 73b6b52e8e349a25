"""The template in the documentation is a corpus."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import soundfile

from contrafact.catalog import Workspace, ingest
from contrafact.catalog.corpora import CorpusSettings

PAGE = Path(__file__).parents[3] / "docs" / "corpora.md"


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class that the page shows to contributors, imported as a module."""
    text = PAGE.read_text(encoding="utf-8").partition("## How to add")[2]
    block = re.search(r"^ *```python\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "shown_template.py").write_text(textwrap.dedent(block[1]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shown_template", raising=False)
    return importlib.import_module("shown_template").HumCorpus


def test_the_template_writes_a_corpus(template: Any, tmp_path: Path) -> None:
    """It writes what was asked for, the same bytes again, and it can be ingested."""
    settings = CorpusSettings(n_recordings=3, n_heldout=1, n_workers=1)
    tables = [template().write(tmp_path / name, settings) for name in ("a", "b")]
    files = sorted(tables[0].parent.rglob("*.flac"))
    assert {file.name for file in files} == {
        f"hum-{pitch}.flac" for pitch in (50, 100, 101, 102)
    }
    for file in files:
        twin = tables[1].parent / file.relative_to(tables[0].parent)
        assert file.read_bytes() == twin.read_bytes()
        assert soundfile.info(str(file)).frames == 8 * 16_000
    workspace = Workspace.init(tmp_path / "ws")
    report = ingest(workspace, [tables[0].parent], metadata=tables[0])
    assert len(report.taken) == 3
    (left_out,) = report.problems
    assert left_out.source == str(tables[0].parent / "heldout")
