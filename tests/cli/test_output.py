from __future__ import annotations

from pathlib import Path

import pytest

from contrafact.cli._output import plain, print_json, print_lines, to_json
from contrafact.cli._progress import show_progress
from contrafact.core.entities import Problem


def test_records_become_objects_and_missing_numbers_null() -> None:
    """JSON has neither records nor paths, nor numbers that are none."""
    problem = Problem(source="a", message="b", is_fatal=False)
    found = to_json({"p": (problem,), "at": Path("x"), "n": [float("inf"), 0.5]})
    assert found == {
        "p": [{"source": "a", "message": "b", "is_fatal": False}],
        "at": "x",
        "n": [None, 0.5],
    }


def test_names_that_are_no_text_can_be_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file name with bytes that are not UTF-8 fails no print."""
    print_json({"file": "a\udcff.wav"})
    print_lines("a\udcff.wav")
    out = capsys.readouterr().out
    assert '"a\\udcff.wav"' in out
    assert "a\ufffd.wav" in out


def test_progress_is_a_line_at_the_beginning_and_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a terminal the steps between are not printed."""
    with show_progress(as_json=False) as tell:
        for n_done in range(1, 101):
            tell("training", n_done, 100)
    assert capsys.readouterr() == ("", "training: 1 of 100\ntraining: 100 of 100\n")


def test_a_terminal_gets_bars(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stage is a bar on standard error, whatever its name holds."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with show_progress(as_json=True) as tell:
        tell("[training]", 1, 2)
        tell("indexing", 2, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "[training]" in err
    assert "2/2" in err


def test_no_name_can_look_like_another() -> None:
    """Characters that turn the direction of writing are made visible."""
    assert plain("song\u202e3pm.exe\u2066") == "song\ufffd3pm.exe\ufffd"
    assert plain("\u05e9\u05d9\u05e8") == "\u05e9\u05d9\u05e8"
