"""What the lean MusicXML reader promises, on files written for the purpose."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from contrafact.catalog.corpora._musicxml import read_musicxml
from contrafact.catalog.corpora._notation import NotationError

ATTRIBUTES = (
    "<attributes><divisions>2</divisions>"
    "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
)


def note(step: str, duration: int, inside: str = "", octave: int = 4) -> str:
    """Return a note; `duration` is in eighths."""
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    return f"<note>{inside}{pitch}<duration>{duration}</duration></note>"


def rest(duration: int) -> str:
    """Return a rest; `duration` is in eighths."""
    return f"<note><rest/><duration>{duration}</duration></note>"


def document(*parts: list[str], head: str = "") -> str:
    """Return a score of parts, each a list of bars."""
    body = "".join(
        f"<part id='P{i}'>"
        + "".join(
            f"<measure number='{j}'>{ATTRIBUTES if j == 0 else ''}{bar}</measure>"
            for j, bar in enumerate(bars)
        )
        + "</part>"
        for i, bars in enumerate(parts)
    )
    return f"<score-partwise>{head}{body}</score-partwise>"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a test puts its file."""
    return tmp_path / "score.xml"


def test_chords_voices_and_ties(path: Path) -> None:
    """A chord shares its onset, `backup` goes back, tied notes become one."""
    start, stop = "<tie type='start'/>", "<tie type='stop'/>"
    first = note("C", 8, start) + note("E", 8, "<chord/>")
    back = "<backup><duration>4</duration></backup>" + note("A", 4)
    path.write_text(document([first + back, note("C", 4, stop) + rest(4)]))
    score = read_musicxml(path)
    assert [(n.start, n.length, n.pitch) for n in score.notes] == [
        (0, 6, 60),
        (0, 4, 64),
        (2, 2, 69),
    ]
    assert score.bars == (0, 4, 8)


def test_grace_notes_take_no_time(path: Path) -> None:
    """A grace note neither sounds nor moves what follows."""
    path.write_text(document([note("D", 0, "<grace/>") + note("C", 8)]))
    assert [(n.start, n.pitch) for n in read_musicxml(path).notes] == [(0, 60)]


def test_a_miscounted_rest_does_not_shift_the_other_parts(path: Path) -> None:
    """One part's rest of two bars in one bar leaves the second bar in its place."""
    path.write_text(document([note("C", 8), note("C", 8)], [rest(16), note("E", 8)]))
    score = read_musicxml(path)
    assert score.bars == (0, 4, 8)
    assert [(n.start, n.part) for n in score.notes] == [(0, 0), (4, 0), (4, 1)]


def test_a_pickup_is_as_long_as_its_notes(path: Path) -> None:
    """A short first bar stays short."""
    path.write_text(document([note("G", 2), note("C", 8)]))
    assert read_musicxml(path).bars == (0, 1, 5)


def test_tempo_and_transposition(path: Path) -> None:
    """Marks of tempo keep their place; a transposing part sounds as it is heard."""
    horn = "<attributes><transpose><chromatic>-7</chromatic></transpose></attributes>"
    mark = "<direction><sound tempo='72'/></direction>"
    path.write_text(document([horn + note("C", 8), mark + note("C", 8)]))
    score = read_musicxml(path)
    assert score.notes[0].pitch == 53
    assert score.tempos == ((4.0, 72.0),)


def test_compressed_files_are_read(tmp_path: Path) -> None:
    """A `.mxl` is an archive that holds the score."""
    path = tmp_path / "score.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("score.xml", document([note("C", 8)]))
    assert len(read_musicxml(path).notes) == 1


@pytest.mark.parametrize(
    "head",
    [
        "<identification><rights>Copyright 1999 A Publisher</rights></identification>",
        "<credit><credit-words>PDF \N{COPYRIGHT SIGN} 2004</credit-words></credit>",
    ],
)
def test_reserved_rights_are_respected(path: Path, head: str) -> None:
    """A score whose edition claims rights is refused, with the claim."""
    path.write_text(document([note("C", 8)], head=head), encoding="utf-8")
    with pytest.raises(NotationError, match="reserves rights"):
        read_musicxml(path)


def test_a_dedication_to_the_public_is_no_claim(path: Path) -> None:
    """The word copyright beside a dedication to the public domain is harmless."""
    head = "<identification><rights>Copyright 1884, now Public Domain</rights>"
    path.write_text(document([note("C", 8)], head=head + "</identification>"))
    assert read_musicxml(path).notes


@pytest.mark.parametrize(
    "text", ["<score-timewise/>", "<score-partwise/>", "no music", "<a>"]
)
def test_other_files_are_refused(path: Path, text: str) -> None:
    """What is no score with notes is an error that names the file."""
    path.write_text(text)
    with pytest.raises(NotationError, match=r"score\.xml"):
        read_musicxml(path)
