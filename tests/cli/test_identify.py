"""What `identify` says of audio in which nothing could be looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.cli.identify import _nothing

from .conftest import Run


@pytest.mark.parametrize("kind", ["text", "silence", "missing"])
def test_of_what_cannot_be_heard_nothing_is_said(
    run: Run, tmp_path: Path, kind: str
) -> None:
    """Not that none of the catalog is in it: nobody could look."""
    ws, file = tmp_path / "ws", tmp_path / "upload.wav"
    assert run("init", "-w", ws).exit_code == 0
    if kind == "text":
        file.write_text("no audio")
    elif kind == "silence":
        soundfile.write(file, np.zeros(40_000), 16_000)
    result = run("identify", file, "-w", ws)
    assert result.exit_code in (0, 4)
    assert "Nothing was looked for" in result.stdout
    assert "None of the" not in result.stdout


def test_an_empty_record_claims_no_more_than_was_looked_for() -> None:
    """Works are left out of the sentence where nobody heard notes."""
    record = {"problem": None, "not_measured": ["works"]}
    assert "Works were not looked for" in _nothing(record, 3)
    assert "nor a work of theirs" not in _nothing(record, 3)
    assert "nor a work of theirs" in _nothing({**record, "not_measured": []}, 3)
